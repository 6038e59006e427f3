"""Long work on accounts: the same services as single calls, some accounts in each transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from headgate.control.accounts.bulk import for_each, update_many
from headgate.control.accounts.bulk_schemas import AccountResult, ImportBody, ImportedAccount
from headgate.control.accounts.default_models import DEFAULT_PROMPT, DEFAULT_TEST_MODEL
from headgate.control.accounts.exchange import take_account
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.service import AccountService
from headgate.control.accounts.testing import tested
from headgate.control.audit.record import Call
from headgate.control.deps import ControlDeps
from headgate.control.jobs.kinds import InDatabase, Outcome, Place, Step, chunk
from headgate.control.jobs.schemas import AccountAction, JobActionBody, JobTestBody, JobUpdateBody
from headgate.control.proxies.exchange import known_proxies, take_proxies
from headgate.control.proxies.exchange_schemas import ImportedProxy, ImportView
from headgate.control.web.permissions import Permission
from headgate.control.work import Actor, Work

AT_ONCE = 10
"""Accounts of one transaction: SQLite has one writer, and a cancel takes effect after them."""
TESTS_AT_ONCE = 4
BEYOND: Mapping[str, Permission] = {"delete": Permission.SECRETS, "reset_quota": Permission.MONEY}
"""Actions that take more than the right to operate."""


class AccountImport(InDatabase):
    name = "account_import"
    permission = Permission.SECRETS

    def read(self, stored: bytes) -> ImportBody:
        return ImportBody.model_validate_json(stored)

    async def step(self, work: Work, body: ImportBody, place: Place, outside: Sequence[Outcome]) -> Step:
        pieces: list[ImportedProxy | ImportedAccount] = [*body.data.proxies, *body.data.accounts]
        part, place, is_end = chunk(place, AT_ONCE, len(pieces))
        outcomes: list[Outcome] = []
        proxies: dict[str, int] | None = None
        for piece in pieces[part]:
            result = ImportView()
            if isinstance(piece, ImportedProxy):
                await take_proxies(work, [piece], result)
                outcomes.append(_imported("proxy", piece.name, None, result))
                continue
            if proxies is None:  # all of them stand before the first account
                proxies = await known_proxies(work, body.data.proxies)
            made = await take_account(work, piece, body, proxies, result)
            outcomes.append(_imported("account", piece.name, made, result))
        return Step(place=place, is_end=is_end, outcomes=outcomes)


class AccountUpdates(InDatabase):
    name = "account_update"
    permission = Permission.OPERATE

    def read(self, stored: bytes) -> JobUpdateBody:
        return JobUpdateBody.model_validate_json(stored)

    async def step(self, work: Work, body: JobUpdateBody, place: Place, outside: Sequence[Outcome]) -> Step:
        part, place, is_end = chunk(place, AT_ONCE, len(body.account_ids))
        some = body.model_copy(update={"account_ids": body.account_ids[part]})
        done = await update_many(work, some)
        return Step(place=place, is_end=is_end, outcomes=_outcomes(done.results))


class AccountActions(InDatabase):
    name = "account_action"
    permission = Permission.OPERATE

    def read(self, stored: bytes) -> JobActionBody:
        return JobActionBody.model_validate_json(stored)

    async def step(self, work: Work, body: JobActionBody, place: Place, outside: Sequence[Outcome]) -> Step:
        part, place, is_end = chunk(place, AT_ONCE, len(body.account_ids))
        done = await for_each(work, body.account_ids[part], _action(AccountService(work), body.action))
        return Step(place=place, is_end=is_end, outcomes=_outcomes(done.results))


class AccountTests:
    name = "account_test"
    permission = Permission.OPERATE

    def read(self, stored: bytes) -> JobTestBody:
        return JobTestBody.model_validate_json(stored)

    async def outside(
        self, deps: ControlDeps, actor: Actor, body: JobTestBody, place: Place
    ) -> Sequence[Outcome]:
        part, _, _ = chunk(place, TESTS_AT_ONCE, len(body.account_ids))
        ids = body.account_ids[part]
        async with deps.uow() as uow:
            rows = {row.id: row for row in await AccountRepository(uow.session).by_ids(ids)}

        async def test(account_id: int) -> Outcome:
            if (row := rows.get(account_id)) is None:
                message = "account not found (ACCOUNT_NOT_FOUND)"
                return Outcome(success=False, subject_id=account_id, message=message)
            model = body.model_id or DEFAULT_TEST_MODEL[row.platform]
            error = await _test(deps, actor, account_id, model, body.prompt or DEFAULT_PROMPT)
            return Outcome(success=not error, subject_id=account_id, name=row.name, message=error)

        return await asyncio.gather(*(test(account_id) for account_id in ids))

    async def step(self, work: Work, body: JobTestBody, place: Place, outside: Sequence[Outcome]) -> Step:
        _, place, is_end = chunk(place, TESTS_AT_ONCE, len(body.account_ids))
        return Step(place=place, is_end=is_end, outcomes=outside)


async def _test(deps: ControlDeps, actor: Actor, account_id: int, model: str, prompt: str) -> str:
    """What went wrong; nothing: all is well."""
    call = Call(action="job account_test", target_kind="accounts", target_id=str(account_id))
    is_success, error = False, "the test ended without an answer"
    async for event in tested(deps, actor, account_id, call=call, model=model, prompt=prompt):
        if event["type"] == "test_complete":
            is_success = event.get("success") is True
        elif event["type"] == "error":
            error = str(event.get("error", ""))[:2000]
    return "" if is_success else error


def _action(service: AccountService, action: AccountAction) -> Callable[[int], Awaitable[object]]:
    async def switch(account_id: int) -> object:
        return await service.set_schedulable(account_id, schedulable=action == "enable")

    known: Mapping[AccountAction, Callable[[int], Awaitable[Any]]] = {
        "clear_error": service.clear_error,
        "clear_rate_limit": service.clear_rate_limit,
        "recover": service.recover,
        "enable": switch,
        "disable": switch,
        "reset_quota": service.reset_quota,
        "delete": service.delete,
    }
    return known[action]


def _imported(subject: str, name: str, made: int | None, result: ImportView) -> Outcome:
    message = result.errors[0].message if result.errors else "reused" if result.proxy_reused else ""
    return Outcome(success=not result.errors, subject=subject, subject_id=made, name=name, message=message)


def _outcomes(results: Sequence[AccountResult]) -> Sequence[Outcome]:
    return [
        Outcome(success=one.success, subject_id=one.account_id, message=one.error or "") for one in results
    ]
