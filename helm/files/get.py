"""Read a page of the exporter as a probe does.

Arguments: its URL and, where there is a password, the files that hold name and password.

Takes any certificate, as the kubelet does: it asks whether the exporter answers, not who it is.
"""

import base64
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

url, *login = sys.argv[1:]
request = urllib.request.Request(url)  # noqa: S310 - the chart gives the URL
if login:
    pair = ":".join(Path(file).read_text().rstrip("\n") for file in login)
    request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
# No proxy: the page is next door, whatever the way to AWS is.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
try:
    with opener.open(request, timeout=5) as response:
        print(f"{url}: {response.status}, {len(response.read())} bytes")  # noqa: T201 - kubectl shows it
except OSError as error:
    sys.exit(f"{url}: {error}")
