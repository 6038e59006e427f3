"""The web app's files: built by `make web` (or by whoever built the wheel), served as they are.

Pages get a policy with a nonce of their own; files under /assets/ carry a hash in their name and are kept for
ever. A path of the data plane or of the management API is never answered here, whatever the client accepts.
"""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from headgate.kit import json
from headgate.relay.routes import FIRST_SEGMENTS

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
FramesReader = Callable[[], Awaitable[Sequence[str]]]

BUILT = Path(str(files("headgate"))) / "web_dist"
NONCE = b"__CSP_NONCE__"
"""What the build writes where the nonce belongs."""
TURNSTILE = "https://challenges.cloudflare.com"
"""The one foreign origin; pages load from it only where an administrator has switched Turnstile on."""
_TYPES = {
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".json": b"application/json",
    ".woff2": b"font/woff2",
    ".png": b"image/png",
}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
SETUP_PAGE = "/setup"
"""A page; what is below it is the set-up's API."""
_OWNED_ELSEWHERE = FIRST_SEGMENTS | {"api", "health", "ready", "metrics", "setup"}
_GUARDS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


def policy(nonce: str, frames: Sequence[str] = ()) -> str:
    """No inline script without the nonce of this very answer, nothing from foreign hosts but Turnstile, and
    inside frames the `frames`: origins of the pages that the operator configured."""
    framed = " ".join([TURNSTILE, *frames])
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}' {TURNSTILE};"
        f" style-src 'self' 'nonce-{nonce}';"
        " style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self';"
        f" frame-src {framed}; manifest-src 'self'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    )


class WebApp:
    """Reads every file once, at the start: a few MiB, and no path of a client ever reaches the disk."""

    def __init__(self, folder: Path = BUILT, *, frames: FramesReader | None = None) -> None:
        self._frames = frames
        index = folder / "index.html"
        self._index = index.read_bytes() if index.is_file() else b""
        self._assets = {
            "/" + path.relative_to(folder).as_posix(): path.read_bytes()
            for path in (sorted(folder.rglob("*")) if self._index else ())
            if path.is_file() and path != index
        }
        known = self._assets.get("/pages.json", b"[]")
        self._pages: frozenset[str] = frozenset(json.loads(known))

    @property
    def is_built(self) -> bool:
        return bool(self._index)

    def is_asset(self, path: str) -> bool:
        """A file, or the name of one that is gone."""
        return path in self._assets or path.startswith("/assets/")

    def serves(self, scope: Message) -> bool:
        """Assets by their name; pages only to who asks for HTML, and only where nobody else lives."""
        if not self._index or scope["method"] not in ("GET", "HEAD"):
            return False
        path: str = scope["path"]
        if self.is_asset(path):
            return True
        is_free = path == SETUP_PAGE or _first(path) not in _OWNED_ELSEWHERE
        return is_free and b"text/html" in _header(scope, b"accept")

    async def __call__(self, scope: Message, _receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        path: str = scope["path"]
        if self.is_asset(path):
            status, headers, body = self._asset(path, _header(scope, b"accept-encoding").decode("latin-1"))
        else:
            frames = await self._frames() if self._frames is not None else ()
            status, headers, body = self._page(path, frames)
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length, *_GUARDS]})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _page(self, path: str, frames: Sequence[str]) -> tuple[int, list[Header], bytes]:
        nonce = secrets.token_urlsafe(18)
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", policy(nonce, frames).encode()),
        ]
        is_known = path == "/" or _first(path) in self._pages
        return 200 if is_known else 404, headers, self._index.replace(NONCE, nonce.encode())

    def _asset(self, path: str, accepted: str) -> tuple[int, list[Header], bytes]:
        body = self._assets.get(path)
        if body is None:
            return 404, [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")], b"no such file"
        age = (
            b"public, max-age=31536000, immutable" if path.startswith("/assets/") else b"public, max-age=300"
        )
        headers = [
            (b"content-type", _TYPES.get(Path(path).suffix, b"application/octet-stream")),
            (b"cache-control", age),
            (b"vary", b"accept-encoding"),
        ]
        offered = {part.split(";")[0].strip() for part in accepted.split(",") if not _is_refused(part)}
        for name, suffix in _ENCODINGS:
            packed = self._assets.get(path + suffix)
            if name in offered and packed is not None:
                return 200, [*headers, (b"content-encoding", name.encode())], packed
        return 200, headers, body


def _is_refused(part: str) -> bool:
    """`gzip;q=0` says no."""
    return part.replace(" ", "").rstrip("0").endswith((";q=", ";q=0."))


def _first(path: str) -> str:
    return path.lstrip("/").partition("/")[0]


def _header(scope: Message, wanted: bytes) -> bytes:
    return b",".join(value for name, value in scope["headers"] if name == wanted)
