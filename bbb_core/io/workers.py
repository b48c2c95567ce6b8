"""Parts of a file worked on one after the other, or by dask's workers: the same parts, one order.

Whoever combines the results does so in the order of the parts, so that no number depends on where
or when a part was worked on.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bbb_core.errors import InputError

__all__ = ["Over", "workers"]

Over = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Like `map` of one function: yields the results of parts in their order."""

_WAIT = 30  # seconds for a scheduler to answer


@contextlib.contextmanager
def workers(scheduler: str | None) -> Iterator[Over]:
    """Yield a `map` whose calls run here (None), or on the workers of dask.distributed.

    What a worker had begun when it ended, another one does again: dask sees to it.

    Parameters
    ----------
    scheduler : str, optional
        ``local:N`` starts N processes on this machine for the time of the block, one thread each.
        Anything else is the address of a running scheduler, such as ``tcp://10.0.0.1:8786``; its
        workers need this package, and see the files under the same paths.

    Raises
    ------
    InputError
        If nobody answers at the address, or workers end again and again at the same part.

    Examples
    --------
    >>> with workers(None) as over:
    ...     list(over(len, ["a", "bc"]))
    [1, 2]
    """
    if scheduler is None:
        yield map
        return
    from distributed import KilledWorker

    with _client(scheduler) as client:

        def over(function: Callable[[Any], Any], parts: Iterable[Any]) -> Iterator[Any]:
            futures = client.map(function, list(parts), pure=False)[::-1]
            while futures:
                yield futures.pop().result()

        try:
            yield over
        except KilledWorker:
            raise InputError(
                f"--scheduler {scheduler}: workers ended again and again at the same part, most "
                "often for want of memory; give them more, or split the files."
            ) from None


@contextlib.contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    from distributed import Client, LocalCluster
    from distributed.comm import get_address_host_port

    kind, _, number = scheduler.partition(":")
    with contextlib.ExitStack() as stack:
        address: Any = scheduler
        if kind == "local":
            if not number.isdecimal() or not 0 < int(number) <= 1000:
                raise InputError(f"--scheduler {scheduler!r} is no number of workers; say local:2.")
            address = stack.enter_context(
                LocalCluster(
                    n_workers=int(number),
                    threads_per_worker=1,
                    dashboard_address=":0",
                    silence_logs=logging.CRITICAL,
                )
            )
        try:
            if address is scheduler:  # a client of what is no address could not be closed
                get_address_host_port(scheduler)
            client = Client(address, timeout=_WAIT, set_as_default=False)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(
                f"--scheduler {scheduler!r} does not answer ({reason}); give local:N or the "
                "address of a running scheduler of dask.distributed, such as tcp://HOST:8786."
            ) from None
        yield stack.enter_context(client)
