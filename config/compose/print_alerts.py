"""A receiver for Alertmanager's webhook that prints each alert on a line: `print_alerts.py PORT`. Needs only Python."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Printer(BaseHTTPRequestHandler):
    """Prints the alerts of each notification."""

    def do_POST(self) -> None:
        """Print the alerts, and respond that they have arrived."""
        notification = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in notification["alerts"]:
            labels, summary = alert["labels"], alert["annotations"].get("summary", "")
            about = [labels[name] for name in ("aws_service", "kind", "scope") if labels.get(name)]
            line = " ".join([alert["status"], labels["alertname"], *about, summary])
            # Escaped: a name from AWS may hold what a terminal obeys.
            print(line.encode("unicode_escape").decode("ascii"), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing but alerts."""


if __name__ == "__main__":
    HTTPServer(("localhost", int(sys.argv[1])), Printer).serve_forever()
