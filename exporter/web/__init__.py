"""What is served over HTTP."""

from exporter.web.listening import serve
from exporter.web.site import Site, create_app

__all__ = ["Site", "create_app", "serve"]
