"""What can be told, how it is signed, and when a delivery is tried again. Pure.

Signed as Standard Webhooks has it (standardwebhooks.com), so that receivers verify with existing libraries:
`webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64 HMAC-SHA256 of "id.timestamp.body">`.
"""

import hmac
from base64 import b64decode, b64encode
from enum import StrEnum
from hashlib import sha256

SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins
RETRY_AFTER_S = (5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200)
"""After the first failure, the second, ...: about 21 hours in all."""


class EventType(StrEnum):
    KEY_EXHAUSTED = "key.exhausted"
    BALANCE_LOW = "balance.low"
    ACCOUNT_DOWN = "account.down"
    ACCOUNT_RECOVERED = "account.recovered"
    QUOTA_FORECAST = "account.quota_forecast"
    PAYMENT_CREDITED = "payment.credited"
    ALERT_FIRED = "alert.fired"
    ALERT_RESOLVED = "alert.resolved"
    TEST = "webhook.test"


def secret_from(random: bytes) -> str:
    return SECRET_PREFIX + b64encode(random).decode()


def signed_headers(secret: str, event_id: str, body: bytes, now_s: int) -> dict[str, str]:
    """The time is the attempt's: receivers refuse what is older than a few minutes."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    message = f"{event_id}.{now_s}.".encode() + body
    signature = b64encode(hmac.new(key, message, sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": f"v1,{signature}",
    }


def retry_at_ms(attempts: int, now_ms: int) -> int | None:
    """After so many failed attempts; None: no more."""
    return None if attempts > len(RETRY_AFTER_S) else now_ms + RETRY_AFTER_S[attempts - 1] * 1000
