"""The command that probes and `helm test` run if there is a password."""

import base64
import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import bcrypt
import pytest

from tests.support.greeting import self_signed
from tests.support.patience import PATIENCE
from tests.support.processes import announced, started

GET = Path(__file__).parents[2] / "helm" / "files" / "get.py"
LOGIN = "Basic " + base64.b64encode(b"prometheus:s3cret").decode()


class Page(BaseHTTPRequestHandler):
    """A server that requires a password, and is healthy but not ready."""

    def do_GET(self):
        """Respond as the exporter would."""
        status = 401 if self.headers["Authorization"] != LOGIN else {"/-/healthy": 200}.get(self.path, 503)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return the folder of a self-signed certificate for another name, laid out like a mounted Secret."""
    folder = tmp_path_factory.mktemp("tls")
    for name, content in zip(("tls.crt", "tls.key"), self_signed("elsewhere", "elsewhere"), strict=True):
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(params=["http", "https"])
def address(request, certificate):
    """Return the URL of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        if request.param == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"{request.param}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def login(tmp_path):
    """Return the files of a Secret with a name and a password."""
    (tmp_path / "username").write_text("prometheus")
    (tmp_path / "password").write_text("s3cret\n")
    return tmp_path / "username", tmp_path / "password"


def get(*arguments):
    """Run the command as the kubelet would, with a proxy where nothing listens: probes must not use AWS's proxy."""
    environment = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
    command = [sys.executable, "-I", GET, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_a_page_that_responds_is_healthy(address, login):
    """It sends the password, accepts any certificate and uses no proxy."""
    done = get(f"{address}/-/healthy", *login)
    assert (done.returncode, done.stdout) == (0, f"{address}/-/healthy: 200, 0 bytes\n"), done.stderr


@pytest.mark.parametrize(("path", "error"), [("healthy", "401"), ("ready", "503")])
def test_a_page_that_refuses_is_unhealthy(address, login, path, error):
    """One line says why, and does not contain the password."""
    done = get(f"{address}/-/{path}", *(login if path == "ready" else ()))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{address}/-/{path}: HTTP Error {error}")
    assert len(done.stderr.splitlines()) == 1


def test_an_unreachable_page_is_unhealthy():
    """The error is one line without a traceback."""
    done = get("http://127.0.0.1:1/-/healthy")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("aws_credentials")
async def test_the_exporter_responds_to_its_probe(render, certificate, login, tmp_path):
    """With the files that the chart renders for a certificate and a password, and invoked as its probes invoke it."""
    users = {"prometheus": bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode()}
    web = {"config": {"basic_auth_users": users}, "tls": {"secretName": "tls"}, "basicAuth": {"secretName": "login"}}
    settings = {"services": {"bedrock": {}}, "aws": {"endpoint_url": "http://127.0.0.1:1"}}
    manifests = render({"config": settings, "web": web})
    (secret,) = manifests.of("Secret")
    (tmp_path / "web.yml").write_text(
        secret["stringData"]["web.yml"].replace("/etc/aws-job-exporter/tls", str(certificate))
    )
    (tmp_path / "exporter.yml").write_text(manifests.one("ConfigMap")["data"]["exporter.yml"])
    places = {"/etc/aws-job-exporter/config": tmp_path, "/etc/aws-job-exporter/web": tmp_path}
    arguments = [each for each in manifests.container["args"] if not each.startswith("--web.listen-address=")]
    for place, folder in places.items():
        arguments = [each.replace(place, str(folder)) for each in arguments]
    async with started(*arguments) as process:
        address = await announced(process, process.stderr, r'msg="Listening on" address=(\S+)')
        url, *files = manifests.container["livenessProbe"]["exec"]["command"][3:]
        assert [Path(file).name for file in files] == ["username", "password"]
        url = url.replace("localhost:10058", address)
        assert get(url, *login).returncode == 0
        assert "HTTP Error 401" in get(url).stderr
