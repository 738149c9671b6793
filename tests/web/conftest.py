"""Certificates and hashes for the exporter-toolkit's cases, made for each run."""

from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from tests.web.greeting import self_signed

PASSWORDS = {"alice": "alice123", "carol": "carol123", "dave": "dave123"}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the certificates of a server and of two clients."""
    folder = tmp_path_factory.mktemp("certificates")
    sans = {
        "server": ("localhost", "127.0.0.1"),
        "client": ("client",),
        "client2": ("test3", "2001:db8::1", "someone@example.com", "spiffe://example.com/prometheus"),
    }
    for name, alternatives in sans.items():
        certificate, key = self_signed(name, *alternatives)
        (folder / f"{name}.crt").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
    return folder


@pytest.fixture(scope="session")
def users() -> dict[str, str]:
    """Return users with the hashes of their passwords."""
    return {user: bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode() for user, word in PASSWORDS.items()}


@pytest.fixture
def written(tmp_path: Path, certificates: Path) -> Callable[[str], Path]:
    """Return a function that writes a web configuration file beside the certificates."""
    for file in certificates.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())

    def write(content: str) -> Path:
        file = tmp_path / "web.yml"
        file.write_text(content)
        return file

    return write
