"""What workers need of the prepared data, held as it was when the search first needed it."""

from __future__ import annotations

import json
import os
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from nnrun.config.config import Config
from nnrun.data.cache import UNFINISHED, cache_key
from nnrun.data.dataset import load_dataset
from nnrun.data.fitted import Fitted
from nnrun.errors import DataError
from nnrun.locks import drop_abandoned, filling
from nnrun.runs.conclusion import in_folds
from nnrun.search.cluster.parcels import Freight
from nnrun.search.executors import SentJob


class Departures:
    """Prepared data by what is asked for, hashed once; jobs of a search share them.

    A worker that joins days later is to have the same, and by then the cache may be cleaned, or the source another one.
    So the files are linked into a folder beside the entries, which is held as long as the cluster.
    """

    def __init__(self) -> None:
        self._held, self._lock = ExitStack(), threading.Lock()
        self._folders: dict[Path, Path] = {}  # by cache
        self._prepared: dict[Path, tuple[Freight, Fitted]] = {}  # by entry
        self._fitted: dict[str, Fitted] = {}  # by data section
        self._entries: dict[str, dict[str, Freight]] = {}  # by data section, by what is asked for

    def entries_of(self, job: SentJob) -> dict[str, Freight]:
        """The prepared data of a job by data section: one, and those of its folds."""
        values = job["trials"][0]["config"]
        asked = json.dumps([job["cache"], values["training"]["dtype"], values["data"]])
        with self._lock:
            if asked not in self._entries:
                config = Config.from_values(values)
                configs = [config, *(in_folds(config) if config.data.in_folds else [])]
                found = {each.data.model_dump_json(): self._prepare(each, Path(job["cache"])) for each in configs}
                self._fitted |= {section: fitted for section, (_, fitted) in found.items()}
                self._entries[asked] = {section: freight for section, (freight, _) in found.items()}
            return self._entries[asked]

    def fitted(self, config: Config) -> Fitted:
        """What is known of prepared data that a job of this config was given."""
        return self._fitted[config.data.model_dump_json()]

    def close(self) -> None:
        """Let them go."""
        self._held.close()

    def _prepare(self, config: Config, cache: Path) -> tuple[Freight, Fitted]:
        entry = cache / cache_key(config.data, config.training.dtype)
        if entry not in self._prepared:
            fitted = load_dataset(config.data, config.training.dtype, cache).fitted
            found = Freight.of(self._linked(entry))
            if not found.files:
                raise DataError(
                    f"{cache}: the prepared data could not be cached, and a cluster is sent them from there"
                )
            self._prepared[entry] = found, fitted
        return self._prepared[entry]

    def _linked(self, entry: Path) -> Path:
        """A folder of the same files, which nobody else removes; the entry itself where there can be none."""
        with suppress(OSError):  # of a disk that knows no links, or a cache that may only be read
            if entry.parent not in self._folders:
                drop_abandoned(entry.parent, UNFINISHED)
                self._folders[entry.parent] = self._held.enter_context(filling(entry.parent, UNFINISHED))
            folder = self._folders[entry.parent] / entry.name
            folder.mkdir()
            for path in entry.iterdir():
                os.link(path, folder / path.name)
            return folder
        return entry
