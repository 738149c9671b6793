"""Takes secrets out of texts that others wrote: what AWS and the libraries say may repeat what they were sent."""

from __future__ import annotations

import re

REDACTED = "[redacted]"

_NAMES = (
    "authorization|aws_?access_?key_?id|access_?key_?id|aws_?secret_?access_?key|secret_?access_?key|secret_?key"
    "|aws_?session_?token|session_?token|x-amz-security-token|x-amz-credential|x-amz-signature|security_?token"
    "|credential|signature|external_?id|web_?identity_?token|password"
)
"""What the value after it is a secret of; in headers, queries, JSON, XML, canonical requests and Python's own forms."""

_BEFORE = r"""\\?["']?(?:\s*[=:>]\s*|%3D|%3A)(?:b(?=["']))?\\?["']?(?:(?:bearer|basic) )?"""
"""What stands between a name and its value."""

_SECRETS = (
    # Keys of AWS by their prefix, for a user and for a session.
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    # Web identity tokens: a JSON object in base64, its signature behind it.
    re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),
    re.compile(r"(?<=://)[^\s/@'\"]+(?=@)"),
    re.compile(rf"(?i)(?:{_NAMES}){_BEFORE}(?P<secret>(?!\[redacted)[^\s\"'\\,;&<>()]+)"),
    # What STS says of an argument that it refuses.
    re.compile(r"(?i)Value '(?P<secret>.{0,2000}?)' at '(?:externalId|webIdentityToken)'"),
)


def redacted(text: str) -> str:
    """Return a text without what looks like a key, a token or a signature."""
    for pattern in _SECRETS:
        text = pattern.sub(_without, text)
    return text


def _without(match: re.Match[str]) -> str:
    """Return a match with its secret, or all of it, taken out."""
    group = "secret" if "secret" in match.re.groupindex else 0
    whole, start = match[0], match.start()
    return f"{whole[: match.start(group) - start]}{REDACTED}{whole[match.end(group) - start :]}"
