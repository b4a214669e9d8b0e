"""The compiled engine: the steps of an epoch as one function, compiled by Numba once a machine and precision.

The NumPy engine says what a step is; here the same is done in loops, with products by BLAS. What there is:

- `support.py`: what has a compiled piece; `codes.py`: the numbers that stand for names, and what a call is given.
- `steps.py`: the engine of a trainer, `CompiledSteps`; `judging.py`: how it measures a part of the data; `turns.py`:
  members that take turns, and the threads that share these; `rows.py`: what they are given of the examples;
  `planning.py`: where a member's numbers lie, as a `Plan`; `work.py`: a step cut into pieces, by its shape alone, which
  threads share where it is wide; `pace.py`: for how long they do, beside other programs.
- `kernels.py`: `take_turns`, the compiled function; `together.py`: how threads share what it does; `forward.py`,
  `backward.py`, `entrance.py`, `updating.py` and `measuring.py`: the pieces; `activations.py`, `functions.py`,
  `products.py`, `subnormals.py`: what these are made of. These alone load Numba, and only to be compiled: what is kept
  is an object file, which needs none to run.
- `blas.py`: whose routine multiplies.
- `drafts.py`: how Numba compiles them, to be optimised together.
- `machine_code.py`: compiled once, kept in the user's cache (`folder.py`), taken from there.
- `cells.py`, `cell_reader.py`: besides steps, plain numbers read from text, kept in a form that needs no Numba.

To add an activation: its code in `codes.py`, its value and slope in `activations.py`. A loss: its code, its gradient
in `forward.loss_gradient`, its value and mistakes in `measuring.sums`, how members are pooled in `measuring.pool`,
and in `sums` and `forward.output` how many numbers of y an example has. A transform of an optimizer, of two slots
and three constants at most and one in a chain: its code, its loop in `updating.move`. What follows theta, as an average
does: a column of the constants, a loop as `updating.follow` behind the move. What has no code yet is trained by the
NumPy engine, with a word. `tests/compiled/test_agreement.py` compares all that the tables hold. The sizes of pieces
stand in `work.py`.

`runs/engines.py` chooses the engine of a run.
"""
