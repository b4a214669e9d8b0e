"""The verbs of the command line as functions, and what they return.

`configs`, `runs`, `searches`, `improvements`, `steering` of what goes on, `verdicts`, and `pictures` of all that; what
they are handed is `checked` by `arguments`.
`nnrun` itself has their names. What they return reads a directory when it is asked, prints well, and shows itself in a
notebook.
"""

from nnrun.api.configs import init, load_config
from nnrun.api.improvements import Improvement, improve, load_improvement
from nnrun.api.pictures import Figure
from nnrun.api.runs import Run, load_run, rewind, train
from nnrun.api.searches import Search, ensemble, load_search, retest, search
from nnrun.api.steering import nudge, pause, resume, stop
from nnrun.api.verdicts import Checks, Comparison, Diagnosis, check, compare, diagnose, list_runs

__all__ = [
    "Checks",
    "Comparison",
    "Diagnosis",
    "Figure",
    "Improvement",
    "Run",
    "Search",
    "check",
    "compare",
    "diagnose",
    "ensemble",
    "improve",
    "init",
    "list_runs",
    "load_config",
    "load_improvement",
    "load_run",
    "load_search",
    "nudge",
    "pause",
    "resume",
    "retest",
    "rewind",
    "search",
    "stop",
    "train",
]
