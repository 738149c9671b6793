"""The connections of clients: the certificates of a bundle are read once for all clients."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from ssl import SSLContext
from threading import Lock

from aiobotocore.httpsession import AIOHTTPSession
from botocore.httpsession import get_cert_path

Verify = bool | str
"""Whether certificates are verified; a bundle's path if not by the usual one."""


class HttpSession(AIOHTTPSession):  # type: ignore[misc] # aiobotocore has no types
    """A client's connections. aiobotocore would make a TLS context for each client: 13 ms and 0.7 MB."""

    def _build_ssl_contexts(self, proxy_url: str | None) -> tuple[SSLContext, SSLContext | None]:
        if proxy_url or self._cert_file:
            # These get certificates of their own, which no other client may use.
            contexts: tuple[SSLContext, SSLContext | None] = super()._build_ssl_contexts(proxy_url)
            return contexts
        bundle = get_cert_path(self._verify) if self._verify else None
        # Clients that start together are in several threads, and `lru_cache` would let each of them read the bundle.
        with _reading:
            return _context(self._verify, bundle and Path(bundle).stat().st_mtime_ns), None


_reading = Lock()


@lru_cache(maxsize=4)
def _context(verify: Verify, _changed: int | None) -> SSLContext:
    """Return the TLS context for a bundle; one that has changed since is read again, as by a reload."""
    context: SSLContext = AIOHTTPSession(verify=verify)._build_verify_context()  # noqa: SLF001 - there is no public way
    return context
