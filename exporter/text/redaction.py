"""Removes secrets from texts of AWS and of libraries, whose errors may repeat what they were sent."""

from __future__ import annotations

import re

REDACTED = "[redacted]"

SECRET = re.compile(r"external_?id|secret|password|passwd|token|credential|private_?key|api_?key", re.IGNORECASE)
"""Keys of a configuration whose values are secret."""

_NAMES = (
    "authorization|aws_?access_?key_?id|access_?key_?id|aws_?secret_?access_?key|secret_?access_?key|secret_?key"
    "|aws_?session_?token|session_?token|x-amz-security-token|x-amz-credential|x-amz-signature|security_?token"
    "|credential|signature|external_?id|web_?identity_?token|password"
)
"""Names whose values are secret, as they occur in headers, queries, JSON, XML, canonical requests and `repr`."""

_BEFORE = r"""\\?["']?(?:\s*[=:>]\s*|%3D|%3A)(?:b(?=["']))?\\?["']?(?:(?:bearer|basic) )?"""
"""What separates a name from its value."""

_SECRETS = (
    # Access key ids, of users and of sessions.
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    # Web identity tokens: JSON objects in base64, followed by a signature.
    re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),
    # User and password in a URL, such as that of a proxy.
    re.compile(r"(?<=://)[^\s/@'\"]+(?=@)"),
    # Not again what a pattern before this one has replaced.
    re.compile(rf"(?i)(?:{_NAMES}){_BEFORE}(?P<secret>(?!\[redacted)[^\s\"'\\,;&<>()]+)"),
    # How STS quotes an argument that it rejects.
    re.compile(r"(?i)Value '(?P<secret>.{0,2000}?)' at '(?:externalId|webIdentityToken)'"),
)


def redacted(text: str) -> str:
    """Return a text with `[redacted]` in place of what looks like a key, a token or a signature."""
    for pattern in _SECRETS:
        text = pattern.sub(_without, text)
    return text


def _without(match: re.Match[str]) -> str:
    """Return a match with its secret replaced, or all of it if no part of it is named `secret`."""
    group = "secret" if "secret" in match.re.groupindex else 0
    whole, start = match[0], match.start()
    return f"{whole[: match.start(group) - start]}{REDACTED}{whole[match.end(group) - start :]}"
