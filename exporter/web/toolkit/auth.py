"""Basic authentication against bcrypt hashes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import random
import re
import secrets
from collections.abc import Mapping

import bcrypt

from exporter.threads import PASSWORDS

# The cost is between 4 and 31, as bcrypt allows.
_HASH = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_SHORTEST = 59
_LONGEST_PASSWORD = 72
"""bcrypt reads no more bytes than these. Go and htpasswd cut off the rest; the Python library refuses it."""

_NOBODY = "$2b$10$./pElVKfV5mrhW8uUOmcKey9gVq/oU2vPmU8MAKjBGRR0YaIliYEq"
"""The hash of a password that nobody has, so that rejecting an unknown user takes as long as a known one."""

_SIZE = 100
"""Results kept; the exporter-toolkit keeps as many."""

_LEAVING = 11
"""Results dropped to make room for one more."""


def problem(hashed: str) -> str:
    """Return why a text is not a bcrypt hash, or nothing if it is one."""
    if len(hashed) < _SHORTEST:
        return "hashedSecret too short to be a bcrypted password"
    return "" if _HASH.fullmatch(hashed) else "not a bcrypt hash: $2y$10$ and 53 more characters, as htpasswd -B writes"


def credentials(header: str) -> tuple[bytes, bytes] | None:
    """Return the user and the password of an Authorization header; None if it does not follow RFC 7617."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


class Authenticator:
    """Checks passwords against hashes, one at a time and in a thread, and keeps the results, because bcrypt is slow."""

    def __init__(self) -> None:
        self._found: dict[bytes, bool] = {}
        self._secret = secrets.token_bytes(32)
        self._turn = asyncio.Lock()

    async def admits(self, user: bytes, password: bytes, users: Mapping[str, str]) -> bool:
        """Whether the user is in `users`, a mapping to bcrypt hashes, and the password is right."""
        hashed = users.get(user.decode(errors="replace"))
        key = self._key(user, (hashed or _NOBODY).encode(), password)
        result = self._found.get(key)
        if result is None:
            async with self._turn:
                # Whoever waited for the same check finds its result now.
                result = self._found.get(key)
                if result is None:
                    result = await PASSWORDS.run(_matches, hashed or _NOBODY, password)
                    self._keep(key, result)
        return result and hashed is not None

    def _key(self, *parts: bytes) -> bytes:
        """Return the key of a result: unique to the parts (CVE-2022-46146), and it does not reveal the password."""
        return hashlib.blake2b(b":".join(part.hex().encode() for part in parts), key=self._secret).digest()

    def _keep(self, key: bytes, result: bool) -> None:  # noqa: FBT001 - the result is one
        """Keep a result; if there are too many, drop a tenth of the others at random, rejections first.

        Whoever guesses passwords must not push out the right ones.
        """
        if len(self._found) >= _SIZE:
            rejections = [other for other, admitted in self._found.items() if not admitted]
            others = rejections if len(rejections) >= _LEAVING else list(self._found)
            for other in random.sample(others, _LEAVING):
                del self._found[other]
        self._found[key] = result


def _matches(hashed: str, password: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_LONGEST_PASSWORD], hashed.encode())
    except ValueError:
        # The hash was edited while the exporter runs and is not valid now: it lets nobody in.
        return False
