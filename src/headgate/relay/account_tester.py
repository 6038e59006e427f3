"""Testing an account from the management API (spec 8.4): one real, small call with its credential, as a
stream of events.

Not metered: the operator asks, nobody is charged. Implements `control.accounts.tester.AccountTester`.
"""

from collections.abc import AsyncIterator, Mapping

from headgate.core.dialects.contract import Operation, Peek, Target
from headgate.core.faults import Fault, RelayError
from headgate.core.ids import AccountId
from headgate.core.routing.model_mapping import upstream_model
from headgate.core.world import Account, Dialect, Provider
from headgate.kit import json
from headgate.relay.dialects import HANDLERS
from headgate.relay.directory import Directory
from headgate.upstream.call import open_call
from headgate.upstream.clients import ClientPool
from headgate.upstream.decode import decoder_for
from headgate.upstream.request import build_request

_DIALECTS: Mapping[Provider, Dialect] = {
    Provider.ANTHROPIC: Dialect.ANTHROPIC_MESSAGES,
    Provider.OPENAI: Dialect.OPENAI_RESPONSES,
    Provider.GEMINI: Dialect.GEMINI,
}
_ANSWER_LIMIT = 1024 * 1024
_MAX_OUTPUT = 64


class LiveAccountTester:
    def __init__(self, directory: Directory, clients: ClientPool) -> None:
        self._directory = directory
        self._clients = clients

    async def run(self, account_id: int, *, model: str, prompt: str) -> AsyncIterator[Mapping[str, object]]:
        """Ends with `test_complete` or `error`."""
        await self._directory.refresh()
        account = self._directory.account(AccountId(account_id))
        yield {"type": "test_start", "model": model}
        if account is None:
            yield {"type": "error", "error": "The account is not known to the data plane"}
            return
        try:
            text = await self._call(account, model, prompt)
        except RelayError as error:
            fault = error.fault
            status = {} if fault.upstream_status is None else {"status_code": fault.upstream_status}
            yield {"type": "error", "error": fault.message, **status}
            return
        if text:
            yield {"type": "content", "text": text}
        yield {"type": "test_complete", "success": True}

    async def _call(self, account: Account, model: str, prompt: str) -> str:
        dialect = _DIALECTS[account.provider]
        target = Target(
            dialect=dialect,
            operation=Operation.GENERATE,
            subpath="generateContent" if dialect is Dialect.GEMINI else "",
            path_model=model if dialect is Dialect.GEMINI else None,
            api_version="v1beta" if dialect is Dialect.GEMINI else "v1",
        )
        served_by = upstream_model(account.model_mapping, model) or model
        request = build_request(
            account,
            target,
            method="POST",
            upstream_model=served_by,
            query=b"",
            headers={"content-type": "application/json", "accept-encoding": "identity"},
            body=json.dumps(_body(dialect, served_by, prompt)),
        )
        async with open_call(self._clients, request) as answer:
            body = await answer.read_all(_ANSWER_LIMIT)
            decoder = decoder_for(answer.headers.get("content-encoding"))
            plain = body if decoder is None else decoder.feed(body)
            if answer.status >= 300:
                raise RelayError(HANDLERS[dialect].classify(answer.status, answer.headers, plain))
            read = HANDLERS[dialect].read_answer(
                target, Peek(model=served_by), plain, client_model=served_by, upstream_model=served_by
            )
            if isinstance(read, Fault):
                raise RelayError(read)
            return _text(dialect, plain)


def _body(dialect: Dialect, model: str, prompt: str) -> dict[str, object]:
    match dialect:
        case Dialect.ANTHROPIC_MESSAGES:
            return {
                "model": model,
                "max_tokens": _MAX_OUTPUT,
                "messages": [{"role": "user", "content": prompt}],
            }
        case Dialect.GEMINI:
            return {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
        case Dialect.OPENAI_RESPONSES | Dialect.OPENAI_CHAT:
            return {"model": model, "input": prompt}


def _text(dialect: Dialect, body: bytes) -> str:
    """The answer's first text, as far as the document has the expected shape."""
    try:
        document = json.loads(body)
        match dialect:
            case Dialect.ANTHROPIC_MESSAGES:
                return str(document["content"][0].get("text", ""))
            case Dialect.GEMINI:
                return str(document["candidates"][0]["content"]["parts"][0].get("text", ""))
            case Dialect.OPENAI_RESPONSES | Dialect.OPENAI_CHAT:
                return _responses_text(document)
    except (json.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
        return ""


def _responses_text(document: Mapping[str, object]) -> str:
    items = document["output"]
    parts = [p.get("text", "") for item in items for p in item.get("content", ())]  # type: ignore[attr-defined]
    return "".join(str(part) for part in parts)
