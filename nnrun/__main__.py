"""The process: settings that must stand before NumPy loads, then the command line."""

import gc
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

SEARCHES, HELP = {"search", "improve"}, {"-h", "--help"}  # commands that have workers; not where they tell of it

INTERRUPTED = {129, 130, 143}  # codes of what a signal ended


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _leave_by_signals() -> None:
    """Until a command takes them over."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # not every system that will be refused has both
        if number and signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, _leave)


def _hear_no_more() -> None:
    """Of signals: a second one would leave the call without a word."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def _tell(error: OSError) -> None:
    """In words, on stderr alone: it is stdout that takes nothing where typer prints by itself, such as help."""
    from nnrun.cli.terminal import streams
    from nnrun.errors import system_words

    streams.give_up(sys.stdout)
    streams.say(f"nnrun: {system_words(error)}")


def _in_json(code: int, problems: Sequence[str]) -> bool:
    """What ended a call that asks for a document, if it has printed none yet; False of any other."""
    if "--json" not in sys.argv[1:]:
        return False
    from nnrun.cli.terminal import streams

    streams.prepare()
    return streams.fail_in_json(code, problems)


def main() -> None:
    """Entry point of `nnrun` and `python -m nnrun`."""
    _leave_by_signals()  # first of all, as loading takes a while
    from nnrun.errors import NnrunError, UsageError

    gc.set_threshold(50_000)  # modules are no garbage: loading them takes a tenth less
    try:
        from nnrun.machine import systems, threads

        systems.refuse_others()
        threads.one_for_blas()
        threads.count()  # UsageError now, where there is nothing to lose
        if SEARCHES.intersection(sys.argv[1:2]) and not HELP.intersection(sys.argv):
            from nnrun.search.forking import begin_to_load

            with suppress(NnrunError, OSError):  # of which the command will tell
                begin_to_load()  # while this process loads the rest of its own
        from nnrun.cli import completing
        from nnrun.cli.app import parser_of
        from nnrun.cli.terminal import streams

        streams.prepare()
        completing.rejoin()
        parser_of(sys.argv[1:])()
    except (KeyboardInterrupt, SystemExit) as end:  # of which the first comes before a command has begun
        code = 130 if isinstance(end, KeyboardInterrupt) else end.code
        if code in INTERRUPTED:
            _hear_no_more()
            _in_json(int(code), ["interrupted before there was a result"])
        sys.exit(code)
    except UsageError as error:
        if not _in_json(error.exit_code, [str(error)]):
            print(f"nnrun: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        _tell(error)
        sys.exit(1)
    finally:
        gc.freeze()  # Python need not look through all that is loaded before it ends: a tenth of a second


if __name__ == "__main__":
    main()
