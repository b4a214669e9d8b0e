"""The process: settings that must stand before NumPy loads, then the command line."""

import sys


def main() -> None:
    """Entry point of `nnrun` and `python -m nnrun`."""
    try:
        from nnrun.cli import streams, threads

        threads.prepare()
        from nnrun.cli.app import app

        streams.prepare()
        app()
    except KeyboardInterrupt:  # before a command has begun
        sys.exit(130)


if __name__ == "__main__":
    main()
