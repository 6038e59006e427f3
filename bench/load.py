"""The load generator: bare HTTP/1.1 over asyncio protocols, cheap enough to share a core with the simulator.

Runs as a process of its own (`python -m bench.load SPEC`), loopback only, bounded in time and count; prints
one JSON line.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

import uvloop

END_OF_CHUNKS = b"0\r\n\r\n"


@dataclass
class Spec:
    """What to send. Closed loop: `connections` that each send the next request when the last answer is
    complete; open loop: `rate` requests a second whatever happens; hold: open `connections` streams and keep
    them."""

    host: str
    port: int
    path: str
    headers: dict[str, str]
    body_file: str
    connections: int = 32
    seconds: float = 8.0
    rate: float = 0.0
    hold: bool = False
    ramp_per_s: int = 400


@dataclass
class Result:
    requests: int = 0
    failed: int = 0
    bytes: int = 0
    events: int = 0
    seconds: float = 0.0
    first_bytes_ms: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request in flight."""

    def __init__(self, request: bytes, result: Result) -> None:
        self.request = request
        self.result = result
        self.transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] | None = None
        self.sent_at = 0.0
        self.first = True
        self.ok = False
        self.remaining = -1
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def send(self) -> "asyncio.Future[None]":
        assert self.transport is not None
        self.done = asyncio.get_running_loop().create_future()
        self.first, self.remaining, self.tail = True, -1, b""
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)
        return self.done

    def data_received(self, data: bytes) -> None:
        self.result.bytes += len(data)
        self.result.events += data.count(b"data:")
        if self.first:
            self.first = False
            self.result.first_bytes_ms.append((time.perf_counter() - self.sent_at) * 1000)
            self.ok = data.startswith(b"HTTP/1.1 200")
            head_end = data.find(b"\r\n\r\n")
            head = data[: head_end + 2].lower()
            at = head.find(b"content-length:")
            if at >= 0:
                self.remaining = int(head[at + 15 : head.index(b"\r\n", at)]) - (len(data) - head_end - 4)
            self.tail = data[head_end + 4 :][-5:]
        elif self.remaining >= 0:
            self.remaining -= len(data)
        else:
            self.tail = (self.tail + data)[-5:]
        if self.remaining == 0 or (self.remaining < 0 and self.tail == END_OF_CHUNKS):
            self.finish()

    def finish(self) -> None:
        if self.done is not None and not self.done.done():
            self.result.requests += 1
            self.result.failed += not self.ok
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.result.failed += 1
            self.done.set_result(None)


def request_bytes(spec: Spec) -> bytes:
    with open(spec.body_file, "rb") as file:
        body = file.read()
    head = f"POST {spec.path} HTTP/1.1\r\nhost: {spec.host}:{spec.port}\r\ncontent-length: {len(body)}\r\n"
    return (head + "".join(f"{k}: {v}\r\n" for k, v in spec.headers.items()) + "\r\n").encode() + body


async def connect(spec: Spec, request: bytes, result: Result) -> Connection:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(lambda: Connection(request, result), spec.host, spec.port)
    return protocol


async def closed_loop(spec: Spec, result: Result) -> None:
    request = request_bytes(spec)
    end = time.perf_counter() + spec.seconds

    async def worker() -> None:
        connection = await connect(spec, request, result)
        while time.perf_counter() < end:
            await connection.send()
            if connection.transport is None or connection.transport.is_closing():
                connection = await connect(spec, request, result)

    await asyncio.gather(*(worker() for _ in range(spec.connections)))


async def open_loop(spec: Spec, result: Result) -> None:
    """Requests at fixed instants, each on an idle connection (opened when none is), so that waiting is not
    hidden."""
    request = request_bytes(spec)
    idle: list[Connection] = []
    running: set[asyncio.Task[None]] = set()

    async def one() -> None:
        connection = idle.pop() if idle else await connect(spec, request, result)
        await connection.send()
        if connection.transport is not None and not connection.transport.is_closing():
            idle.append(connection)

    start = time.perf_counter()
    for n in range(int(spec.rate * spec.seconds)):
        delay = start + n / spec.rate - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        task = asyncio.get_running_loop().create_task(one())
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.wait(running, timeout=30) if running else None


async def hold_open(spec: Spec, result: Result) -> None:
    """Open the streams at a steady pace, keep them for `seconds`; the caller samples memory meanwhile."""
    request = request_bytes(spec)
    held = []
    for n in range(spec.connections):
        connection = await connect(spec, request, result)
        connection.send()
        held.append(connection)
        if n % 20 == 19:
            await asyncio.sleep(20 / spec.ramp_per_s)
    print(json.dumps({"opened": len(held)}), flush=True)
    await asyncio.sleep(spec.seconds)
    for connection in held:
        if connection.transport is not None:
            connection.transport.abort()


async def run(spec: Spec) -> Result:
    result = Result()
    started = time.perf_counter()
    work = hold_open if spec.hold else open_loop if spec.rate else closed_loop
    await work(spec, result)
    result.seconds = time.perf_counter() - started
    return result


def main() -> None:
    result = uvloop.run(run(Spec(**json.loads(sys.argv[1]))))
    document = asdict(result)
    firsts = sorted(document.pop("first_bytes_ms"))
    if firsts:
        document["ttfb_p50_ms"] = firsts[len(firsts) // 2]
        document["ttfb_p99_ms"] = firsts[min(len(firsts) - 1, int(len(firsts) * 0.99))]
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main()
