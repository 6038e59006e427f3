"""Signatures and pauses. Pure."""

from headgate.control.webhooks.events import RETRY_AFTER_S, retry_at_ms, secret_from, signed_headers


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification."""
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}',
        1_614_265_330,
    )  # fmt: skip
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"


def test_pauses_grow_and_end() -> None:
    pauses = [retry_at_ms(attempts, 0) for attempts in range(1, len(RETRY_AFTER_S) + 2)]
    assert pauses[0] == 5_000
    assert pauses[-1] is None
    assert pauses[:-1] == sorted(pauses[:-1])  # type: ignore[type-var]


def test_secrets_are_made_of_what_they_are_given() -> None:
    assert secret_from(b"\0" * 24) == "whsec_" + "A" * 32
