"""Where a walk-forward's batches run: in this process, in local processes, on Dask or on Ray. The bytes are the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from kobe81.app.analysis import Setup
from kobe81.app.market import Market
from kobe81.core.bars import Bars
from kobe81.core.errors import MissingExtra

if TYPE_CHECKING:
    from kobe81.backtest.walk_forward import WalkForward

Compute = Literal["local", "dask", "ray"]
Call = Callable[[Any], Any]
Mapper = Callable[[Call, Iterable[Any]], Iterator[Any]]

PROCESSES_FROM = 4
"""Batches from which local processes repay their start; below, the threads of this process do."""


@dataclass(frozen=True)
class PanelSource:
    """Bars as a path: a worker maps the file instead of receiving the bars."""

    path: Path

    def __call__(self) -> Bars:
        from kobe81.data.panel import open_panel

        return open_panel(self.path)


def walk_forward_on(compute: Compute, market: Market, setup: Setup, plan: Any) -> WalkForward:
    """The walk-forward, computed where it was asked for."""
    from kobe81.backtest.walk_forward import batches, grid_of, walk_forward

    run = partial(walk_forward, market.bars, setup.strategy, setup.grid, setup.account, plan)
    here = compute == "local" and len(batches(grid_of(setup.strategy, setup.grid))) < PROCESSES_FROM
    if here:
        return run()
    with TemporaryDirectory(prefix="kobe81-") as folder:
        return run(mapper=MAPPERS[compute], source=PanelSource(_panel(market, Path(folder))))


def _panel(market: Market, folder: Path) -> Path:
    """A panel file of the bars: the one they came from, or one written for this run."""
    if market.panel:
        return market.panel
    from kobe81.data.panel import write_panel

    path = folder / "bars.panel"
    write_panel(path, market.bars, {})
    return path


def _local(function: Call, items: Iterable[Any]) -> Iterator[Any]:
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=os.cpu_count(), backend="loky", return_as="generator")
    results: Iterator[Any] = parallel(delayed(function)(item) for item in items)
    return results


def _dask(function: Call, items: Iterable[Any]) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise MissingExtra("--compute dask", "dask") from None
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    with LocalCluster(processes=True, dashboard_address=None) if not address else _Given(address) as cluster, \
            Client(cluster) as client:
        for future in [client.submit(function, item, pure=False) for item in items]:
            yield future.result()


class _Given:
    """A cluster somebody else runs, by its address; not ours to close."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> str:
        return self._address

    def __exit__(self, *_: object) -> None:
        """Leave it running."""


def _ray(function: Call, items: Iterable[Any]) -> Iterator[Any]:
    try:
        import ray
    except ImportError:
        raise MissingExtra("--compute ray", "ray") from None
    started = not ray.is_initialized()
    if started:
        ray.init(address=os.environ.get("RAY_ADDRESS"), include_dashboard=False, log_to_driver=False,
                 logging_level="ERROR")
    try:
        remote = ray.remote(_call)
        for reference in [remote.remote(function, item) for item in items]:
            yield ray.get(reference)
    finally:
        if started:
            ray.shutdown()


def _call(function: Call, item: Any) -> Any:
    return function(item)


MAPPERS: dict[str, Mapper] = {"local": _local, "dask": _dask, "ray": _ray}
