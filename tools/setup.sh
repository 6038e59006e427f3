#!/bin/sh
# Make one environment equal to its lock file. Usage: tools/setup.sh [dev|old-sdks]
#
# Needs python3.11+ only. Does nothing (in milliseconds) when the stamp inside the environment matches the lock.
# Adds and changes packages, never removes any: an environment in use stays usable while this runs.
set -eu
cd "$(dirname "$0")/.."

name=${1:-dev}
case $name in
    dev) venv=.venv inputs="requirements/dev.lock requirements/bootstrap.lock pyproject.toml" ;;
    old-sdks) venv=.venv-old-sdks inputs="requirements/old-sdks.lock" ;;
    *) echo "usage: tools/setup.sh [dev|old-sdks]" >&2; exit 2 ;;
esac

# The folder is part of the stamp: an environment that was moved holds scripts with the old path.
stamp="$venv/headgate-stamp"
# shellcheck disable=SC2086  # a list of files, none with spaces
wanted=$( (cat $inputs; pwd) | cksum)
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

find_python() {
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "setup: Python 3.11 or newer is needed; install it, or name it: make setup PYTHON=/path/to/python3" >&2
    exit 1
}

if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    echo "setup: creating $venv with $python"
    "$python" -m venv "$venv" || {
        echo "setup: '$python -m venv' failed; on Debian and Ubuntu install the package python3-venv" >&2
        exit 1
    }
fi

if [ ! -x .venv/bin/uv ]; then
    echo "setup: installing uv"
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements/bootstrap.lock
fi

# uv does not read pip's settings; where an index is configured for pip, use the same one.
if [ -n "${PIP_INDEX_URL:-}" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    UV_DEFAULT_INDEX=$PIP_INDEX_URL
    export UV_DEFAULT_INDEX
fi

lock="requirements/$name.lock"
echo "setup: installing $lock into $venv"
if ! .venv/bin/uv pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock"; then
    echo "setup: uv could not; trying pip, which reads its own configuration"
    "$venv/bin/python" -m pip install --quiet --require-hashes -r "$lock"
fi
if [ "$name" = dev ]; then
    # Build without isolation: the backend is the locked one, nothing is fetched.
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --offline -e .
    # The start must not wait for compiling 100 packages; some ship templates that are no valid Python, hence `|| true`.
    .venv/bin/python -m compileall -q -j 0 .venv/lib/python3*/site-packages >/dev/null 2>&1 || true
fi
echo "$wanted" >"$stamp"
