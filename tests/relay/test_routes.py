"""Every data-plane route: who serves it, in which dialect; none is free by accident (invariant 7)."""

import pytest

from headgate.core.dialects.contract import Operation, StreamFraming, Target
from headgate.core.faults import Fault, FaultKind
from headgate.core.world import Dialect
from headgate.relay import routes
from headgate.relay.attempt import UNMETERED
from headgate.relay.routes import Local, LocalEndpoint, dialect_of, match

FREE = {LocalEndpoint.ROOT, LocalEndpoint.EVENT_LOGGING}
GEMINI = [
    f"/{version}/models/m:{action}" for version in ("v1", "v1beta") for action in routes._GEMINI_ACTIONS
]


def test_only_the_two_courtesies_are_open_and_only_counting_and_objects_are_free() -> None:
    found = [route for methods in routes._EXACT.values() for route in methods.values()]
    found += [target for path in GEMINI if isinstance(target := match("POST", path, b""), Target)]
    local = {route.endpoint for route in found if isinstance(route, Local)}
    assert local == {*FREE, LocalEndpoint.MODELS, LocalEndpoint.USAGE, LocalEndpoint.COST_PREVIEW}
    assert {route.operation for route in found if isinstance(route, Target)} == set(Operation) - {
        Operation.OBJECT
    }
    assert set(UNMETERED) == {Operation.COUNT, Operation.OBJECT}


@pytest.mark.parametrize("path", sorted(routes._EXACT))
def test_every_path_refuses_the_methods_it_does_not_name(path: str) -> None:
    for method in {"PUT", "PATCH", "OPTIONS", "TRACE"}:
        found = match(method, path, b"")
        assert isinstance(found, Fault)
        assert found.kind is FaultKind.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("query", "framing"), [(b"", StreamFraming.JSON_ARRAY), (b"alt=sse", StreamFraming.SSE)]
)
def test_gemini_streams_by_alt(query: bytes, framing: StreamFraming) -> None:
    found = match("POST", "/v1beta/models/m:streamGenerateContent", query)
    assert isinstance(found, Target)
    assert found.framing is framing


@pytest.mark.parametrize(
    "subpath", ["/..", "/a/../b", "//", "/a%2fb", "/a/b/c/d", "/" + "a" * 129, "/a b", "/"]
)
def test_a_responses_subpath_that_is_no_plain_segment_is_unknown(subpath: str) -> None:
    found = match(
        "GET", f"/v1/responses{subpath}x" if subpath == "/.." else f"/v1/responses/x{subpath}/y", b""
    )
    assert isinstance(found, Fault)


@pytest.mark.parametrize("path", ["/v1beta/x", "/v1/models/m:generateContent"])
def test_an_unknown_gemini_path_is_answered_in_its_dialect(path: str) -> None:
    assert dialect_of(path) is Dialect.GEMINI
