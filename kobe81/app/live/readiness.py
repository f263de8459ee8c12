"""Readiness: seventeen looks before a runner is started, each with what was found and what to do about it.

Nothing is changed by it, and a running runner is not disturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Literal, NamedTuple

from kobe81.app.live import ready_home, ready_market
from kobe81.app.live.config import LiveConfig
from kobe81.app.live.inspection import Inspection, Said
from kobe81.app.live.station import Places
from kobe81.core.clock import Clock
from kobe81.core.errors import KobeError

ITEMS: tuple[tuple[str, Callable[[Inspection], Said]], ...] = (
    ("config", ready_home.config),
    ("secrets", ready_home.secrets),
    ("clock", ready_home.clock),
    ("calendar", ready_home.calendar),
    ("disk", ready_home.disk),
    ("journal integrity", ready_home.journal),
    ("audit chain", ready_home.audit),
    ("single runner", ready_home.single_runner),
    ("kill switch", ready_home.kill_switch),
    ("broker account", ready_market.account),
    ("market data freshness", ready_market.freshness),
    ("universe and data quality", ready_market.universe),
    ("model", ready_market.model),
    ("prohibited list", ready_market.prohibited),
    ("budgets", ready_market.budgets),
    ("reconciliation", ready_market.reconciliation),
    ("alert channel", ready_market.alert_channel),
)
"""In the order of rules.md, Readiness."""
FOR_ENTRIES = ("kill switch", "market data freshness", "universe and data quality", "model", "budgets")
"""What a runner that only leaves positions does without."""


class Item(NamedTuple):
    """One look: its name, and what came of it."""

    name: str
    state: Literal["pass", "warn", "fail"]
    found: str
    todo: str


def items(look: Inspection, but: tuple[str, ...] = ()) -> Iterator[Item]:
    """Every look but these. What fails in the same way as an earlier one only names that."""
    told: dict[str, str] = {}
    for name, item in ITEMS:
        if name in but:
            continue
        said = _asked(item, look)
        if said.state == "fail" and said.found in told:
            said = Said("fail", f"cannot be looked at; see {told[said.found]}")
        told.setdefault(said.found, name)
        yield Item(name, *said)


def _asked(item: Callable[[Inspection], Said], look: Inspection) -> Said:
    try:
        return item(look)
    except KobeError as error:
        return Said("fail", str(error))
    except Exception as error:  # noqa: BLE001  (whatever goes wrong, a look that cannot be taken is no pass)
        return Said("fail", f"{type(error).__name__}: {error}", "mend that, and look again")


def fails(mode: str, config: LiveConfig, places: Places, environment: Mapping[str, str], clock: Clock, *,
          reduce_only: bool = False) -> list[Item]:
    """What stands against starting a runner with this configuration; reduce_only: one that only leaves positions."""
    with closing(Inspection(mode, places, lambda: config, environment, clock)) as look:
        return [item for item in items(look, FOR_ENTRIES if reduce_only else ()) if item.state == "fail"]
