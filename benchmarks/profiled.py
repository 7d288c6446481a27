"""`profiled.py FILE -m MODULE`: run a module under cProfile and write the profile when it ends.

Unlike `python -m cProfile` it counts CPU time, not the time that the process waited for its turn.
"""

from __future__ import annotations

import cProfile
import runpy
import sys
import time


def main() -> None:
    """Run the module as python -m would."""
    file, _, module = sys.argv[1:4]
    sys.argv = [module]
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        profile.disable()
        profile.dump_stats(file)


if __name__ == "__main__":
    main()
