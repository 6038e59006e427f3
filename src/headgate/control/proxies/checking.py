"""Testing egress proxies: where they go out, and whether providers answer there (spec 8.5).

Only when somebody asks: nothing is sent to anybody when a proxy is created or listed.
"""

import asyncio
from datetime import datetime
from typing import Any

from headgate.control.proxies.check_schemas import ProxyTestView, QualityItem, QualityView
from headgate.control.proxies.quality import PROXY_REFUSES, Probed, grade, judge, overall, score
from headgate.control.proxies.repository import ProxyRepository
from headgate.control.proxies.secrets import proxy_url
from headgate.control.web.routing import Deps
from headgate.control.work import Work
from headgate.kit import json
from headgate.kit.secret import Secret
from headgate.upstream.web import WebFailed, WebRequest

_MAX_BYTES = 256 * 1024


async def tested(work: Work, deps: Deps, proxy_id: int) -> ProxyTestView:
    """Raises PROXY_NOT_FOUND, SECRET_UNREADABLE. A proxy that does not work is no error."""
    url = proxy_url(work, await ProxyRepository(work.session).get(proxy_id))
    await work.release_connection()
    view = await _exit(deps, url)
    at = work.now().isoformat()
    await _keep(work, proxy_id, latency={**view.model_dump(), "checked_at": at})
    return view


async def checked(work: Work, deps: Deps, proxy_id: int) -> QualityView:
    """Raises PROXY_NOT_FOUND, SECRET_UNREADABLE."""
    url = proxy_url(work, await ProxyRepository(work.session).get(proxy_id))
    await work.release_connection()
    targets = deps.settings.proxy_probe.targets
    exit_ = await _exit(deps, url)
    probed = await asyncio.gather(*(_probe(deps, url, address) for address in targets.values()))
    items = [_base_item(exit_), *(_item(name, answer) for name, answer in zip(targets, probed, strict=True))]
    view = _summed_up(proxy_id, exit_, items, work.now())
    at = work.now().isoformat()
    await _keep(
        work,
        proxy_id,
        latency={**exit_.model_dump(), "checked_at": at},
        quality={**view.model_dump(include={"status", "score", "grade", "summary"}), "checked_at": at},
    )
    return view


async def _keep(work: Work, proxy_id: int, **found: dict[str, Any]) -> None:
    """Shown in lists from now on. Raises PROXY_NOT_FOUND when it was deleted meanwhile."""
    row = await ProxyRepository(work.session).get(proxy_id)
    row.findings = {**(row.findings or {}), **found}


async def _exit(deps: Deps, proxy: Secret) -> ProxyTestView:
    """The first that answers tells."""
    problem, reason, latency_ms = "nobody is named who would tell the address", "nobody_named", 0
    for url in deps.settings.proxy_probe.exit_urls:
        probed = await _probe(deps, proxy, url)
        latency_ms = probed.latency_ms
        if probed.status == 200 and (told := _told(probed.body)) is not None:
            return ProxyTestView(
                success=True, message="the proxy works", reason="works", latency_ms=latency_ms, **told
            )
        problem, reason = _why_not_told(probed)
    return ProxyTestView(success=False, message=problem, reason=reason, latency_ms=latency_ms)


def _why_not_told(probed: Probed) -> tuple[str, str]:
    """In words, and as a stable code."""
    match probed.status:
        case None:
            return probed.problem, probed.fault
        case 407:
            return PROXY_REFUSES, "proxy_refuses"
        case status:
            return f"{status} from the service that tells addresses", "teller_refused"


def _told(body: bytes) -> dict[str, str] | None:
    """As ip-api.com says it, or httpbin.org; None for anything else. Texts are a stranger's: cut."""
    try:
        said = json.loads(body)
    except json.JSONDecodeError:
        return None
    if not isinstance(said, dict) or said.get("status") == "fail":
        return None
    names = {
        "ip_address": ("query", "origin"),
        "city": ("city",),
        "region": ("regionName",),
        "country": ("country",),
        "country_code": ("countryCode",),
    }
    told = {
        field: next((value for name in given if isinstance(value := said.get(name), str)), "")[:100]
        for field, given in names.items()
    }
    return told if told["ip_address"] else None


async def _probe(deps: Deps, proxy: Secret, url: str) -> Probed:
    began = deps.clock.monotonic()
    request = WebRequest("GET", url, {"accept": "*/*"})
    timeout_s = deps.settings.proxy_probe.timeout_s
    try:
        answer = await deps.web.send(request, proxy=proxy, timeout_s=timeout_s, max_bytes=_MAX_BYTES)
    except WebFailed as failure:
        waited_ms = _since(deps, began)
        return Probed(status=None, latency_ms=waited_ms, headers={}, problem=str(failure), fault=failure.kind)
    return Probed(
        status=answer.status, latency_ms=_since(deps, began), headers=answer.headers, body=answer.body
    )


def _since(deps: Deps, began: float) -> int:
    return round((deps.clock.monotonic() - began) * 1000)


def _base_item(exit_: ProxyTestView) -> QualityItem:
    return QualityItem(
        target="base_connectivity",
        status="pass" if exit_.success else "fail",
        http_status=200 if exit_.success else None,
        latency_ms=exit_.latency_ms,
        message=exit_.message,
        reason=exit_.reason,
    )


def _item(target: str, probed: Probed) -> QualityItem:
    judgement = judge(probed)
    return QualityItem(
        target=target,
        status=judgement.verdict,
        http_status=probed.status,
        latency_ms=probed.latency_ms,
        message=judgement.message,
        reason=judgement.reason,
        cf_ray=probed.headers.get("cf-ray", "")[:100],
    )


def _summed_up(proxy_id: int, exit_: ProxyTestView, items: list[QualityItem], at: datetime) -> QualityView:
    verdicts = [item.status for item in items]
    points = score(verdicts)
    counts = {verdict: verdicts.count(verdict) for verdict in ("pass", "warn", "fail", "challenge")}
    words = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    return QualityView(
        proxy_id=proxy_id,
        score=points,
        grade=grade(points),
        summary=words,
        status=overall(verdicts),
        exit_ip=exit_.ip_address,
        country=exit_.country,
        country_code=exit_.country_code,
        base_latency_ms=exit_.latency_ms,
        passed_count=counts["pass"],
        warn_count=counts["warn"],
        failed_count=counts["fail"],
        challenge_count=counts["challenge"],
        checked_at=at,
        items=items,
    )
