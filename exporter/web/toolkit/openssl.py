"""Go's names of versions, cipher suites and curves, and OpenSSL's."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_OBSOLETE = {"TLS10", "TLS11"}
CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
_TLS13_CIPHERS = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
"""Neither Go nor Python can choose among these."""

CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}


def known_version(name: str) -> str:
    """Return the name of a version of TLS; raises ValueError."""
    if name in _OBSOLETE:
        raise ValueError(f"{name} is obsolete (RFC 8996) and OpenSSL refuses it; one of: {', '.join(VERSIONS)}")
    return _known(name, "TLS version", VERSIONS)


def known_cipher(name: str) -> str:
    """Return the name of a cipher suite; raises ValueError."""
    return _known(name, "cipher", [*CIPHERS, *_TLS13_CIPHERS])


def known_curve(name: str) -> str:
    """Return the name of a curve; raises ValueError."""
    return _known(name, "curve", CURVES)


def _known(name: str, what: str, names: Iterable[str]) -> str:
    if name not in names:
        raise ValueError(f"unknown {what}: {name}; one of: {', '.join(sorted(names))}")
    return name
