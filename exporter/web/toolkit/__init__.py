"""The exporter-toolkit's web configuration file: TLS, passwords, headers and a rate limit, as Prometheus has them."""

from exporter.web.toolkit.file import WebConfigFile
from exporter.web.toolkit.guard import Guard

__all__ = ["Guard", "WebConfigFile"]
