"""The command `causalogit`, also as `python -m causalogit`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        # takes seconds, in which one may think better of it
        from causalogit.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("\ncausalogit: stopped before it began\n")
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
