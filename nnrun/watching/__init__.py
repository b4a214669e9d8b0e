"""Everything live: what a folder of runs holds, kept up to date, and a server that tells a page of it.

Commands call `verbs`. `folder` looks at the folder and remembers; `curves` reads files that only grow from where it
stopped; `details` tells of one run; `server` answers a browser, and nobody else.
"""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
