"""The exporter-toolkit's web configuration file: TLS, passwords, headers and a rate limit, as Prometheus has them."""

from exporter.web.toolkit.guard import Guard
from exporter.web.toolkit.web_config import WebConfigFile

__all__ = ["Guard", "WebConfigFile"]
