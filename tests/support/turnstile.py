"""What stands for Cloudflare's siteverify: a real HTTP server on a real port."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

SECRET = "turnstile-secret-9a"


@dataclass
class Siteverify:
    asked: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    status: int = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/siteverify"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        length = int(asked.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        fields = parse_qs((await reader.readexactly(length)).decode())
        self.asked.append({key: values[0] for key, values in fields.items()})
        body = json.dumps(self._verdict(self.asked[-1])).encode()
        writer.write(
            f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        writer.close()

    def _verdict(self, asked: dict[str, str]) -> dict[str, object]:
        if asked.get("secret") != SECRET:
            return {"success": False, "error-codes": ["invalid-input-secret"]}
        is_good = asked.get("response") == "human"
        return {"success": is_good, "error-codes": [] if is_good else ["invalid-input-response"]}


@asynccontextmanager
async def siteverify() -> AsyncIterator[Siteverify]:
    stub = Siteverify()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.port = server.sockets[0].getsockname()[1]
    try:
        yield stub
    finally:
        server.close()
