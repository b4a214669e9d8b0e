"""To a cluster: a scheduler that runs, or one of this command's own; UsageError where there is none."""

from __future__ import annotations

import json
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from nnrun.errors import UsageError
from nnrun.installation import require_extra
from nnrun.machine.interpreters import blind_to_the_folder
from nnrun.machine.posix import deaf_to_ctrl_c

if TYPE_CHECKING:
    from distributed import Client

EXTRA, LOCAL = "cluster", "local:"
PATIENCE = 5  # seconds until a scheduler must have answered
MOST_LOCAL = 1024
SECONDS_TO_CLOSE = 10  # that a local cluster has; a nanny alone takes five where the machine is busy
NOISY = ("distributed.client", "distributed.core", "distributed.comm", "distributed.nanny", "distributed.scheduler")
OF_CERTIFICATES = "cryptography"  # makes those of a local cluster
EXPOSED = (
    "other users of this machine can reach the workers of --cluster local:N and run programs as you; with the library "
    f"{OF_CERTIFICATES} installed (pip install {OF_CERTIFICATES}) they cannot"
)
HOW = "tcp://HOST:PORT of a scheduler, the path of its scheduler file, or local:N for N processes here"


@contextmanager
def connected(address: str, patience: float | None = None) -> Iterator[Client]:
    """A client of the scheduler there, which must answer within so many seconds, or PATIENCE."""
    refuse_malformed(address)
    require_extra("--cluster needs", EXTRA, "distributed")
    for name in ("distributed", *NOISY):  # what matters is told by the search
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="distributed|dask")
    with _local(address) as here:
        client = _client(address, here or _scheduler(address), PATIENCE if patience is None else patience)
        try:
            yield client
        finally:
            with suppress(Exception):  # the scheduler may be gone
                client.close(timeout=2)


def _client(address: str, where: Any, patience: float) -> Client:
    """Made in a thread: dask's own limit of time does not hold for what takes the call and then says nothing."""
    from distributed import Client

    made: SimpleQueue[Client | BaseException] = SimpleQueue()

    def make() -> None:
        try:
            made.put(Client(where, timeout=patience, set_as_default=False))
        except BaseException as error:
            made.put(error)

    threading.Thread(target=make, daemon=True).start()
    try:
        found = made.get(timeout=patience + 1)
    except Empty:
        found = TimeoutError()
    if isinstance(found, (OSError, TimeoutError)):
        why = f"nobody answers there within {patience:g} seconds; is the scheduler running?"
    elif isinstance(found, MemoryError):  # what comes is not what dask says, and read as if it were, it is of any size
        why = "what answers there is no dask scheduler"
    elif isinstance(found, TypeError) and "ssl_context" in str(found):
        why = "dask knows no certificates for tls; its configuration names them (distributed.comm.tls)"
    elif isinstance(found, BaseException):  # of an address that is none, or needs a library
        why = str(found)
    else:
        return found
    raise UsageError(f"--cluster {address}: {why}")


def refuse_malformed(address: str) -> None:
    """UsageError where an address is none, before anything is loaded."""
    count = address.removeprefix(LOCAL)
    if address.startswith(LOCAL):
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= MOST_LOCAL):
            raise UsageError(f"--cluster {address}: after {LOCAL} stands a whole number from 1 to {MOST_LOCAL}")
    elif "://" not in address and not Path(address).is_file():
        raise UsageError(f"--cluster {address}: no such file; it takes {HOW}")


def _scheduler(address: str) -> str:
    """The address, which a scheduler file may hold."""
    if "://" in address:
        return address
    try:
        return str(json.loads(Path(address).read_bytes())["address"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"--cluster {address}: this is no scheduler file; it takes {HOW}") from None


@contextmanager
def _local(address: str) -> Iterator[Any]:
    """A cluster of this command's own, which ends with it; None where the address is another's."""
    if not address.startswith(LOCAL):
        yield None
        return
    from distributed import LocalCluster

    with blind_to_the_folder():  # to the end, as a worker that dies is started again
        try:
            with deaf_to_ctrl_c():
                here = LocalCluster(
                    n_workers=int(address.removeprefix(LOCAL)),
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL + 1,
                    security=_certificates(),
                )
        except Exception as error:  # of the system, such as a network that is down or too few processes
            raise UsageError(f"--cluster {address}: no cluster starts here: {error.__cause__ or error}") from error
        try:
            yield here
        finally:
            with suppress(Exception):
                here.close(timeout=SECONDS_TO_CLOSE)


def exposed(address: str) -> list[str]:
    """What is to be said of a cluster of this command's own that has no certificates; nothing of any other."""
    return [EXPOSED] if address.startswith(LOCAL) and find_spec(OF_CERTIFICATES) is None else []


def _certificates() -> Any:
    """Made for this cluster alone, as all users of a machine share its ports; None without the library."""
    from distributed.security import Security

    return Security.temporary() if find_spec(OF_CERTIFICATES) else None
