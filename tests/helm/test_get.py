"""The command that probes and `helm test` run where there is a password."""

import base64
import datetime
import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

GET = Path(__file__).parents[2] / "helm" / "files" / "get.py"
LOGIN = "Basic " + base64.b64encode(b"prometheus:s3cret").decode()


class Page(BaseHTTPRequestHandler):
    """Asks for a password, and is ready at one path only."""

    def do_GET(self):
        """Answer as the exporter would."""
        status = 401 if self.headers["Authorization"] != LOGIN else {"/-/healthy": 200}.get(self.path, 503)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return a certificate for another name, signed by nobody, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "elsewhere")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "tls.pem"
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private)
    return file


@pytest.fixture(params=["http", "https"])
def address(request, certificate):
    """Return the address of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        if request.param == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"{request.param}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def get(tmp_path):
    """Return a function that runs the command as the kubelet would, with the files of a Secret."""
    (tmp_path / "username").write_text("prometheus")
    (tmp_path / "password").write_text("s3cret\n")

    def run(url, *login):
        command = [sys.executable, "-I", GET, url, *(tmp_path / name for name in login)]
        # Nobody listens there: a probe must not take the way that leads to AWS.
        environment = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_a_page_that_answers_is_well(get, address):
    """With the password, by any certificate and without a proxy."""
    done = get(f"{address}/-/healthy", "username", "password")
    assert (done.returncode, done.stdout) == (0, f"{address}/-/healthy: 200, 0 bytes\n"), done.stderr


@pytest.mark.parametrize(("path", "login", "error"), [("healthy", (), "401"), ("ready", ("username", "password"), "503")])
def test_a_page_that_refuses_is_not(get, address, path, login, error):
    """One line says why, and holds no password."""
    done = get(f"{address}/-/{path}", *login)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{address}/-/{path}: HTTP Error {error}")
    assert len(done.stderr.splitlines()) == 1


def test_nobody_there_is_not_well(get):
    """One line, no traceback."""
    done = get("http://127.0.0.1:1/-/healthy")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
