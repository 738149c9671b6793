"""What is served over HTTP."""

from exporter.web.lifecycle import Reload
from exporter.web.listening import serve
from exporter.web.site import Site, create_app

__all__ = ["Reload", "Site", "create_app", "serve"]
