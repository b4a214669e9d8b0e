"""No thread waits for one that works out what another object has, and neither does a process that is forked."""

from __future__ import annotations

import threading

from nnrun.machine.lazily import cached_property
from tests.forked import exit_code


class Slow:
    """Says when it is asked, and waits to be let go on."""

    def __init__(self) -> None:
        self.asked, self.goes_on = threading.Event(), threading.Event()

    @cached_property
    def answer(self) -> object:
        """Another object each time."""
        self.asked.set()
        self.goes_on.wait(60)
        return object()


def test_objects_do_not_wait_for_each_other() -> None:
    one, other = Slow(), Slow()
    other.goes_on.set()
    thread = threading.Thread(target=lambda: one.answer)
    thread.start()
    try:
        assert one.asked.wait(60)
        assert exit_code(lambda: other.answer) == 0  # first, as this thread might wait itself
        assert other.answer is other.answer
        assert thread.is_alive()
    finally:
        one.goes_on.set()
        thread.join()


def test_threads_that_ask_one_object_are_given_the_same() -> None:
    slow, found = Slow(), list[object]()
    asking = [threading.Thread(target=lambda: found.append(slow.answer)) for _ in range(3)]
    for thread in asking:
        thread.start()
    slow.goes_on.set()
    for thread in asking:
        thread.join()
    assert set(found) == {slow.answer} and len(found) == 3


def test_a_class_tells_what_the_attribute_is() -> None:
    assert Slow.__dict__["answer"].__doc__ == "Another object each time."
    assert isinstance(Slow.answer, cached_property)
