"""`headgate --help` is quick because it imports nothing of the gateway, and every listed command is there."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from headgate.cli.main import Commands, cli


def test_help_imports_nothing_of_the_gateway():
    code = (
        "import sys; from typer.testing import CliRunner; from headgate.cli.main import cli;"
        "print(CliRunner().invoke(cli, ['--help']).output);"
        "heavy = {'sqlalchemy', 'fastapi', 'alembic', 'headgate.app'} & set(sys.modules);"
        "sys.exit(str(heavy or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stderr.strip() == ""
    assert all(name in done.stdout for name in Commands.places)


@pytest.mark.parametrize("name", Commands.places)
def test_every_listed_command_can_be_called(name: str):
    done = CliRunner().invoke(cli, [name, "--help"])
    assert done.exit_code == 0
    assert f"headgate {name}" in done.output
