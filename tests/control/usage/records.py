"""Usage records and traces as the journal leaves them."""

import json

from headgate.storage.models import ExchangeTraceRow, UsageRecordRow

TRACE = {
    "session_rule": "metadata",
    "selections": [{"chosen": 1, "rejected": {"2": "canary-other-account"}}],
    "waits": [{"for": "account:1", "waited_ms": 5, "first_position": 1, "result": "SlotLease"}],
    "attempts": [
        {"n": 0, "account_id": 1, "upstream_model": "m", "status": 200, "outcome": "completed", "ms": 12}
    ],
    "bill": {"charge_nano": 3, "account_cost_nano": 2, "usage": {"input": 1}},
    "fault": {"kind": "internal", "blame": "gateway", "message": "canary-message"},
    "something_new": "canary-new",
}


def record(*, exchange_id="e1", attempt=0, user_id=1, key_id=1, created_at_ms=0, **fields):
    values = {
        "exchange_id": exchange_id, "attempt": attempt, "outcome": "completed", "usage_source": "reported",
        "fault": None, "upstream_request_id": "req_1", "user_id": user_id, "key_id": key_id, "group_id": 1,
        "account_id": 1, "dialect": "anthropic_messages", "inbound_endpoint": "/v1/messages",
        "upstream_endpoint": "/v1/messages", "client_model": "claude-sonnet-4-5",
        "upstream_model": "claude-sonnet-4-5", "served_model": None, "input_tokens": 10,
        "output_tokens": 20, "reasoning_tokens": 5, "cache_read_tokens": 3, "cache_write_5m_tokens": 2,
        "cache_write_1h_tokens": 1, "image_count": 0, "input_cost_nano": 1_000, "output_cost_nano": 2_000,
        "cache_read_cost_nano": 30, "cache_write_cost_nano": 40, "list_cost_nano": 3_070,
        "charge_nano": 6_140, "account_cost_nano": 3_070, "charge_multiplier": 20_000,
        "cost_multiplier": 10_000, "price_version": "v1", "is_price_default": False, "service_tier": None,
        "reasoning_effort": None, "is_stream": True, "duration_ms": 100, "first_byte_ms": 10,
        "user_agent": "sdk/1", "client_ip": "192.0.2.9", "created_at_ms": created_at_ms,
    }  # fmt: skip
    return UsageRecordRow(**(values | fields))


async def store(control, *rows):
    """Ids of the records among the rows."""
    async with control.deps.uow() as uow:
        uow.session.add_all(rows)
    return [row.id for row in rows if isinstance(row, UsageRecordRow)]


def trace(exchange_id, user_id, created_at_ms):
    return ExchangeTraceRow(
        exchange_id=exchange_id, user_id=user_id, trace=json.dumps(TRACE), created_at_ms=created_at_ms
    )
