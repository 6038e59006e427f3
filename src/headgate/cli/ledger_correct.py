"""`headgate ledger correct`: one charge put right by new lines."""

from decimal import Decimal
from typing import Annotated

import typer

from headgate.cli.books import Books, decimal, on_books
from headgate.cli.options import ConfigFile, DataDir, console, explained
from headgate.control.audit.record import Call, record_change
from headgate.control.audit.rules import safe
from headgate.control.audit.trail import ChangeTrail
from headgate.control.work import SYSTEM
from headgate.core.money import from_usd, to_usd
from headgate.errors import StartupError
from headgate.kit import json
from headgate.storage.engine import session_factory
from headgate.storage.ledger_corrections import (
    ChargeMoved,
    Correction,
    NoSuchExchange,
    booked_charge,
    correct_charge,
)
from headgate.storage.unit_of_work import UnitOfWork

_MAX_USD = Decimal(1_000_000)
_MAX_REASON = 500


def correct(
    exchange: Annotated[
        str, typer.Argument(help="Exchange id, as in the usage list or x-headgate-exchange-id.")
    ],
    by: Annotated[str, typer.Option(metavar="USD", help="What it costs more; negative: what is given back.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Correct what an exchange was charged: the payer's balance or subscription, and the key's quota."""
    with explained():
        amount = decimal(by)
        if amount is None or not 0 < abs(amount) <= _MAX_USD:
            raise StartupError(f"--by {by!r} is no amount of USD; write -0.25 to give 0.25 USD back")
        if not reason.strip() or len(reason) > _MAX_REASON or not reason.isprintable():
            raise StartupError(f"--reason is empty, longer than {_MAX_REASON} characters, or not printable")
        nano = from_usd(amount)
        if nano == 0:
            raise StartupError(f"--by {by!r} is less than a billionth of a USD")

    async def work(books: Books) -> None:
        sessions = session_factory(books.engine, books.vault.ledger_key())
        async with UnitOfWork(sessions) as uow:
            trail = ChangeTrail(uow.session)
            charged = await booked_charge(uow.session, exchange)
            if charged is None:
                raise StartupError(f"exchange {exchange!r} was never charged; look for it in the usage list")
            if charged.paid_nano + nano < 0:
                raise StartupError(
                    f"exchange {exchange!r} has cost {charged.paid_nano / 1e9:.9f} USD so far;"
                    " no more than that can be given back"
                )
            correction = Correction(
                exchange_id=exchange,
                attempt=charged.attempt,
                charge_nano=nano,
                key_nano=nano if charged.counts_key else 0,
                reason=reason.strip(),
                actor_id=None,
                now_ms=books.clock.now_ms(),
                paid_before_nano=charged.paid_nano,
            )
            try:
                await correct_charge(uow.session, correction)
            except (NoSuchExchange, ChargeMoved) as error:
                raise StartupError(str(error)) from None
            await record_change(
                uow.session, _call(correction), SYSTEM, trail, now_ms=correction.now_ms, always=True
            )
            uow.touch_directory()  # a running gateway reads balances and quotas anew

    on_books(data_dir, config, work)
    console.print(f"corrected {exchange} by {amount} USD", markup=False, highlight=False)


def _call(correction: Correction) -> Call:
    """As the audit log names it."""
    asked = {"by_usd": to_usd(correction.charge_nano), "reason": safe("reason", correction.reason)}
    return Call(
        action="headgate ledger correct",
        target_kind="exchanges",
        target_id=correction.exchange_id,
        asked=json.dumps(asked).decode(),
    )
