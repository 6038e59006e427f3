"""What OpenAI's endpoints have in common: error bodies and response headers (api.openai.com)."""

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.kit import json
from headgate.simulator.dialects.contract import Header
from headgate.simulator.plan import Plan
from headgate.simulator.prompt import Tool, as_mapping
from headgate.simulator.refusal import Refused

STREAM_TYPE = b"text/event-stream; charset=utf-8"
_KINDS = {401: "invalid_request_error", 403: "permission_error", 429: "rate_limit_exceeded"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_TIERS = {"auto": "default", "default": "default", "flex": "flex", "priority": "priority"}


def error_body(refused: Refused) -> bytes:
    server_side = refused.status >= 500
    kind = _KINDS.get(refused.status, "server_error" if server_side else "invalid_request_error")
    return json.dumps(
        {
            "error": {
                "message": refused.message,
                "type": kind,
                "param": refused.param,
                "code": refused.code or _CODES.get(refused.status),
            }
        }
    )


def headers(request_id: str, plan: Plan | None) -> Sequence[Header]:
    model = [(b"openai-model", plan.model.encode("ascii", "replace"))] if plan else []
    return [
        (b"x-request-id", request_id.encode()),
        (b"openai-organization", b"headgate-simulator"),
        (b"openai-processing-ms", b"12"),
        (b"openai-version", b"2020-10-01"),
        (b"x-ratelimit-limit-requests", b"10000"),
        (b"x-ratelimit-limit-tokens", b"2000000"),
        (b"x-ratelimit-remaining-requests", b"9999"),
        (b"x-ratelimit-remaining-tokens", b"1999000"),
        (b"x-ratelimit-reset-requests", b"6ms"),
        (b"x-ratelimit-reset-tokens", b"30ms"),
        *model,
        *_windows(plan),
    ]


def _windows(plan: Plan | None) -> Sequence[Header]:
    """The windows of a ChatGPT account, which API keys do not have: only where a script asks for them."""
    if plan is None or plan.window_used is None:
        return ()
    return (
        (b"x-codex-primary-used-percent", b"%.1f" % (100 * plan.window_used)),
        (b"x-codex-primary-window-minutes", b"300"),
        (b"x-codex-primary-reset-after-seconds", b"7200"),
        (b"x-codex-secondary-used-percent", b"1.0"),
        (b"x-codex-secondary-window-minutes", b"10080"),
        (b"x-codex-secondary-reset-after-seconds", b"86400"),
    )


def limit_headers(status: int, reset_s: int) -> Sequence[Header]:
    after: list[Header] = [(b"retry-after", b"%d" % reset_s), (b"retry-after-ms", b"%d" % (reset_s * 1000))]
    if status == 429:
        after += [
            (b"x-ratelimit-remaining-requests", b"0"),
            (b"x-ratelimit-reset-requests", b"%ds" % reset_s),
        ]
    return after


def tier_of(body: Mapping[str, Any]) -> str:
    return _TIERS.get(str(body.get("service_tier", "auto")), "default")


def tool_of(item: Mapping[str, Any]) -> Tool:
    """A tool in the chat form (`function: {...}`) or in the responses form (flat)."""
    inner = as_mapping(item.get("function")) or item
    return Tool(str(inner.get("name", item.get("type", "tool"))), as_mapping(inner.get("parameters")))


def forced_tool(choice: object) -> str | None:
    if choice == "required":
        return ""
    if not isinstance(choice, dict) or choice.get("type") != "function":
        return None
    return str(as_mapping(choice.get("function")).get("name") or choice.get("name") or "")
