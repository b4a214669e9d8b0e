"""How an adaptive cluster learns that a search has work for more workers than there are.

A search hands out no more jobs than there are workers, so that dask never sees any that wait and would let no cluster
grow. Tasks that stand for them do: none of them is ever begun, as they ask for what no worker has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

MOST = 256
NOBODY_HAS = "a worker that is still to come"


class Wishes:
    """Such tasks, as many as are wanted."""

    def __init__(self, client: Client) -> None:
        self._client, self._tasks = client, list[Any]()

    def become(self, count: int) -> None:
        """Have this many from now on; raises whatever dask does where the scheduler is gone."""
        count = min(count, MOST)
        del self._tasks[count:]  # which lets dask forget them
        more = range(count - len(self._tasks))
        told = {"resources": {NOBODY_HAS: 1}, "pure": False}
        self._tasks += [self._client.submit(trial_that_waits_for_a_worker, **told) for _ in more]


def trial_that_waits_for_a_worker() -> None:
    """Never called; dask shows the name."""
