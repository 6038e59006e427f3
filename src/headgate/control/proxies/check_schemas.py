"""Answers about tests of egress proxies (spec 8.5)."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from headgate.control.proxies.quality import Verdict


class ProxyTestView(BaseModel):
    success: bool
    message: str
    reason: str
    """Stable: works, nobody_named, proxy_refuses, teller_refused (the service that tells addresses), or a
    fault kind."""
    latency_ms: int
    ip_address: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    country_code: str = ""


class QualityItem(BaseModel):
    target: str
    status: Verdict
    http_status: int | None
    latency_ms: int
    message: str
    reason: str
    """Stable: answers, challenged, server_error, maybe_refused, proxy_refuses; of the connection itself, as a
    test has it; or why no answer came (a fault kind)."""
    cf_ray: str = ""


class QualityView(BaseModel):
    proxy_id: int
    score: int
    grade: str
    summary: str
    status: str
    """healthy | warn | failed | challenge"""
    exit_ip: str
    country: str
    country_code: str
    base_latency_ms: int
    passed_count: int
    warn_count: int
    failed_count: int
    challenge_count: int
    checked_at: datetime
    items: Sequence[QualityItem]


class ProxyStats(BaseModel):
    """Calls that the proxy's present accounts made since `since`."""

    total_accounts: int
    active_accounts: int
    since: datetime
    total_requests: int
    failed_requests: int
    success_rate: float
    """Percent; 100 of nothing."""
    average_latency: float
    """Milliseconds to the first byte."""
    total_tokens: int
    total_cost: float
    """What the accounts cost, USD."""
