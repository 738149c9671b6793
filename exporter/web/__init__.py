"""What is served over HTTP."""

from exporter.web.inside import Inside
from exporter.web.lifecycle import Reload
from exporter.web.listening import serve
from exporter.web.site import Site, create_app
from exporter.web.sockets import from_systemd, listen
from exporter.web.toolkit import Guard, WebConfigFile

__all__ = ["Guard", "Inside", "Reload", "Site", "WebConfigFile", "create_app", "from_systemd", "listen", "serve"]
