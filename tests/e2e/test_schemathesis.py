"""The management API against its own OpenAPI document, by schemathesis with all of its checks: a real server,
the same seed every time. The suite runs it short; by hand it goes deeper:

    TRY_EXAMPLES=20 .venv/bin/python -m pytest -o faulthandler_timeout=3600 tests/e2e/test_schemathesis.py
"""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.control.app import management_schema
from tests.support.gateway import Gateway, running_gateway

FOLDER = Path(__file__).parent
SECRET = "ab" * 32
LIMITS = ("LOGIN", "REFRESH", "PASSWORD_CHANGE", "REGISTER", "CODE_CHECK")
LEFT_OUT = (
    r"admin-api-key|revoke-all|/accounts/.account_id./test$|/v1/events$|/proxies/.*(test|quality-check)$"
)
"""What ends the trial's credentials, streams without an end, and calls to machines that are not there."""
SLICES = [
    r"^/v1/admin/[a-f]",
    r"^/v1/admin/[g-q]",
    r"^/v1/admin/[r-s]",
    r"^/v1/admin/[t-z]",
    r"^/v1/(?!admin/)",
]
"""Of the paths: each is a matter of seconds."""
EXAMPLES = os.environ.get("TRY_EXAMPLES", "2")


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    limits = {f"HEADGATE_AUTH__{name}_LIMIT_PER_MINUTE": "1000000" for name in LIMITS}
    folder = tmp_path_factory.mktemp("tried")
    with running_gateway(folder, HEADGATE_SECRET_KEY=SECRET, **limits) as running:
        running.provision("anthropic", "http://127.0.0.1:9")
        yield running


def tries(gateway: Gateway, *options: str) -> subprocess.CompletedProcess[str]:
    with urllib.request.urlopen(f"{gateway.url}/api/openapi.json", timeout=90) as made:
        made.read()  # it is made once; schemathesis itself waits ten seconds for it
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file", str(FOLDER / "schemathesis.toml"), "run", f"{gateway.url}/api/openapi.json",
        "--checks", "all", "--seed", "1", "--continue-on-failure",
        "--warnings", "off", "--exclude-path-regex", LEFT_OUT, *options,
    ]  # fmt: skip
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": str(FOLDER / "schemathesis_hooks.py"),
        "TRIED_SECRET_KEY": SECRET,
        "TRIED_DATABASE": str(gateway.data_dir / "headgate.db"),
    }
    folder = gateway.data_dir.parent  # where it leaves its notes
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=3600, check=False
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("paths", SLICES)
def test_every_operation_keeps_what_its_document_says(tried, paths):
    done = tries(tried, "--phases", "fuzzing", "--max-examples", EXAMPLES, "--include-path-regex", paths)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_slices_leave_nothing_out():
    for path in management_schema()["paths"]:
        assert sum(bool(re.search(paths, path)) for paths in SLICES) == 1, path


@pytest.mark.exhaustive
def test_the_edges_of_every_field(tried):
    """Every bound, type and method in turn; of all areas by hand."""
    paths = ".*" if int(EXAMPLES) > 2 else r"^/v1/(keys|admin/announcements|auth/login)"
    done = tries(tried, "--phases", "coverage", "--include-path-regex", paths)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
