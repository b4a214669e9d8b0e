"""What a slip of the hand makes of a text."""

from __future__ import annotations

import random
from collections.abc import Sequence


def slipped(rng: random.Random, text: str, pieces: Sequence[str], slips: tuple[int, int], longest: int) -> str:
    """After so many `slips`, each a piece of at most `longest` letters cut out, doubled, or become one of `pieces`."""
    for _ in range(rng.randint(*slips)):
        at, to = sorted(rng.randint(0, len(text)) for _ in range(2))
        to = min(to, at + longest)
        text = text[:at] + rng.choice(["", rng.choice(pieces), text[at:to] * 2]) + text[to:]
    return text
