"""`python -m headgate.simulator --port 0 --seed 1`: the simulator as a process of its own."""

import argparse
import sys

from headgate.simulator import server


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="headgate.simulator", description="A provider simulator in four dialects."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=server.DEFAULT_PORT, help="0 takes a free port")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--pace-ms", type=float, default=server.DEFAULT_PACE_S * 1000, help="between stream events"
    )
    parser.add_argument(
        "--keep-lines", type=int, default=server.DEFAULT_KEEP_LINES, help="lines the bill remembers"
    )
    given = parser.parse_args()
    try:
        server.run(
            given.port, given.seed, given.host, pace_s=given.pace_ms / 1000, keep_lines=given.keep_lines
        )
    except OSError as error:
        sys.stderr.write(
            f"cannot listen on {given.host}:{given.port}: {error.strerror}; choose another --port\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
