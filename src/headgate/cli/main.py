"""The command line: `headgate serve | simulator | migrate | doctor`, and commands about users, groups,
accounts, keys, subscriptions, codes and the ledger."""

from typing import ClassVar

import typer

from headgate.cli.on_demand import OnDemand


class Commands(OnDemand):
    """Everything that `headgate` can be told."""

    places: ClassVar = {
        "serve": ("headgate.cli.serve:serve", "Run the gateway."),
        "setup": ("headgate.cli.setup:setup", "Install over REST with a token, then run the gateway."),
        "doctor": ("headgate.cli.doctor:doctor", "Check configuration, database, Redis, egress and clock."),
        "simulator": ("headgate.cli.tools:simulator", "Run the provider simulator."),
        "simulate": ("headgate.cli.simulate:simulate_configuration", "Try a configuration out on traffic."),
        "traffic": ("headgate.cli.simulate:traffic", "Print recorded traffic for `simulate`."),
        "migrate": ("headgate.cli.tools:migrate", "Bring the database to this program's schema."),
        "version": ("headgate.cli.tools:version", "Print the version."),
        "user": ("headgate.cli.users:commands", "People who own keys and pay."),
        "group": ("headgate.cli.groups:commands", "Pools of accounts that keys belong to."),
        "account": ("headgate.cli.accounts:commands", "Upstream accounts at providers."),
        "key": ("headgate.cli.keys:commands", "API keys that we issue."),
        "subscription": ("headgate.cli.subscriptions:commands", "Users' time-boxed rights to groups."),
        "ledger": ("headgate.cli.ledger:commands", "The books: proof, replay, reconciliation."),
        "config": (
            "headgate.cli.configuration:commands",
            "Configuration as code: export, plan, apply, drift.",
        ),
        "codes": ("headgate.cli.codes:commands", "Codes that give their redeemer something."),
    }


cli = typer.Typer(
    cls=Commands,
    name="headgate",
    help="Self-hosted AI API gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.callback()
def headgate() -> None:
    """Self-hosted AI API gateway."""


def main() -> None:
    """Entry point of the `headgate` script."""
    cli()
