"""Python loads this before anything else where its folder is on PYTHONPATH: in the command, and in its workers.

Tables of the engine come first, as the sections of a config are made from them.
"""

import engine_entries  # noqa: F401
import later_entries  # noqa: F401
