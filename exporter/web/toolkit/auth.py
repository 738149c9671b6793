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

_HASH = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_SHORTEST = 59
_LONGEST_PASSWORD = 72
"""bcrypt knows no more bytes than these; Go and htpasswd leave off the rest, and bcrypt's own library refuses it."""

_NOBODY = "$2b$10$./pElVKfV5mrhW8uUOmcKey9gVq/oU2vPmU8MAKjBGRR0YaIliYEq"
"""The hash of a password that was thrown away: an unknown user takes as long as a known one."""

_SIZE = 100
"""How many answers are kept."""

_LEAVING = 11
"""How many go to make room for one more."""


def problem(hashed: str) -> str:
    """Return what keeps a text from being a bcrypt hash; nothing if it is one."""
    if len(hashed) < _SHORTEST:
        return "hashedSecret too short to be a bcrypted password"
    return "" if _HASH.fullmatch(hashed) else "not a bcrypt hash: $2y$10$ and 53 more characters, as htpasswd -B writes"


def credentials(header: str) -> tuple[bytes, bytes] | None:
    """Return user and password of an Authorization header; None where it is not of the basic scheme."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


class Authenticator:
    """Compares passwords with hashes, one at a time and in a thread, and keeps what it found: bcrypt is slow."""

    def __init__(self) -> None:
        self._found: dict[bytes, bool] = {}
        self._secret = secrets.token_bytes(32)
        self._turn = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._found)

    async def admits(self, user: bytes, password: bytes, users: Mapping[str, str]) -> bool:
        """Whether the user is one of `users`, a mapping to bcrypt hashes, and the password is the right one."""
        hashed = users.get(user.decode(errors="replace"))
        key = self._key(user, (hashed or _NOBODY).encode(), password)
        answer = self._found.get(key)
        if answer is None:
            async with self._turn:
                # Whoever waited for the same answer finds it now.
                answer = self._found.get(key)
                if answer is None:
                    answer = await asyncio.to_thread(_matches, hashed or _NOBODY, password)
                    self._keep(key, answer)
        return answer and hashed is not None

    def _key(self, *parts: bytes) -> bytes:
        """Return what an answer is kept under: no two triples share it (CVE-2022-46146), and it tells no password."""
        return hashlib.blake2b(b":".join(part.hex().encode() for part in parts), key=self._secret).digest()

    def _keep(self, key: bytes, answer: bool) -> None:  # noqa: FBT001 - the answer is one
        """Keep an answer; when there are too many, a tenth of the others goes.

        Refusals go first: whoever tries passwords must not have those forgotten that are right.
        """
        if len(self._found) >= _SIZE:
            refusals = [other for other, admitted in self._found.items() if not admitted]
            others = refusals if len(refusals) >= _LEAVING else list(self._found)
            for other in random.sample(others, _LEAVING):
                del self._found[other]
        self._found[key] = answer


def _matches(hashed: str, password: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_LONGEST_PASSWORD], hashed.encode())
    except ValueError:
        # A hash that became wrong while the exporter runs lets nobody in.
        return False
