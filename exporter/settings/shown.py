"""The settings without their secrets, for the configuration page."""

from __future__ import annotations

from typing import Any

from exporter.settings.model import Settings
from exporter.text.redaction import REDACTED, SECRET, redacted


def without_secrets(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain values, with `[redacted]` in place of secrets."""
    shown: dict[str, Any] = _shown(settings.model_dump(mode="json"))
    return shown


def _shown(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _shown(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner, key) for inner in value]
    if not isinstance(value, str):
        return value
    return REDACTED if SECRET.search(key) else redacted(value)
