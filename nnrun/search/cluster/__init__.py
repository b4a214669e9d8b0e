"""Trials on other machines, by dask.distributed: `executor.py` hands them out, `worker.py` is what runs there.

What travels are folders (`parcels.py`) and JSON: prepared data, which `departures.py` holds until the end, and trials'
directories, which `arrivals.py` puts in their place if they are no larger than `allowance.py` has it. Who trains must
train to the same bits (`sameness.py`). Only `connecting.py`, `answers.py`, `asking.py`, `wishes.py`, `crew.py` and
`executor.py` know dask, and on a worker `seat.py`, to which jobs come, and what `worker.py` asks of the process that it
lives in.
"""
