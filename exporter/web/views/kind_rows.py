"""The catalog as a page shows it: each kind, whether it is polled, and what that takes."""

from __future__ import annotations

from typing import NamedTuple

from exporter import permissions
from exporter.catalog import Catalog, Kind
from exporter.settings import ServiceSettings, Settings


class KindRow(NamedTuple):
    """One kind."""

    kind: Kind
    is_polled: bool
    operation: str
    permissions: tuple[str, ...]


def rows(settings: Settings, catalog: Catalog) -> list[KindRow]:
    """Return every kind of the catalog, those that the configuration polls first."""
    polled = {str(kind): selected.settings for selected in settings.selections(catalog) for kind in selected.kinds}
    found = (_row(kind, polled.get(str(kind)), catalog) for kind in catalog.kinds())
    return sorted(found, key=lambda row: not row.is_polled)


def _row(kind: Kind, settings: ServiceSettings | None, catalog: Catalog) -> KindRow:
    calls = permissions.calls(kind, settings or ServiceSettings())
    needed = dict.fromkeys(action for call in calls for action in permissions.actions(call, kind, catalog))
    return KindRow(kind, settings is not None, kind.operation, tuple(needed))
