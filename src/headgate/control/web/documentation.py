"""The documentation page, without any foreign host: Swagger UI comes from a locked package, and the
page's policy lets it load and call nothing but this server (PAINS S1, S10).

The page's own script is a file of its own, so that no inline script needs to be allowed.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI writes style attributes; it needs neither inline scripts nor eval."""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Headgate management API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  persistAuthorization: false,
});
"""
_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"


def install(app: FastAPI) -> None:
    """Add `/docs` and its three files."""
    assets = files("fastapi_offline") / "static"
    app.add_route("/docs", _page, include_in_schema=False)
    app.add_route("/docs/start.js", _file(_START.encode(), _SCRIPT), include_in_schema=False)
    for name, kind in (("swagger-ui-bundle.js", _SCRIPT), ("swagger-ui.css", _STYLE)):
        app.add_route(f"/docs/{name}", _file((assets / name).read_bytes(), kind), include_in_schema=False)


async def _page(_: Request) -> Response:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return HTMLResponse(_PAGE, headers=headers)


def _file(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(content, media_type=media_type, headers=headers)

    return answer
