"""Where batches run makes no difference to a byte, and what is kept of an unfinished run is never wrong."""

from dataclasses import fields

import numpy as np
import pytest

from kobe81.app import compute
from kobe81.app.analysis import Setup
from kobe81.app.compute import MAPPERS, walk_forward_on
from kobe81.app.finished import Finished
from kobe81.app.opening import open_market
from kobe81.app.options import DataOptions, typed_grid
from kobe81.app.runs import run_walk_forward
from kobe81.app.versions import code_version
from kobe81.backtest import walk_forward as module
from kobe81.backtest.engine import Account
from kobe81.backtest.results import Trades
from kobe81.backtest.walk_forward import Plan, batches, grid_of, run_batch, walk_forward
from kobe81.core.errors import KobeError
from kobe81.strategies import Strategy, strategy

PLAN = Plan(train=120, test=60)
RULE = strategy("donchian", {"lookback": 10, "trend": 50})
GRID = {"lookback": ["5", "10", "20"], "stop_atr": ["1", "2"], "hold": ["3", "8"]}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own for each test."""
    monkeypatch.setenv("KOBE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def market():
    """Four synthetic stocks."""
    return open_market(DataOptions("synthetic:4x400:9"))


@pytest.fixture
def setup():
    """A grid of twelve sets, six of which compute signals of their own."""
    return Setup(RULE, Account(), vars(PLAN), typed_grid(RULE, GRID))


@pytest.fixture
def small_batches(monkeypatch):
    """One signal computation a batch: six batches."""
    monkeypatch.setattr(module, "BATCH_SIGNALS", 1)


def made(market, setup, where):
    """The files of the run, computed there."""
    return run_walk_forward(market, setup, 7, None, lambda m, s: walk_forward_on(where, m, s, PLAN)).files


def plainly(market, setup):
    """The files of the run, computed by one call in this process."""
    return run_walk_forward(market, setup, 7, None, lambda m, s: walk_forward(
        m.bars, s.strategy, s.grid, s.account, PLAN)).files


def test_one_batch_keeps_nothing_and_starts_nothing(market, setup, home):
    """Twelve sets with six signal computations are one batch."""
    assert len(batches(grid_of(RULE, setup.grid))) == 1
    assert made(market, setup, "local") == plainly(market, setup)
    assert not list(home.iterdir())


@pytest.mark.usefixtures("small_batches")
def test_local_processes_give_the_bytes_of_one_call(market, setup, monkeypatch):
    """Two worker processes; six batches, from which on processes are used."""
    assert len(batches(grid_of(RULE, setup.grid))) == 6 >= compute.PROCESSES_FROM
    expected = plainly(market, setup)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    assert made(market, setup, "local") == expected


@pytest.mark.filterwarnings("default")  # the package warns of its own doings
def test_dask_gives_the_same_bytes(market, setup):
    """A real cluster of processes on this machine."""
    pytest.importorskip("distributed")
    assert made(market, setup, "dask") == plainly(market, setup)


@pytest.mark.filterwarnings("default")
def test_ray_gives_the_same_bytes(market, setup):
    """A real Ray on this machine."""
    pytest.importorskip("ray")
    assert made(market, setup, "ray") == plainly(market, setup)


# ------------------------------------------------------------------------------------------------ resuming

class Counted:
    """A mapper that works in this process, counts, and stops as by Ctrl-C after `limit` batches."""

    def __init__(self, limit=None):
        self.limit, self.done = limit, []

    def __call__(self, function, items):
        for item in items:
            if len(self.done) == self.limit:
                raise KeyboardInterrupt
            self.done.append(item)
            yield function(item)


def interrupted(market, setup, monkeypatch, limit):
    """Runs until Ctrl-C after `limit` batches."""
    monkeypatch.setitem(MAPPERS, "local", Counted(limit))
    with pytest.raises(KeyboardInterrupt):
        made(market, setup, "local")


def resumed(market, setup, monkeypatch):
    """How many batches a further run computes, and its files."""
    counted = Counted()
    monkeypatch.setitem(MAPPERS, "local", counted)
    return made(market, setup, "local"), len(counted.done)


@pytest.mark.usefixtures("small_batches")
def test_a_second_run_computes_what_the_first_did_not(market, setup, home, monkeypatch):
    """Four of six batches were finished; the files are those of an undisturbed run; then nothing is kept."""
    interrupted(market, setup, monkeypatch, 4)
    assert len(list(home.rglob("*.npz"))) == 4
    assert resumed(market, setup, monkeypatch) == (plainly(market, setup), 2)
    assert not list(home.rglob("*.npz"))
    assert resumed(market, setup, monkeypatch)[1] == 6


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("change", ["data", "account", "plan", "grid", "code"])
def test_nothing_is_taken_from_a_run_on_other_inputs(market, setup, home, monkeypatch, change):
    """Other bars, another account, plan, grid or code: every batch is computed anew."""
    interrupted(market, setup, monkeypatch, 4)
    plan = PLAN
    if change == "data":
        market = open_market(DataOptions("synthetic:4x400:8"))
    elif change == "account":
        setup = Setup(RULE, Account(slippage_bps=6), vars(PLAN), setup.grid)
    elif change == "plan":
        plan = Plan(train=120, test=60, embargo=1)
    elif change == "grid":
        setup = Setup(RULE, Account(), vars(PLAN), setup.grid | {"atr": [9]})
    else:
        monkeypatch.setattr(compute, "code_version", lambda strategy: "other")
    counted = Counted()
    monkeypatch.setitem(MAPPERS, "local", counted)
    walk_forward_on("local", market, setup, plan)
    assert len(counted.done) == 6


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:900] + b"\xff" + b[901:]])
def test_a_damaged_batch_is_computed_again(market, setup, home, monkeypatch, damage):
    """Cut short, emptied, or one byte changed: the files are right all the same."""
    interrupted(market, setup, monkeypatch, 4)
    for path in home.rglob("*.npz"):
        path.write_bytes(damage(path.read_bytes()))
    assert resumed(market, setup, monkeypatch)[0] == plainly(market, setup)


@pytest.mark.usefixtures("small_batches")
def test_a_store_that_cannot_be_written_costs_nothing(market, setup, home, monkeypatch):
    """A file lies where the folder should be: the run is as good, and nothing is left of the trying."""
    (home / "cache").touch()
    assert resumed(market, setup, monkeypatch) == (plainly(market, setup), 6)
    assert [p.name for p in home.iterdir()] == ["cache"]


@pytest.mark.usefixtures("small_batches")
def test_bars_that_are_not_what_their_hash_says_are_never_kept_under_it(market, setup, home, monkeypatch):
    """The check comes before the first batch."""
    from dataclasses import replace

    def damaged():
        raise KobeError("damaged")

    with pytest.raises(KobeError, match="damaged"):
        walk_forward_on("local", replace(market, check=damaged), setup, PLAN)
    assert not list(home.rglob("*.npz"))


def test_a_kept_trial_comes_back_whole(market, home):
    """Every array with its values and its type; no pickles."""
    [batch] = batches(grid_of(RULE, typed_grid(RULE, GRID)))
    trials = run_batch(batch, lambda: market.bars, Account(), PLAN)
    kept = Finished.of(home, any="thing")
    list(kept.around(map, lambda done, total: None)(lambda _: trials, [batch]))
    back = kept._read(batch)
    assert [t.place for t in back] == list(range(12)) == [t.place for t in trials]
    for one, other in zip(trials, back, strict=True):
        pairs = [(getattr(one, n), getattr(other, n)) for n in one._fields if n not in ("place", "trades")]
        pairs += [(getattr(one.trades, f.name), getattr(other.trades, f.name)) for f in fields(Trades)]
        for a, b in pairs:
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    assert sum(len(t.trades) for t in back) > 10


def test_every_batch_is_counted(market, home):
    """The tick hears 1 of 2, 2 of 2, whether the batch was kept or computed."""
    kept, heard = Finished.of(home, any="thing"), []
    two = [[(0, RULE)], [(1, RULE)]]
    trials = {0: run_batch(two[0], lambda: market.bars, Account(), PLAN),
              1: run_batch(two[1], lambda: market.bars, Account(), PLAN)}
    for _ in range(2):
        list(kept.around(map, lambda *n: heard.append(n))(lambda batch: trials[batch[0][0]], two))
    assert heard == [(1, 2), (2, 2)] * 2


def test_the_code_of_a_strategy_from_elsewhere_is_part_of_the_version():
    """A built-in is covered by the product's own hash; a class of this file brings this file's."""
    class Own(type(RULE)):
        """A strategy somebody else wrote."""

    plain = code_version(RULE)
    assert code_version(Own()).startswith(f"{plain}+")
    assert isinstance(Own(), Strategy)
