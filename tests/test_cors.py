"""CORS: nobody, unless the operator names them (spec 9.3)."""

from headgate.cors import Cors, with_cors
from headgate.settings import CorsSettings
from tests.support.asgi import AsgiClient

PAGE = "https://console.example.com"


async def answer_ok(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"etag", b"x")]})
    await send({"type": "http.response.body", "body": b"ok"})


def client(*origins, credentials=True):
    return AsgiClient(Cors(answer_ok, CorsSettings(allowed_origins=origins, allow_credentials=credentials)))


async def preflight(of, origin, asked="content-type"):
    headers = {
        "origin": origin, "access-control-request-method": "POST", "access-control-request-headers": asked,
    }  # fmt: skip
    return await of.call("OPTIONS", "/v1/messages", headers=headers)


async def test_without_names_foreign_pages_get_nothing():
    assert with_cors(answer_ok, CorsSettings()) is answer_ok
    other = client("https://other.example")
    assert (await preflight(other, PAGE)).status == 403
    plain = await other.call("GET", "/x", headers={"origin": PAGE})
    assert not any(name.startswith("access-control") for name in plain.headers)


async def test_a_named_page_may_call_and_read():
    answer = await preflight(client(PAGE), PAGE, "x-stainless-lang, x-evil, anthropic-version")
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-credentials"] == "true"
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"x-stainless-lang", "anthropic-version", "x-goog-api-key", "idempotency-key"} <= set(allowed)
    assert "x-evil" not in allowed
    plain = await client(PAGE).call("GET", "/x", headers={"origin": PAGE})
    assert plain.headers["access-control-allow-origin"] == PAGE
    assert plain.headers["access-control-expose-headers"] == "etag, x-headgate-ignored-fields"
    assert plain.headers["vary"] == "origin"


async def test_an_origin_that_only_looks_alike_is_another():
    for origin in (PAGE + ".evil.example", "http://console.example.com", PAGE + ":8443", "null"):
        assert (await preflight(client(PAGE), origin)).status == 403


async def test_every_page_means_without_credentials():
    answer = await preflight(client("*", PAGE), "https://any.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_an_options_call_that_is_no_preflight_reaches_the_app():
    assert (await client(PAGE).call("OPTIONS", "/x", headers={"origin": PAGE})).status == 200
    assert (await client(PAGE).call("GET", "/x")).status == 200
