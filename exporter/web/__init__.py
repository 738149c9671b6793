"""What is served over HTTP."""

from exporter.web.inside import Inside
from exporter.web.lifecycle import Reload
from exporter.web.listening import serve
from exporter.web.site import Site, create_app

__all__ = ["Inside", "Reload", "Site", "create_app", "serve"]
