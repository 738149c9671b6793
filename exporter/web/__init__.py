"""What is served over HTTP."""

from exporter.web.server import Site, create_app, serve

__all__ = ["Site", "create_app", "serve"]
