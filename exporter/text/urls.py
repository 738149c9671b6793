"""URLs of endpoints and proxies, before anything is sent to them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def endpoint(url: str) -> str:
    """Return the URL of an endpoint; raises ValueError if requests could not be sent there."""
    if not _can_be_reached(url):
        example = "https://vpce-1a2b3c.bedrock.us-east-1.vpce.amazonaws.com"
        raise ValueError(f"{without_user(url)!r} is not a URL, such as {example}")
    if "@" in urlsplit(url).netloc:
        raise ValueError("must not contain a user or a password: requests to AWS are signed instead")
    return url


def proxy(url: str) -> str:
    """Return the URL of a proxy, with http:// if it has no scheme; raises ValueError if it cannot be one."""
    full = url if "://" in url else f"http://{url}"
    if not _can_be_reached(full):
        raise ValueError(f"{without_user(url)!r} is not the URL of a proxy, such as http://proxy.example.com:3128")
    return full


def without_user(url: str) -> str:
    """Return a URL without user and password."""
    scheme, slashes, rest = url.rpartition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"


def _can_be_reached(url: str) -> bool:
    """Return whether a URL has a scheme, a host and a port that exist."""
    try:
        parts = urlsplit(url)
        return bool(re.fullmatch(r"https?://\S+", url) and parts.hostname) and parts.port != 0
    except ValueError:
        # A port above 65535, or half an IPv6 address.
        return False
