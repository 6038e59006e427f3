"""The Lua scripts of `lua/`: each is a shared part (helpers of its store) followed by its own body.

Scripts name their keys themselves from the arguments (prefix `headgate:`): one Redis, or one primary with
replicas; not a
cluster, which would forbid atomic work over the bounds of a user, a key and a plan.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """Lua source and its SHA-1, by which Redis knows a loaded script (EVALSHA)."""

    source: str
    sha: str


def read_script(name: str, *, shared: str = "") -> Script:
    """`lua/<shared>.lua` and `lua/<name>.lua` as one script."""
    folder = resources.files("headgate.state.redis") / "lua"
    parts = [(folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("time", shared, name) if part]
    source = "\n".join(parts)
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
