"""Sockets, connections and their limits."""

from exporter.web.server.listening import serve
from exporter.web.server.sockets import from_systemd, listen

__all__ = ["from_systemd", "listen", "serve"]
