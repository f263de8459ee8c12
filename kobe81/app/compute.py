"""Where a walk-forward's batches run: this process, local processes, Dask or Ray; the bytes are the same."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from kobe81.app import home
from kobe81.app.analysis import Setup
from kobe81.app.market import Market
from kobe81.app.versions import code_version
from kobe81.app.waiting import Tick, unseen
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
    data_hash: str

    def __call__(self) -> Bars:
        """The bars; DamagedPanel where the file by now holds others: another process has loaded a newer one."""
        from kobe81.data.panel import DamagedPanel, open_panel, read_header

        if read_header(self.path)["sha256"] != self.data_hash:
            raise DamagedPanel(f"{self.path} no longer holds the bars this run began with; run again")
        return open_panel(self.path)


def walk_forward_on(compute: Compute, market: Market, setup: Setup, plan: Any, tick: Tick = unseen) -> WalkForward:
    """The walk-forward, computed where it was asked for; one of several batches goes on where it was interrupted."""
    from kobe81.app.finished import Finished
    from kobe81.backtest.walk_forward import batches, grid_of, walk_forward

    run = partial(walk_forward, market.bars, setup.strategy, setup.grid, setup.account, plan)
    count = len(batches(grid_of(setup.strategy, setup.grid)))
    if count == 1 and compute == "local":
        return run()
    market.check()  # before anything computed on these bars is kept under their hash
    kept = Finished.of(home.home() / "cache" / "walk_forward", data=market.data_hash, account=vars(setup.account),
                       plan=vars(plan), code=code_version(setup.strategy), whole=not setup.grid)
    if count < PROCESSES_FROM and compute == "local":
        result = run(mapper=kept.around(map, tick))
    else:
        with TemporaryDirectory(prefix="kobe81-") as folder:
            mapper = kept.around(MAPPERS[compute], tick)
            result = run(mapper=mapper, source=PanelSource(_panel(market, Path(folder)), market.data_hash))
    kept.remove()
    return result


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

    parallel = Parallel(n_jobs=-1, backend="loky", return_as="generator")
    results = parallel(delayed(function)(item) for item in items)
    try:
        for result in results:  # noqa: UP028  (yield from would close it before the filter below stands)
            yield result
    finally:
        with warnings.catch_warnings():  # joblib thinks it a waste to stop early, as an interrupted run must
            warnings.simplefilter("ignore")
            results.close()


def _optional(package: str, extra: str) -> Any:
    """The package; MissingExtra where it is not installed."""
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtra(f"--compute {extra}", extra) from None


def _dask(function: Call, items: Iterable[Any]) -> Iterator[Any]:
    dask = _optional("distributed", "dask")
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    own = dask.LocalCluster(threads_per_worker=1, dashboard_address=None) if not address else nullcontext(address)
    with own as cluster, dask.Client(cluster) as client:
        for future in [client.submit(function, item, pure=False) for item in items]:
            yield future.result()


def _ray(function: Call, items: Iterable[Any]) -> Iterator[Any]:
    ray = _optional("ray", "ray")
    started = not ray.is_initialized()
    if started:
        ray.init(address=os.environ.get("RAY_ADDRESS"), include_dashboard=False, log_to_driver=False,
                 logging_level=logging.ERROR)
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
