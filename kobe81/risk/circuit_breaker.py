"""The circuit breaker: when too much goes wrong, nothing is entered for a while, and then only a little.

What it does is a projection of when it last opened, of the entries approved since, and of the facts of the moment:

- closed (never opened, or reset since): entries pass while no limit is reached. `trips` names the one that is.
- open (less than `pause` minutes ago): no entry.
- half-open (later): `probes` entries, one by one, while nothing new goes wrong.

What stands when it half-opens is of two kinds. Errors and API failures are counted over 15 minutes, and the pause is
at least as long: those that are counted then are new, deny at once and open it again. Losses last: the day's until the
session ends, a drawdown or a run of losses until somebody earns again. Were their limits to hold for probes, a book
that may not enter could never recover; were they to be waived, each pause would buy more losses. So probes are held to
`hard_stop` times the loss limits, past which there is no entry, however often the pause passes, until the facts change.

When all probes are used, `resets` closes it where no limit is reached any more; else it `trips` again, for a pause and
as many probes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Literal

from kobe81.core.gates import (
    Check,
    Circumstances,
    Gate,
    Proposal,
    Verdict,
    dollars,
    known,
    moment,
    percent,
    under,
    unknown,
)
from kobe81.core.params import param


@dataclass(frozen=True)
class CircuitBreaker(Gate):
    """No entry once a day, a run of trades or a run of failures has gone too wrong; see the module's states."""

    reads = ("at", "equity", "day_start_equity", "peak_equity", "losses_in_row", "errors", "api_failures", "probes")
    optional = ("tripped_at",)
    stricter: ClassVar[dict[str, int]] = {
        "max_loss": -1, "max_loss_share": -1, "max_drawdown": -1, "max_losses": -1, "max_errors": -1,
        "max_api_failures": -1, "pause": 1, "max_probes": -1, "hard_stop": -1,
    }

    max_loss: Decimal = param(Decimal(1000), 0, 1e9, "dollars lost since the session began that open it")
    max_loss_share: Decimal = param(Decimal("0.02"), 0, 1, "share of equity lost since the session began that opens it")
    max_drawdown: Decimal = param(Decimal("0.10"), 0, 1, "share of the highest equity lost that opens it")
    max_losses: int = param(5, 1, 1000, "losing trades in a row that open it")
    max_errors: int = param(10, 1, 100, "errors in 15 minutes that open it")
    max_api_failures: int = param(5, 1, 100, "failed API calls in 15 minutes that open it")
    pause: int = param(30, 15, 10_080, "minutes it stays open")
    max_probes: int = param(3, 0, 100, "entries while it is half-open")
    hard_stop: int = param(2, 1, 10, "times a loss limit, where probes end too")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        state = self.state(seen)
        if state == "closed":
            return self.all_of(*self._losses(seen, 1), *self._failures(seen))
        since = known(seen.tripped_at)
        if state == "open":
            return self.deny(f"open since {moment(since)} until {moment(since + self._pause)} ({self.pause} minutes)")
        used = under(f"half-open since {moment(since + self._pause)}, probes", known(seen.probes), self.max_probes)
        return self.all_of(used, *self._losses(seen, self.hard_stop), *self._failures(seen))

    def state(self, seen: Circumstances) -> Literal["closed", "open", "half-open"]:
        """Where it stands."""
        if seen.tripped_at is None:
            return "closed"
        return "half-open" if known(seen.at) - seen.tripped_at >= self._pause else "open"

    def trips(self, seen: Circumstances) -> str | None:
        """The limits that open it now, None where it stays as it is.

        Where facts are missing it stays too: nobody can judge, and `ask` denies every entry anyway.
        """
        if unknown(self, seen) or (state := self.state(seen)) == "open":
            return None
        waits = state == "half-open" and known(seen.probes) < self.max_probes
        return _reached(*(() if waits else self._losses(seen, 1)), *self._failures(seen))

    def resets(self, seen: Circumstances) -> str | None:
        """Why it closes now, None where it stays as it is."""
        used_up = not unknown(self, seen) and self.state(seen) == "half-open" and known(seen.probes) >= self.max_probes
        if not used_up or self.trips(seen):
            return None
        return f"{seen.probes} of {self.max_probes} probes used, no limit reached"

    def kills(self, seen: Circumstances) -> str | None:
        """The losses past which not even probes are for a program to decide: the kill switch is to be set."""
        return None if unknown(self, seen) else _reached(*self._losses(seen, self.hard_stop))

    @property
    def _pause(self) -> timedelta:
        return timedelta(minutes=self.pause)

    def _losses(self, seen: Circumstances, times: int) -> Iterator[Check]:
        equity, start, peak = known(seen.equity), known(seen.day_start_equity), known(seen.peak_equity)
        yield under("day's loss", start - equity, times * self.max_loss, dollars)
        yield _share("day's loss", equity, start, times * self.max_loss_share)
        yield _share("drawdown", equity, peak, times * self.max_drawdown)
        yield under("losses in a row", known(seen.losses_in_row), times * self.max_losses)

    def _failures(self, seen: Circumstances) -> Iterator[Check]:
        yield under("errors in 15 minutes", known(seen.errors), self.max_errors)
        yield under("API failures in 15 minutes", known(seen.api_failures), self.max_api_failures)


def _share(what: str, equity: Decimal, before: Decimal, limit: Decimal) -> Check:
    """The loss as a share of what was there before; all of it where nothing was."""
    return under(what, (before - equity) / before if before > 0 else Decimal(1), limit, percent)


def _reached(*checks: Check) -> str | None:
    return "; ".join(told for holds, told in checks if not holds) or None
