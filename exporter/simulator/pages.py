"""Page tokens: opaque to the client, and good for one list with one set of arguments."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from exporter.simulator.errors import invalid
from exporter.simulator.shelf import Key


def token(position: Key, arguments: Mapping[str, Any]) -> str:
    """Return the token for what comes after a position."""
    text = json.dumps([*position, _seal(position, arguments)])
    return base64.b64encode(text.encode()).decode()


def position(text: str, arguments: Mapping[str, Any]) -> Key:
    """Return the position in a token; raises AwsError for one that was not made for these arguments."""
    try:
        created, name, seal = json.loads(base64.b64decode(text, validate=True))
        if seal == _seal((created, name), arguments):
            return created, name
    except (binascii.Error, TypeError, ValueError):
        pass
    raise invalid("The pagination token is not valid")


def _seal(position: Key, arguments: Mapping[str, Any]) -> str:
    text = json.dumps([position, arguments], sort_keys=True, default=repr)
    return blake2b(text.encode(), digest_size=12).hexdigest()
