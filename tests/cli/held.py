"""nnrun, which goes no further once so many epochs or trials have been told of, until a signal comes.

`python held.py 4 train config.yaml`: with 0 it stops as soon as training has begun. So a signal that a test sends
arrives there, however fast the command is and however late the test.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from nnrun.__main__ import main
from nnrun.machine import threads


def hold(after: int) -> None:
    """From then on the question whether to stop has to wait for its answer."""
    threads.one_for_blas()  # before NumPy is loaded
    from nnrun.cli.terminal import search_screen, signals, training_screen

    heard = -1
    asked = signals.StopRequest.__call__

    def patient(request: signals.StopRequest) -> bool:
        while heard >= after and request.signal is None:
            time.sleep(0.01)
        return asked(request)

    def counting(tell: Callable[..., None]) -> Callable[..., None]:
        def telling(self: Any, *arguments: Any) -> None:
            nonlocal heard
            tell(self, *arguments)
            heard = self.heard

        return telling

    signals.StopRequest.__call__ = patient  # type: ignore[method-assign]
    for screen, names in (
        (training_screen.PlainConsole, ("started", "epoch")),
        (search_screen.SearchConsole, ("started", "trial")),
    ):
        for name in names:
            setattr(screen, name, counting(getattr(screen, name)))


if __name__ == "__main__":  # workers of a search import this file too
    hold(int(sys.argv.pop(1)))
    main()
