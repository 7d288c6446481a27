"""`python -m steersman.shell`: the operator process."""

from __future__ import annotations

import asyncio
import logging
import sys

from steersman.ports import ApiError
from steersman.shell.app import run
from steersman.shell.config import ConfigError, from_environment
from steersman.shell.logs import configure


def main() -> int:
    """Read the settings and run; a user's mistake is one line."""
    try:
        config = from_environment()
    except ConfigError as error:
        print(f"steersman: {error}", file=sys.stderr)
        return 2
    configure(config.log_format, config.log_level)
    try:
        return asyncio.run(run(config))
    except ApiError as error:
        logging.getLogger("steersman").error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
