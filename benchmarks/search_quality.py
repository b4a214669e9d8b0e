"""How good is the best of N trials? Every strategy on known functions, and searches on real data, beside Optuna.

What is measured stands at the top of search_on_functions.py and search_on_data.py.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from typing import Any

from environment import restart_cleaned


def on_functions(asked: argparse.Namespace) -> tuple[str, Any]:
    """Text and JSON."""
    import search_on_functions as part
    from search_functions import ROWS

    rows = [row for row in ROWS if not asked.function or row.name in asked.function]
    results = part.measure(rows, asked.seeds, asked.processes)
    return part.report(results), [result.as_json() for result in results]


def on_data(asked: argparse.Namespace) -> tuple[str, Any]:
    """Text and JSON."""
    import search_on_data as part

    searches = [name for name in part.SEARCHES if not asked.search or asked.search in name]
    found = part.measure(part.DATA_SETS, searches, asked.seeds, asked.processes)
    tables = [part.table(data, scores) for data, scores in found.items()]
    return "\n\n".join(tables), {data: [asdict(score) for score in scores] for data, scores in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--functions", action="store_true", help="only the part on functions")
    parser.add_argument("--function", action="append", metavar="NAME", help="only this function; repeatable")
    parser.add_argument("--data", action="store_true", help="only the part on data sets")
    parser.add_argument("--search", metavar="WORD", help="of the part on data, only searches with this in their name")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
    asked = parser.parse_args()
    restart_cleaned()
    parts = {"functions": on_functions, "data": on_data}
    chosen = [name for name in parts if getattr(asked, name)] or list(parts)
    started = time.perf_counter()
    found = {name: parts[name](asked) for name in chosen}
    if asked.json:
        print(json.dumps({name: values for name, (_, values) in found.items()}))
        return
    print("\n\n".join(text for text, _ in found.values()))
    print(f"\n{asked.seeds} seeds, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
