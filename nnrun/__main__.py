"""The process: settings that must stand before NumPy loads, then the command line."""

import gc
import signal
import sys
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Entry point of `nnrun` and `python -m nnrun`."""
    signal.signal(signal.SIGTERM, _leave)  # until a command takes it over; the first of all, as loading takes a while
    from nnrun.errors import UsageError

    gc.set_threshold(50_000)  # modules are no garbage: loading them takes a tenth less
    try:
        from nnrun.machine import blas_threads, systems

        systems.refuse_others()
        blas_threads.prepare()
        from nnrun.cli.app import app
        from nnrun.cli.terminal import streams

        streams.prepare()
        app()
    except KeyboardInterrupt:  # before a command has begun
        sys.exit(130)
    except UsageError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        gc.freeze()  # Python need not look through all that is loaded before it ends: a tenth of a second


if __name__ == "__main__":
    main()
