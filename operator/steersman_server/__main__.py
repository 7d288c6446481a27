"""``python -m steersman_server``: serve the model in MODEL_DIR (see `steersman_server.settings`).

Exit codes: 0 stopped by a signal, 1 cannot listen, 2 bad setting, 3 the model failed to load, 4 it failed on its own
input example.
"""

import gc
import logging
import os
import sys


def main() -> int:
    """Serve until told to stop; return the exit code."""
    gc.disable()  # until the model is loaded: collections cost a tenth of the time that imports take
    from steersman_server import logs, termination
    from steersman_server.defaults import set_defaults
    from steersman_server.settings import ServerSettings, SettingsError

    try:
        settings = ServerSettings.from_environment()
    except SettingsError as error:
        termination.report(str(error))
        return 2
    set_defaults()
    logs.configure(settings.log_level)
    from steersman_server.server import run

    try:
        return run(settings)
    except SystemExit:  # uvicorn's way of saying that it cannot listen; it has logged why
        termination.report(f"cannot listen on {settings.host}:{settings.port}")
        return 1


if __name__ == "__main__":
    exit_code = main()
    logging.shutdown()
    sys.stdout.flush()
    # Not sys.exit: interpreter shutdown waits for predictions that never end, and can crash under native threads.
    os._exit(exit_code)
