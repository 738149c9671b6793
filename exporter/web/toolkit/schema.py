"""What a web configuration file may say, in the exporter-toolkit's words.

Format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from exporter.web.toolkit.openssl import known_cipher, known_curve, known_version

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that can be configured, with the values that they may have; none: any."""

_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)")


def _go_duration(text: object) -> float:
    """Return the seconds of a duration as Go writes it: `1m30s`, `1.5h`; a number alone is nanoseconds."""
    words = str(text)
    if words.isdecimal():
        return int(words) / 1e9
    parts = _GO_DURATION.findall(words)
    if not parts or "".join(parts) != words:
        raise ValueError(f"{words!r} is not a duration; write it as Go does: 500ms, 1s, 1m30s")
    return sum(float(part.rstrip("nuµmsh")) * _GO_UNITS[part.lstrip("0123456789.")] for part in parts)


def _header(item: tuple[str, str]) -> None:
    name, value = item
    if name not in _HEADERS:
        raise ValueError(f'HTTP header "{name}" can not be configured; one of: {", ".join(_HEADERS)}')
    if (values := _HEADERS[name]) and value not in values:
        expected = " ".join(map(json.dumps, values))
        raise ValueError(f'invalid value for {name}. Expected one of: [{expected}], but got: "{value}"')
    if not value.isprintable():
        raise ValueError(f"invalid value for {name}: a header is one line without control characters")


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for item in headers.items():
        _header(item)
    return headers


class _Part(BaseModel):
    """A part of the file: a key that does not exist is an error, one without a value is as if it were not there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, content: Any) -> Any:
        return (
            {key: value for key, value in content.items() if value is not None}
            if isinstance(content, dict)
            else content
        )


class TlsServerConfig(_Part):
    """How connections are encrypted, and who may connect; file names are relative to the folder of the file."""

    cert: str = ""
    key: str = Field(default="", repr=False)
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_auth_type: str = ""
    client_ca_file: str = ""
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Annotated[str, AfterValidator(known_version)] = "TLS12"
    max_version: Annotated[str, AfterValidator(known_version)] = "TLS13"
    cipher_suites: tuple[Annotated[str, AfterValidator(known_cipher)], ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[Annotated[str, AfterValidator(known_curve)], ...] = ()

    @property
    def is_enabled(self) -> bool:
        """Whether there is to be TLS at all: versions, ciphers or names alone do not ask for it."""
        files = (self.cert_file, self.key_file, self.client_ca_file)
        return any((self.cert, self.key, self.client_ca, *files, self.client_auth_type))


class HttpServerConfig(_Part):
    """What is said of HTTP."""

    http2: bool = True
    """Without effect: there is no HTTP/2 here."""
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = {}


class RateLimit(_Part):
    """A bucket of `burst` tokens into which one falls every `interval` seconds; no limit if that is 0."""

    interval: Annotated[float, BeforeValidator(_go_duration)] = 0.0
    burst: int = 0


class WebConfig(_Part):
    """A web configuration file."""

    tls_server_config: TlsServerConfig = TlsServerConfig()
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: dict[str, str] = Field(default={}, repr=False)
    """Users, each with the bcrypt hash of the password."""
    rate_limit: RateLimit = RateLimit()
