"""The tester's own endpoints: `/health`, `/__bill`, `/__script`. They need no key; the simulator listens on
loopback.
"""

from typing import Any

from headgate.kit import json
from headgate.simulator.bill import Bill
from headgate.simulator.call import KEY_PREFIX, Call
from headgate.simulator.refusal import Refused
from headgate.simulator.script import ScriptBook, ScriptError, parse_words
from headgate.simulator.wire import send_whole

_JSON = (b"content-type", b"application/json")


class Control:
    def __init__(self, bill: Bill, scripts: ScriptBook) -> None:
        self._bill = bill
        self._scripts = scripts

    async def handle(self, call: Call) -> bool:
        """Whether the request was for the tester; then it is answered."""
        if call.path == "/" or call.path == "/health":
            await _send(call, 200, {"status": "ok", "service": "headgate-simulator"})
        elif call.path == "/__bill":
            await self._show_bill(call)
        elif call.path == "/__script":
            await self._change_scripts(call)
        else:
            return False
        return True

    async def _show_bill(self, call: Call) -> None:
        if call.method == "DELETE":
            self._bill.reset()
            await _send(call, 200, {"reset": True})
            return
        shown = self._bill.as_json(key=call.query.get("key"), request_id=call.query.get("request_id"))
        await _send(call, 200, shown)

    async def _change_scripts(self, call: Call) -> None:
        """POST `{key, script, times?}` with the script as an object or as words; GET lists; DELETE `[?key=]`
        forgets.
        """
        if call.method == "DELETE":
            self._scripts.drop(call.query.get("key"))
        elif call.method == "POST":
            try:
                self._put(json.loads(await call.body()))
            except (ScriptError, Refused, json.JSONDecodeError) as error:
                await _send(call, 400, {"error": str(error)})
                return
        await _send(call, 200, {"scripts": self._scripts.listing()})

    def _put(self, wish: Any) -> None:
        if not isinstance(wish, dict) or not str(wish.get("key", "")).startswith(KEY_PREFIX):
            raise ScriptError(f"expected an object with a key that begins with {KEY_PREFIX}")
        script, times = wish.get("script"), wish.get("times")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise ScriptError("times is a positive integer or absent")
        fields = parse_words(script) if isinstance(script, str) else script
        if not isinstance(fields, dict):
            raise ScriptError("script is an object or a string of field=value words")
        self._scripts.put(wish["key"], fields, times=times)


async def _send(call: Call, status: int, value: object) -> None:
    await send_whole(call.send, status, [_JSON], json.dumps(value))
