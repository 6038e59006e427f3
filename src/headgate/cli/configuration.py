"""`headgate config ...`: the configuration as a file, straight on the database."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from headgate.cli.entities import run, show
from headgate.cli.options import ConfigFile, DataDir, console, explained
from headgate.control.configuration.commands import ConfigurationCommands
from headgate.control.configuration.differences import has_work
from headgate.control.configuration.document import parse
from headgate.control.configuration.planning import Planned, Secrets
from headgate.control.configuration.rendering import plan_lines
from headgate.errors import StartupError
from headgate.kit.secret import Secret

commands = typer.Typer(no_args_is_help=True)

_MAX_FILE_BYTES = 16 * 1024 * 1024
DRIFTED = 2

File = Annotated[Path, typer.Argument(help="YAML or JSON; '-' reads standard input.")]
Prune = Annotated[
    bool, typer.Option("--prune", help="Delete what is not in the file, in the sections that it has.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Note = Annotated[str, typer.Option(help="Why; kept with the revision.")]


@commands.command()
def export(
    full: Annotated[bool, typer.Option("--full", help="With all that is empty, too.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print groups, accounts, proxies, prices and settings as YAML; secrets as references."""
    document = run(data_dir, config, lambda deps: ConfigurationCommands(deps).export(full=full))
    sys.stdout.write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110))


@commands.command()
def plan(file: File, prune: Prune = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Show what applying a file would change."""
    data, secrets = _read(file)
    planned = run(data_dir, config, lambda deps: ConfigurationCommands(deps).plan(data, secrets, prune=prune))
    _say(plan_lines(planned.changes))


@commands.command()
def apply(
    file: File,
    prune: Prune = False,
    yes: Yes = False,
    note: Note = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make everything as a file says, in one transaction, as a new revision."""
    data, secrets = _read(file)
    planned = run(data_dir, config, lambda deps: ConfigurationCommands(deps).plan(data, secrets, prune=prune))
    _say(plan_lines(planned.changes))
    if not has_work(planned.changes):
        return
    _ask(planned, yes=yes)
    applied = run(
        data_dir,
        config,
        lambda deps: ConfigurationCommands(deps).apply(
            data, secrets, prune=prune, expect=planned.digest, note=note
        ),
    )
    _say([f"applied as revision {applied.revision}"])


@commands.command()
def drift(
    file: Annotated[Path | None, typer.Argument(help="Default: the last revision.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Show how things differ from a file or from the last revision; exit code 2 when they do."""
    data, secrets = (None, {}) if file is None else _read(file)
    planned = run(data_dir, config, lambda deps: ConfigurationCommands(deps).drift(data, secrets))
    _say(plan_lines(planned.changes))
    if has_work(planned.changes):
        raise typer.Exit(DRIFTED)


@commands.command()
def history(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List revisions, newest first."""
    revisions = run(data_dir, config, lambda deps: ConfigurationCommands(deps).revisions())
    show(
        ("revision", "at", "by", "via", "summary", "note"),
        [
            (r.number, r.created_at.isoformat(timespec="seconds"), r.actor, r.via, r.summary, r.note)
            for r in revisions
        ],
    )


@commands.command()
def rollback(
    revision: Annotated[int, typer.Argument(help="Number, as in `headgate config history`.", min=1)],
    yes: Yes = False,
    note: Note = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make everything as it was after a revision, as a new revision."""
    data = run(data_dir, config, lambda deps: ConfigurationCommands(deps).document_of(revision))
    with explained():
        secrets = resolved(parse(data).references(), missing_is_fine=True)
    planned = run(data_dir, config, lambda deps: ConfigurationCommands(deps).plan(data, secrets, prune=True))
    _say(plan_lines(planned.changes))
    if not has_work(planned.changes):
        return
    _ask(planned, yes=yes)
    applied = run(
        data_dir, config, lambda deps: ConfigurationCommands(deps).rollback(revision, secrets, note)
    )
    _say([f"back at revision {revision}, as revision {applied.revision}"])


def resolved(references: Iterable[str], *, missing_is_fine: bool = False) -> Secrets:
    """The values behind references, from this process's environment and files. Raises `StartupError`."""
    found: dict[str, Secret] = {}
    for reference in sorted(references):
        value = _value(reference)
        if value is not None:
            found[reference] = Secret(value)
        elif not missing_is_fine:
            raise StartupError(
                f"{reference} is not there or empty; set it, or write `stored` to keep what there is"
            )
    return found


def _value(reference: str) -> str | None:
    kind, _, name = reference.partition(":")
    try:
        text = os.environ.get(name, "") if kind == "env" else Path(name).read_text(encoding="utf-8")  # noqa: TID251 - the document names the variable
    except (OSError, UnicodeDecodeError):
        return None
    return text.strip() or None


def _read(file: Path) -> tuple[Any, Secrets]:
    """The document, and the secrets that it refers to."""
    with explained():
        data = document_in(file)
        return data, resolved(parse(data).references())


def document_in(file: Path) -> Any:
    """YAML as values. Raises `StartupError`."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        if len(text) > _MAX_FILE_BYTES:
            raise StartupError(f"{file}: larger than {_MAX_FILE_BYTES} bytes")
        return yaml.load(text, Loader=PlainLoader)  # noqa: S506 - a subclass of SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not text"
        raise StartupError(f"{file}: {problem}; name a readable file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise StartupError(f"{file}: not valid YAML{where}; fix the file") from None


class PlainLoader(yaml.SafeLoader):
    """YAML whose values JSON can hold: dates stay texts, a name given twice is a mistake."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1 and name != "<<":
                raise yaml.MarkedYAMLError(problem=f"{name!r} is there twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep=deep)


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _ask(planned: Planned, *, yes: bool) -> None:
    if yes:
        return
    with explained():
        if not sys.stdin.isatty():
            raise StartupError("nothing was changed; apply with --yes, or look with `headgate config plan`")
    if not typer.confirm("Apply?"):
        raise typer.Exit(1)


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
