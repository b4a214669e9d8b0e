"""The verbs of the command line as functions: `runs`, `searches`, `improvements`, `verdicts`, and `pictures` of them.

`nnrun` itself has their names. What they return reads a directory when it is asked, prints well, and shows itself in a
notebook.
"""

from nnrun.api.improvements import Improvement, improve, load_improvement
from nnrun.api.pictures import Figure
from nnrun.api.runs import Run, load_config, load_run, resume, rewind, train
from nnrun.api.searches import Search, ensemble, load_search, search
from nnrun.api.verdicts import Checks, Diagnosis, check, diagnose

__all__ = [
    "Checks",
    "Diagnosis",
    "Figure",
    "Improvement",
    "Run",
    "Search",
    "check",
    "diagnose",
    "ensemble",
    "improve",
    "load_config",
    "load_improvement",
    "load_run",
    "load_search",
    "resume",
    "rewind",
    "search",
    "train",
]
