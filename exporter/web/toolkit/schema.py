"""The keys of a web configuration file, by the exporter-toolkit's names.

Format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from exporter.web.toolkit.openssl import CIPHERS, CURVES, TLS13_CIPHERS, VERSIONS, known

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that can be configured, each with the values allowed; without values, any."""

_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)")


def _go_duration(text: object) -> float:
    """Return the seconds of a duration in Go's notation: `1m30s`, `1.5h`. A number alone is nanoseconds."""
    words = str(text)
    if words.isdecimal():
        return int(words) / 1e9
    parts = _GO_DURATION.findall(words)
    if not parts or "".join(parts) != words:
        raise ValueError(f"{words!r} is not a duration; write it as Go does: 500ms, 1s, 1m30s")
    return sum(float(part.rstrip("nuµmsh")) * _GO_UNITS[part.lstrip("0123456789.")] for part in parts)


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name not in _HEADERS:
            raise ValueError(f'HTTP header "{name}" can not be configured; one of: {", ".join(_HEADERS)}')
        if (allowed := _HEADERS[name]) and value not in allowed:
            expected = " ".join(map(json.dumps, allowed))
            raise ValueError(f'invalid value for {name}. Expected one of: [{expected}], but got: "{value}"')
        if not value.isprintable():
            raise ValueError(f"invalid value for {name}: a header is one line without control characters")
    return headers


Version = Annotated[str, AfterValidator(known("TLS version", VERSIONS))]
Cipher = Annotated[str, AfterValidator(known("cipher", [*CIPHERS, *TLS13_CIPHERS]))]
Curve = Annotated[str, AfterValidator(known("curve", CURVES))]


class _Part(BaseModel):
    """A section of the file. An unknown key is an error; a key without a value counts as absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {key: value for key, value in content.items() if value is not None}


class TlsServerConfig(_Part):
    """How connections are encrypted, and who may connect. File names are relative to the folder of the file."""

    cert: str = ""
    key: str = Field(default="", repr=False)
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_auth_type: str = ""
    client_ca_file: str = ""
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[Cipher, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[Curve, ...] = ()

    @property
    def is_enabled(self) -> bool:
        """Whether TLS is on: versions, ciphers, curves or SANs alone do not turn it on."""
        files = (self.cert_file, self.key_file, self.client_ca_file)
        return any((self.cert, self.key, self.client_ca, *files, self.client_auth_type))


class HttpServerConfig(_Part):
    """Settings for HTTP."""

    http2: bool = True
    """Has no effect: aiohttp does not speak HTTP/2."""
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = {}


class RateLimit(_Part):
    """One request per `interval` seconds, and `burst` at once after a pause; no limit if `interval` is 0."""

    interval: Annotated[float, BeforeValidator(_go_duration)] = 0.0
    burst: int = 0


class WebConfig(_Part):
    """A web configuration file."""

    tls_server_config: TlsServerConfig = TlsServerConfig()
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: dict[str, str] = Field(default={}, repr=False)
    """Users, each with the bcrypt hash of the password."""
    rate_limit: RateLimit = RateLimit()
