"""The HTTP server: metrics, pages, API, health and reload."""

from exporter.web.lifecycle import Reload
from exporter.web.server.listening import serve
from exporter.web.server.sockets import from_systemd, listen
from exporter.web.site import Site, create_app
from exporter.web.toolkit import Guard, WebConfigFile
from exporter.web.views.inside import Calls, Inside

__all__ = [
    "Calls",
    "Guard",
    "Inside",
    "Reload",
    "Site",
    "WebConfigFile",
    "create_app",
    "from_systemd",
    "listen",
    "serve",
]
