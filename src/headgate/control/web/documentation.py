"""The documentation page, without any foreign host: Swagger UI comes from a locked package, and the
page's policy lets it load and call nothing but this server (PAINS S1, S10).

The page's own script is a file of its own, so that no inline script needs to be allowed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from headgate.kit import json

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


def install(app: FastAPI, schema: Callable[[], dict[str, Any]]) -> None:
    """Add `/docs`, its three files, and the document that it shows."""
    assets = files("fastapi_offline") / "static"
    app.add_route("/docs", _page, include_in_schema=False)
    app.add_route("/docs/start.js", _file(_START.encode(), _SCRIPT), include_in_schema=False)
    for name, kind in (("swagger-ui-bundle.js", _SCRIPT), ("swagger-ui.css", _STYLE)):
        app.add_route(f"/docs/{name}", _file((assets / name).read_bytes(), kind), include_in_schema=False)
    app.add_route("/openapi.json", _document(schema), include_in_schema=False)


def _document(schema: Callable[[], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """Made when it is first asked for, in a second or more: in a thread, so that no exchange waits."""

    async def answer(_: Request) -> Response:
        content = await asyncio.to_thread(lambda: json.dumps(schema()))
        return Response(content, media_type="application/json", headers={"Cache-Control": "no-cache"})

    return answer


async def _page(_: Request) -> Response:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return HTMLResponse(_PAGE, headers=headers)


def _file(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(content, media_type=media_type, headers=headers)

    return answer
