"""A browser as far as cookies go: it keeps what answers set and sends it back."""

from typing import Any

from tests.support.asgi import Answer, AsgiClient


class Browser:
    """A page of ours: it names the session mode and sends the CSRF token."""

    def __init__(self, client: AsgiClient) -> None:
        self._client = client
        self.cookies: dict[str, str] = {}
        self.attributes: dict[str, set[str]] = {}

    async def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = {"x-headgate-session": "cookie", "x-csrf-token": self.cookies.get("headgate_csrf", "")}
        sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self._client.call(method, "/v1" + path, body, headers=sent | (headers or {}))
        for line in answer.set_cookies:
            self._keep(line)
        return answer

    def _keep(self, line: str) -> None:
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        self.attributes[name] = {attribute.lower() for attribute in attributes}
        if "max-age=0" in self.attributes[name]:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value
