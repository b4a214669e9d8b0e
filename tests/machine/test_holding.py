"""What blocks hold is as before behind the last one, whoever interrupts them, and in a process that is forked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest
from threadpoolctl import ThreadpoolController

from nnrun.machine import threads
from nnrun.machine.holding import held
from tests.forked import exit_code


@dataclass(eq=False)
class Shelf:
    """A place that calls somebody before each step, and writes down what it comes to."""

    thread: int = 0
    value: str = "before"
    before: Callable[[], object] = field(default=lambda: None)

    def read(self) -> str:
        self.before()
        return self.value

    def write(self, value: str) -> None:
        self.before()
        self.value = value


@contextmanager
def another_thread(block: AbstractContextManager[object]) -> Iterator[None]:
    """One that is in the block meanwhile."""
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with block:
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=stay)
    thread.start()
    try:
        assert inside.wait(60)
        yield
    finally:
        leave.set()
        thread.join()


@pytest.mark.parametrize("step", range(1, 7))
def test_an_interrupt_leaves_nothing_held(step: int) -> None:
    """Two places are read, written, and written again at the end."""
    steps = 0

    def interrupt() -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            raise KeyboardInterrupt

    shelves = [Shelf(before=interrupt) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt), held(dict.fromkeys(shelves, "held")):
        assert [shelf.value for shelf in shelves] == ["held", "held"]
    assert [shelf.value for shelf in shelves] == ["before", "before"]
    with held(dict.fromkeys(shelves, "held")):
        pass
    assert [shelf.value for shelf in shelves] == ["before", "before"]


def test_a_block_that_is_interrupted_leaves_others_as_they_are() -> None:
    shelf = Shelf()
    with another_thread(held({shelf: "held"})):
        with pytest.raises(KeyboardInterrupt), held({shelf: "held"}):
            raise KeyboardInterrupt
        assert shelf.value == "held"
    assert shelf.value == "before"


def test_a_forked_process_takes_along_the_blocks_of_its_thread_alone() -> None:
    free, own, of_another = Shelf(), Shelf(), Shelf(thread=-1)
    with ExitStack() as blocks:

        def in_the_child() -> None:
            assert (free.value, own.value) == ("before", "held")
            blocks.close()
            assert own.value == "before"
            of_another.value = "new"  # as that thread is not there, what it saw is nobody's
            with held(dict.fromkeys([free, own, of_another], "again")):
                assert (free.value, own.value, of_another.value) == ("again", "again", "again")
            assert (free.value, own.value, of_another.value) == ("before", "before", "new")

        with another_thread(held(dict.fromkeys([free, own, of_another], "held"))):
            blocks.enter_context(held({own: "held"}))
            assert exit_code(in_the_child) == 0
            assert (free.value, own.value) == ("held", "held")
    assert (free.value, own.value, of_another.value) == ("before", "before", "before")


def test_a_forked_process_waits_for_no_thread_that_begins_or_ends_a_block() -> None:
    """Neither has it what that thread has done by halves."""
    begins, goes_on = threading.Event(), threading.Event()

    def wait() -> None:
        begins.set()
        goes_on.wait(60)

    def hold() -> None:
        with held({shelf: "held"}):
            pass

    def in_the_child() -> None:
        goes_on.set()
        hold()
        assert shelf.value == "before"

    shelf = Shelf(before=wait)
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert begins.wait(60)
        assert exit_code(in_the_child) == 0
    finally:
        goes_on.set()
        thread.join()
    assert shelf.value == "before"


def test_a_forked_process_has_the_threads_of_blas_that_this_one_had() -> None:
    def of_blas() -> set[int]:
        return {each["num_threads"] for each in ThreadpoolController().info() if each["user_api"] == "blas"}

    def in_the_child() -> None:
        assert of_blas() == {2}
        with threads.one_for_blas_here():
            assert of_blas() == {1}
        assert of_blas() == {2}

    with ThreadpoolController().limit(limits=2, user_api="blas"):
        with another_thread(threads.one_for_blas_here()):
            assert of_blas() == {1}
            assert exit_code(in_the_child) == 0
        assert of_blas() == {2}
