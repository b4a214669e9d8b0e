"""The pieces of a training step in loops, with few passes over memory; what they work out is the NumPy engine's.

Numbers lie in flat vectors and a `Plan` says where. Matrices have examples in rows. A piece covers the columns `lo` to
`hi` of a layer, or some rows of the batch. No sum crosses pieces but the norm, in their order, so that the bits are the
same whoever works on them and in whatever order within a phase.

Machine code is kept under a hash of this wing's files: nothing that is compiled comes from the rest of nnrun.
"""

from __future__ import annotations

from typing import Any

from nnrun.compiled import codes
from nnrun.compiled.backward import backward, weights
from nnrun.compiled.codes import SUMS, Entrance, Plan, Rows, Vectors
from nnrun.compiled.entrance import by_row, enter, from_the_front, gather, leave, look_up, scaled_weights
from nnrun.compiled.forward import forward, output
from nnrun.compiled.functions import array, inlined, listed, part
from nnrun.compiled.measuring import measure, record
from nnrun.compiled.subnormals import flush, set_mode
from nnrun.compiled.together import done, take, wait
from nnrun.compiled.updating import clipped_update, sum_of_squares


@inlined
def take_turns(turns: Any, lane: Any, number: Any, double: Any, drawn: Any) -> None:
    """The function that is kept: work off a list of turns, with all threads that were given it, in this one's lane.

    `number`, `double` and `drawn` say by their kind what numbers are: those of the precision, in double precision, and
    what dropout draws. They point nowhere.
    """
    top, room = array(turns, codes.TOP), array(lane, 2 * codes.LENT)
    listing, counts = listed(top, codes.LISTING, turns), listed(top, codes.MARKS, turns)
    mode, k = flush(), take(counts)
    while k < listing.size // codes.TURN:
        turn = part(listing, codes.TURN * k, codes.TURN)
        wait(counts, turn[codes.AFTER], turn[codes.MANY], top[codes.GIVE_WAY])
        places = listed(turn, codes.PLACES, turns)
        if turn[codes.BORROWS] > 0:
            borrow(places, room, turn[codes.BORROWS], turns)
        run_listed(places, turn[codes.FIRST_STEP], turn[codes.STEPS], turns, number, double, drawn)
        done(counts, turn[codes.MARK])
        k = take(counts)
    set_mode(mode)


@inlined
def borrow(places: Any, room: Any, rows: int, whole: Any) -> None:
    """Work in a lane, from the beginning."""
    for k in range(2 * rows):
        places[2 * codes.MEMORY + k] = room[k]
    counts = listed(places, codes.COUNTED, whole)
    counts[codes.TAKEN] = counts[codes.DONE] = 0


@inlined
def run_listed(places: Any, step: int, steps: int, whole: Any, number: Any, double: Any, drawn: Any) -> None:
    """`run` so many steps, from one on, on what a table lists."""
    v = Vectors(
        listed(places, codes.THETA, number),
        listed(places, codes.STATE, number),
        listed(places, codes.GRADIENT, number),
        listed(places, codes.FIRST_SLOT, number),
        listed(places, codes.SECOND_SLOT, number),
        listed(places, codes.AVERAGE, number),
        listed(places, codes.SUMMED, double),
        listed(places, codes.MEMORY, number),
    )
    rows = Rows(
        listed(places, codes.X, number),
        listed(places, codes.Y, number),
        listed(places, codes.ROW_WEIGHTS, number),
        listed(places, codes.CHANCE, drawn),
        listed(places, codes.LEAST, drawn),
        listed(places, codes.SCALE, number),
        listed(places, codes.LOGITS, number),
        listed(places, codes.EACH_LOSS, double),
        listed(places, codes.ORDER, whole),
        listed(places, codes.ALL_X, number),
        listed(places, codes.ALL_Y, number),
        listed(places, codes.ALL_WEIGHTS, number),
    )
    plan, width = unpacked(listed(places, codes.PLAN, whole)), codes.CONSTANTS
    constants = part(listed(places, codes.CONSTANTS_OF_STEPS, number), width * step, width * steps)
    spans, pieces = part(listed(places, codes.SPANS, whole), 2 * step, 2 * steps), listed(places, codes.PIECES, whole)
    run(plan, v, rows, constants, spans, pieces, listed(places, codes.COUNTED, whole))


@inlined
def unpacked(p: Any) -> Any:
    """The plan; see `codes.packed`."""
    n, at, plain, embeddings = p[0] + 1, codes.NUMBERS, p[18], p[19]
    behind = at + codes.ARRAYS * n
    entrance = Entrance(
        p[11], p[12], p[13], p[14], p[15], p[16], p[17],
        part(p, behind, plain), part(p, behind + plain, embeddings),
    )  # fmt: skip
    return Plan(
        part(p, at, n), part(p, at + n, n), part(p, at + 2 * n, n), part(p, at + 3 * n, n), part(p, at + 4 * n, n),
        part(p, at + 5 * n, n), part(p, at + 6 * n, n), part(p, at + 7 * n, n), part(p, at + 8 * n, n),
        part(p, at + 9 * n, n), part(p, at + 10 * n, n), part(p, at + 11 * n, n), part(p, at + 12 * n, n),
        part(p, at + 13 * n, n),
        p[1], p[2], p[3], p[4], p[5], p[6], p[7] != 0, p[8] != 0, p[9] != 0, p[10] != 0, entrance,
    )  # fmt: skip


@inlined
def run(plan: Any, v: Any, rows: Any, constants: Any, spans: Any, pieces: Any, counts: Any) -> None:
    """Work through some steps, alone or with other threads that were given the same.

    Each is flat: `spans (steps, 2)` says which of the rows are a batch, `constants (steps, CONSTANTS)` what the update
    and the loss need, `pieces (pieces, 5)` what is to be done: a code and three numbers of its own, and how many before
    it must be done.
    """
    a_step, step, k = len(pieces) // 5, 0, take(counts)
    while True:
        while k >= a_step:
            step, k = step + 1, k - a_step
        if step >= len(spans) // 2:
            break
        first, last = spans[2 * step], spans[2 * step + 1]
        piece = part(pieces, 5 * k, 5)
        batch = from_the_front(plan, rows, first) if rows.order.size > 0 else rows
        wait(counts, codes.DONE, step * a_step + piece[4], plan.give_way)
        do(plan, v, batch, part(constants, codes.CONSTANTS * step, codes.CONSTANTS), first, last - first, piece)
        done(counts, codes.DONE)
        k = take(counts) - step * a_step


@inlined
def do(plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, piece: Any) -> None:
    """One piece of a step on rows `first` to `first + m`. It must not raise: others would wait for it for ever.

    What members share takes their blocks for more rows.
    """
    kind, layer, lo, hi = piece[0], piece[1], piece[2], piece[3]
    first_of_all, all_rows = plan.members * first, plan.members * m
    if kind == codes.FORWARD:
        forward(plan, v, rows, constants, first_of_all, all_rows, layer, lo, hi)
    elif kind == codes.OUTPUT:
        output(plan, v, rows, constants, first, m, layer, lo * m // hi, (lo + 1) * m // hi)
        record(plan, v, rows, first, m, layer, lo * m // hi, (lo + 1) * m // hi)
    elif kind == codes.BACKWARD:
        backward(plan, v, rows, constants, first_of_all, all_rows, layer, lo, hi)
    elif kind == codes.WEIGHTS or kind == codes.HEAD:  # in one call, as what is called is written out at each place
        of, head, block = (len(plan.widths) - 2, layer, m) if kind == codes.HEAD else (layer, 0, all_rows)
        weights(plan, v, rows, constants, first_of_all, block, of, head, lo, hi)
    elif kind == codes.NORM:
        sum_of_squares(part(v.gradient, lo, hi - lo), part(v.sums, SUMS * layer, SUMS))
    elif kind == codes.UPDATE:
        clipped_update(plan, v, constants, lo, hi - lo, layer == 1)
    elif kind == codes.MEASURE:
        measure(plan, v, rows, first, m, layer, lo, hi == 1)
    elif kind == codes.GATHER:
        gather(plan, rows, first + lo * m // hi, first + (lo + 1) * m // hi)
    elif kind == codes.LOOK_UP:
        look_up(plan, v, rows, first, lo * m // hi, (lo + 1) * m // hi)
    elif kind == codes.ENTER:
        enter(plan, v, rows, first, m, lo, hi)
    elif kind == codes.LEAVE:
        leave(plan, v, rows, constants, first, m, lo, hi)
    elif kind == codes.BY_ROW:
        by_row(plan, v, rows, constants, first, m, layer)
    elif kind == codes.SCALED:
        scaled_weights(plan, v, rows, constants, first, m, lo, hi)
