"""The store: what an exchange has answered survives anything, and missed prices are caught up on the way they went."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exchange_market import PLAIN, Market, fold, utc

from kobe81.core.errors import DataError
from kobe81.execution.exchange.store import Facts, Store
from kobe81.execution.exchange.terms import Terms

HERE = Path(__file__).parents[1]
LOOK = ("/v2/account", "/v2/positions", "/v2/account/activities")


def everything(market: Market) -> list[Any]:
    return [*(market.get(path) for path in LOOK), market.get("/v2/orders", status="all", limit="500")]


def restarted(market: Market, store: Path, now: str, **changes: Any) -> Market:
    market.exchange.close()
    return Market(now, store=store, **changes)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "exchange.db"


def test_a_restart_goes_on_exactly_where_it_was(store: Path) -> None:
    """Every order, position and activity, with a bracket at work, a halted and a banned symbol."""
    market = Market(store=store)
    market.order("buy", 10, tif="gtc", order_class="bracket", take_profit={"limit_price": "108"},
                 stop_loss={"stop_price": "92"})
    market.order("buy", "1.25", symbol="BETA")
    market.exchange.halt("BETA")
    market.exchange.ban("PENNY")
    before = everything(market)
    market = restarted(market, store, "04 14:30")
    assert everything(market) == before
    assert market.get("/v2/assets/PENNY")["tradable"] is False
    market.at("04 20:00")
    assert market.get("/v2/stocks/BETA/quotes/latest")["quote"]["t"] == "2024-03-04T14:30:00Z"
    assert market.post("buy", 1, client_order_id="x")[0] == 200


def test_a_name_stays_taken_over_a_restart(store: Path) -> None:
    """client_order_id is unique for ever."""
    market = Market(store=store)
    market.order("buy", 1, client_order_id="k1")
    assert restarted(market, store, "06 15:00").post("buy", 1, client_order_id="k1")[0] == 422


def test_its_books_are_for_their_owner_alone(store: Path) -> None:
    """Nobody else on the machine may read what the account holds."""
    Market(store=store).order("buy", 1)
    assert {file.stat().st_mode & 0o777 for file in store.parent.glob(f"{store.name}*")} == {0o600}


def test_a_stop_that_should_have_triggered_during_downtime_did(store: Path) -> None:
    """Down from 15:00 of the 4th to the 7th: the stop filled at 15:35 at 94.90, the trailing stop too, and the
    day order expired at its close; all of it as in an exchange that was never down."""
    def begin(store: Path | None) -> Market:
        market = Market("04 14:31", store=store)
        market.order("buy", 30)
        market.order("sell", 10, "stop", "gtc", stop_price="95")
        market.order("sell", 10, "trailing_stop", "gtc", trail_price="12")
        market.order("sell", 5, "limit", "day", limit_price="150")
        return market.at("04 15:00")

    market = restarted(begin(store), store, "07 15:00")
    assert market.fills()[1] == ("2024-03-04T15:35:00Z", "sell", "10", "94.9")
    assert everything(market) == everything(begin(None).at("07 15:00"))


def test_what_passed_in_a_halt_stays_unseen_over_a_restart(store: Path) -> None:
    """Halted while the price went through the stop and back: a restart after it does not look there again."""
    market = Market(store=store)
    market.order("buy", 10)
    stop = market.order("sell", 10, "stop", "day", stop_price="95")
    market.exchange.halt("ACME")
    market.at("04 19:00").exchange.halt("ACME", halted=False)
    assert restarted(market, store, "04 20:00").again(stop)["status"] == "new"


def test_the_first_terms_fix_the_cash(store: Path) -> None:
    """An account's books and names cannot change by starting it with another cash or seed."""
    market = Market(store=store)
    account = market.get("/v2/account")
    assert restarted(market, store, "04 14:30", terms=Terms(cash=5.0), seed=8).get("/v2/account") == account


def test_two_exchanges_cannot_share_a_store(store: Path) -> None:
    """The second is told so."""
    market = Market(store=store)
    with pytest.raises(DataError, match="locked"):
        Market(store=store)
    market.exchange.close()


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_bytes(b"not a database" * 100),
    lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 99").connection.close(),
])  # fmt: skip
def test_what_is_no_store_is_refused(store: Path, spoil: Callable[[Path], None]) -> None:
    """Another file, another version: DataError that names it."""
    spoil(store)
    with pytest.raises(DataError, match=r"exchange\.db"):
        Market(store=store)


def test_a_save_is_kept_whole_or_not_at_all(store: Path) -> None:
    """Torn off between the facts and the activities, nothing of it is there."""
    def torn() -> Iterator[Any]:
        raise OSError("torn off")
        yield

    file = Store(store)
    facts = Facts(at=utc("04 14:30"), opened_at=utc("04 14:30"), cash=Decimal(1), seed=0)
    with pytest.raises(OSError, match="torn off"):
        file.save(facts, [], torn())
    assert file.load() is None
    file.close()


def test_many_threads_make_one_history(store: Path) -> None:
    """Eight at once: 160 orders, each once, and books that add up."""
    market = Market(store=store)

    def trade(who: int) -> None:
        for i in range(20):
            assert market.post("buy", 1, client_order_id=f"{who}-{i}")[0] == 200

    threads = [threading.Thread(target=trade, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cash, shares = fold(market.activities())
    assert (cash, shares["ACME"], market.cash) == (market.cash, 160, 100_000 - 160 * 100.1)


CHILD = """
import sys
sys.path[:0] = sys.argv[2:]
from exchange_market import Market
from pathlib import Path
market = Market(store=Path(sys.argv[1]))
for i in range(10**6):
    side = "sell" if i % 3 == 2 else "buy"
    status, order = market.post(side, 1 + i % 2 if side == "buy" else 1, "limit" if i % 2 else "market",
                                limit_price="101" if i % 2 and side == "buy" else "50" if i % 2 else None,
                                client_order_id=f"c{i}")
    print(f"c{i}", market.again(order)["filled_qty"] if status == 200 else status, flush=True)
"""


@pytest.mark.parametrize("answers", [1, 30, 90])
def test_what_was_answered_survives_a_kill(store: Path, answers: int) -> None:
    """SIGKILL in the middle of trading: every answered order is there with what it had filled, and the books add up."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(store), str(HERE), str(HERE.parent)],
                             stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [child.stdout.readline().split() for _ in range(answers)]
    os.kill(child.pid, signal.SIGKILL)
    told += [line.split() for line in child.stdout if line.endswith("\n")]
    child.stdout.close()
    child.wait()
    market = Market("04 14:30", PLAIN, store)
    for name, filled in told:
        assert market.get("/v2/orders:by_client_order_id", client_order_id=name)["filled_qty"] == filled
    activities = market.activities()
    assert fold(activities)[0] == market.cash
    assert len({activity["id"] for activity in activities}) == len(activities)


FULL = """
import resource, sys
sys.path[:0] = sys.argv[2:]
from exchange_market import Market
from pathlib import Path
market = Market(store=Path(sys.argv[1]))
market.order("buy", 1, client_order_id="before")
told = len(market.told)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
status, answer = market.post("buy", 1, client_order_id="lost")
assert status == 500, answer
assert len(market.told) == told, "nobody may hear of what was not kept"
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert market.call("GET", "/v2/orders:by_client_order_id", client_order_id="lost")[0] == 404
assert market.get("/v2/positions/ACME")["qty"] == "1"
assert market.order("buy", 1, client_order_id="lost")["status"] == "filled"
"""


def test_where_nothing_can_be_written_nothing_has_happened(store: Path) -> None:
    """No file may grow, as on a full disk: 500, and neither order nor fill nor message; later the same id works."""
    done = subprocess.run([sys.executable, "-c", FULL, str(store), str(HERE), str(HERE.parent)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
