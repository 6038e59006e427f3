"""Opens the whole application without a socket, asks it a few things, drains it, closes it.

A process of its own, because opening sets up logging for the whole process. Prints one JSON object.
"""

import asyncio
import json
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from headgate.app import Application, open_application
from headgate.settings import Settings
from tests.relay.people import Client
from tests.support.asgi import Answer, AsgiClient

DIALECTS = {
    "anthropic": "/v1/messages",
    "openai": "/v1/chat/completions",
    "gemini": "/v1beta/models/m:generateContent",
}


def client_of(app: Application) -> AsgiClient:
    """As the server calls it: with the client's connection among the extensions."""

    async def with_connection(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await app.asgi({**scope, "extensions": {"headgate.connection": Client()}}, receive, send)

    return AsgiClient(with_connection)


def told(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "headers": dict(answer.headers), "json": answer.json}


async def probe(folder: Path) -> dict[str, Any]:
    settings = Settings(data_dir=folder)
    found: dict[str, Any] = {}
    async with open_application(settings) as app:
        client = client_of(app)
        found["has_first_admin"] = app.first_admin is not None
        found["health"] = told(await client.call("GET", "/health"))
        found["ready"] = told(await client.call("GET", "/ready"))
        found["control"] = told(await client.call("GET", "/api/v1/admin/groups"))
        found["courtesy"] = told(await client.call("POST", "/api/event_logging/batch", {}))
        found["keyless"] = told(await client.call("POST", "/v1/messages", {"model": "m"}))
        app.drain()
        for name, path in DIALECTS.items():
            found[f"draining {name}"] = told(await client.call("POST", path, {"model": "m"}))
        found["draining health"] = told(await client.call("GET", "/health"))
        found["draining control"] = told(await client.call("GET", "/api/v1/admin/groups"))
    async with open_application(settings) as app:
        found["second first_admin"] = app.first_admin is not None
        found["tasks left"] = len(asyncio.all_tasks()) > 1
    found["tasks after close"] = len(asyncio.all_tasks())
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(probe(Path(sys.argv[1])))))
