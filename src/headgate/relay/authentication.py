"""Who calls: the key from the headers, looked up by keyed hash in the directory, checked in the order of
spec 2.2."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.admission import check_caller
from headgate.core.world import Caller, Dialect
from headgate.kit.clock import Clock
from headgate.relay.directory import Directory

_LONGEST_KEY = 256


class Authenticator:
    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    async def authenticate(
        self,
        dialect: Dialect,
        headers: Mapping[str, str],
        query: bytes,
        client_ip: str,
        *,
        skip_spending: bool = False,
    ) -> Caller:
        """The caller, or `RelayError`. Done on headers alone, before a body is read (PAINS S15)."""
        secret = extract_key(dialect, headers, query)
        if isinstance(secret, Fault):
            raise RelayError(secret)
        found = await self._directory.find_key(secret)
        if found is None:
            raise RelayError(
                Fault(kind=FaultKind.KEY_INVALID, message="Invalid API key", code="INVALID_API_KEY")
            )
        key, user = found
        group = self._directory.group(key.group_id) if key.group_id is not None else None
        fault = check_caller(
            key, user, group, now_ms=self._clock.now_ms(), client_ip=client_ip, skip_spending=skip_spending
        )
        if fault is not None:
            raise RelayError(fault)
        assert group is not None
        return Caller(key=key, user=user, group=group)


def extract_key(dialect: Dialect, headers: Mapping[str, str], query: bytes) -> str | Fault:
    """Spec 2.2 A: Bearer, x-api-key, x-goog-api-key; B (Google): x-goog-api-key, Bearer, x-api-key,
    `?key=`."""
    params = parse_qs(query.decode("latin-1")) if b"key=" in query else {}
    google = dialect is Dialect.GEMINI
    if "api_key" in params or ("key" in params and not google):
        return Fault(
            kind=FaultKind.KEY_IN_QUERY,
            code="api_key_in_query_deprecated",
            message="An API key in the query string ends up in logs; send it in a header",
        )
    bearer = _bearer(headers.get("authorization", ""))
    order = (
        [headers.get("x-goog-api-key"), bearer, headers.get("x-api-key"), params.get("key", [None])[-1]]
        if google
        else [bearer, headers.get("x-api-key"), headers.get("x-goog-api-key")]
    )
    for candidate in order:
        if candidate and candidate.strip():
            return candidate.strip() if len(candidate) <= _LONGEST_KEY else _invalid()
    return Fault(kind=FaultKind.KEY_MISSING, message="An API key is required", code="API_KEY_REQUIRED")


def _bearer(value: str) -> str | None:
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _invalid() -> Fault:
    return Fault(kind=FaultKind.KEY_INVALID, message="Invalid API key", code="INVALID_API_KEY")
