"""The pages and the JSON API."""

from exporter.web.views.inside import Inside

__all__ = ["Inside"]
