"""The TLS context that a web configuration file asks for."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from exporter.web.toolkit.openssl import CIPHERS, CURVES, VERSIONS
from exporter.web.toolkit.schema import TlsServerConfig

_CLIENTS = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = {"RequestClientCert", "RequireAnyClientCert", "RequireClientCert"}


class TlsError(ValueError):
    """A `tls_server_config` is wrong; the text is one line."""


@dataclass(frozen=True)
class Material:
    """The certificate, its key, and the CA certificates for clients: PEM, as read."""

    cert: bytes
    key: bytes = field(repr=False)
    client_ca: bytes


def read(config: TlsServerConfig, folder: Path) -> Material:
    """Read the files that the configuration names; raises TlsError."""
    if not (config.cert or config.cert_file):
        raise TlsError("missing one of cert or cert_file")
    if not (config.key or config.key_file):
        raise TlsError("missing one of key or key_file")

    def content(name: str) -> bytes:
        file, inline = str(getattr(config, f"{name}_file")), str(getattr(config, name))
        try:
            return (folder / file).read_bytes() if file else inline.encode()
        except (OSError, ValueError) as error:
            raise TlsError(f"failed to read {name}_file ({file!r} in {folder}): {_words(error)}") from None

    return Material(content("cert"), content("key"), content("client_ca"))


def context(config: TlsServerConfig, material: Material) -> ssl.SSLContext:
    """Return the context for a connection; raises TlsError, also for settings that Python's ssl does not support."""
    low, high = VERSIONS[config.min_version], VERSIONS[config.max_version]
    if low > high:
        raise TlsError(f"min_version {config.min_version} is above max_version {config.max_version}")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_alpn_protocols(["http/1.1"])
    made.minimum_version, made.maximum_version = low, high
    if not config.prefer_server_cipher_suites:
        # Python sets this option in every context of a server.
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if names := [CIPHERS[name] for name in config.cipher_suites if name in CIPHERS]:
        made.set_ciphers(":".join(names))
    elif config.cipher_suites and config.max_version == "TLS13":
        # All suites named are those of TLS 1.3, so a client that speaks only 1.2 has none.
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    elif config.cipher_suites:
        raise TlsError("cipher_suites has none for max_version TLS12")
    if len(config.curve_preferences) > 1:
        raise TlsError("curve_preferences: Python's ssl takes one curve; name one, or leave the key out")
    for curve in config.curve_preferences:
        made.set_ecdh_curve(CURVES[curve])
    _load_pair(made, material)
    _verify_clients(made, config, material)
    return made


def _load_pair(made: ssl.SSLContext, material: Material) -> None:
    def no_password() -> str:
        """Keep OpenSSL from asking for the key's password on the terminal."""
        raise TlsError("failed to load X509KeyPair: the key is encrypted")

    try:
        with _as_file(material.cert) as cert, _as_file(material.key) as key:
            made.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        raise TlsError(f"failed to load X509KeyPair: {_words(error)}") from None


def _verify_clients(made: ssl.SSLContext, config: TlsServerConfig, material: Material) -> None:
    kind = config.client_auth_type
    if kind in _UNVERIFIED:
        raise TlsError(
            f"client_auth_type {kind} accepts certificates without verifying them, which Python's ssl cannot do; "
            "use RequireAndVerifyClientCert"
        )
    if kind not in _CLIENTS:
        raise TlsError(f"invalid ClientAuth: {kind}; one of: {', '.join(filter(None, _CLIENTS))}")
    made.verify_mode = _CLIENTS[kind]
    if made.verify_mode == ssl.CERT_NONE:
        if config.client_ca or config.client_ca_file:
            raise TlsError("client CA's have been configured without a Client Auth Policy")
        if config.client_allowed_sans:
            raise TlsError("client_allowed_sans needs client_auth_type RequireAndVerifyClientCert")
    elif config.client_ca or config.client_ca_file:
        try:
            # Anything that is not ASCII is a comment between the certificates.
            made.load_verify_locations(cadata=material.client_ca.decode("ascii", "ignore"))
        except (ssl.SSLError, ValueError) as error:
            raise TlsError(f"failed to load client_ca: {_words(error)}") from None
    else:
        made.load_default_certs(ssl.Purpose.CLIENT_AUTH)


def _words(error: Exception) -> str:
    """Return what OpenSSL or the system says, without the line of its source code."""
    words = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    return str(words).lower().replace("_", " ")


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield the path of a file with this content, because OpenSSL loads a certificate only from a file.

    On Linux the file is in memory only: a container may have no writable folder, and a key does not belong on a disk.
    """
    if sys.platform == "linux":
        with open(os.memfd_create("pem"), "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(buffering=0) as named:
            named.write(content)
            yield named.name


def names(certificate: Mapping[str, Any] | None) -> list[str]:
    """Return the DNS names, e-mail and IP addresses, and URIs in a certificate as `getpeercert` returns it."""
    alternatives = (certificate or {}).get("subjectAltName", ())
    # Python writes an IPv6 address in full and in capitals; `ip_address` gives the usual form.
    return [str(ip_address(name.strip())) if kind == "IP Address" else name for kind, name in alternatives]
