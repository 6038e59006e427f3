"""The worst provider: whatever it is asked, its error quotes all of it, credential and prompt included.

How it fails is the first part of the path, so an account chooses by its `base_url`:
`http://127.0.0.1:<port>/401`, `/inband`, `/late`, `/cut`, `/silent`, `/stalled`, `/malformed`.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STATUSES = ("400", "401", "402", "403", "404", "413", "422", "429", "500", "503", "529")
WAYS = (*STATUSES, "inband", "late", "cut", "silent", "stalled", "malformed")
REFUSALS = frozenset({"400", "404", "413", "422", "inband"})
"""Ways whose text the caller may see, quotes included: the provider refuses its request."""
BROKEN_OFF = frozenset({"late", "cut", "stalled", "malformed"})
"""Ways that begin with a 200: what the provider wrote into it reaches the caller byte for byte."""
_SILENCE_S = 3.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    secret = ""
    """A canary of the provider's own in every error."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
        way = self.path.split("/")[1]
        self._asked = f"{self.path} {self.headers.items()} {asked}"
        if way in STATUSES:
            self._whole(int(way))
        elif way == "inband" and "stream" not in self._asked:
            self._whole(200)
        elif way == "silent":
            time.sleep(_SILENCE_S)
            self.close_connection = True
        else:
            self._stream(way)

    do_GET = do_POST

    def _error(self, *, is_whole: bool) -> bytes:
        """The request is only quoted in errors with a status: in the bytes of a 2xx answer nobody edits."""
        quoted = f" {self._asked}" if is_whole else ""
        error = {"type": "api_error", "code": "server_error", "status": "INTERNAL"}
        return json.dumps(
            {"type": "error", "error": {**error, "message": self.secret + quoted}}, ensure_ascii=False
        ).encode()

    def _whole(self, status: int) -> None:
        body = self._error(is_whole=True)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("x-echo", self.headers.get("authorization") or self.headers.get("x-api-key") or "")
        self.send_header("set-cookie", f"session={self.secret}")
        self.send_header("www-authenticate", f'Bearer error="{self.secret}"')
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, way: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        if way in ("late", "cut", "stalled"):
            self.wfile.write(b'event: ping\ndata: {"type": "ping"}\n\n')
            self.wfile.write(b"data: " + json.dumps({"type": "x", "text": self.secret}).encode() + b"\n\n")
        if way == "malformed":
            self.wfile.write(b"data: {" + self.secret.encode() + b"\n\n")
        if way in ("inband", "late"):
            self.wfile.write(b"event: error\ndata: " + self._error(is_whole=False) + b"\n\n")
        if way == "stalled":
            self.wfile.flush()
            time.sleep(_SILENCE_S)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Silence: the test's output is not this server's."""


@contextmanager
def echo_upstream(secret: str) -> Iterator[str]:
    """Its address while it runs."""
    handler = type("Handler", (_Handler,), {"secret": secret})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
