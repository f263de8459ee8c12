"""kobe compliance: the rules in force, and the prohibited list."""

from __future__ import annotations

from datetime import date
from typing import Literal


def show(*, json: bool = False) -> None:
    """The compliance rules, their limits, and the symbols nobody may buy now.

    Parameters
    ----------
    json
        Print it as JSON, and nothing else.
    """
    import sys

    import msgspec

    from kobe81 import compliance
    from kobe81.app import home
    from kobe81.app.live import looking
    from kobe81.engine.apply import replay
    from kobe81.engine.rules import Rules
    from kobe81.reports import terminal

    found = looking.records() if home.journal().exists() else []
    now, decided_by = replay(found), looking.rules(found) or Rules.of({})
    names = compliance.applying(decided_by.trading.profile, home.now().date())
    limits = looking.limits(decided_by, names)
    barred = [{"symbol": p.symbol, "reason": p.reason, "from": p.start, "until": p.until}
              for p in now.prohibitions.values() if p.until is None or p.until > home.now()]
    if json:
        sys.stdout.write(msgspec.json.encode({"rules": limits, "prohibited": barred}).decode() + "\n")
        return
    terminal.show(looking.table(f"Rules in force (profile {decided_by.trading.profile})", limits))
    terminal.show(looking.table("Prohibited", barred))


def prohibit(symbol: str, *, reason: Literal["earnings", "news", "volatility", "liquidity", "regulatory", "manual"],
             until: date | None = None, person: str | None = None) -> None:
    """Put a symbol on the prohibited list: it may be sold, not bought. It comes off by itself.

    Parameters
    ----------
    symbol
        The symbol.
    reason
        Why.
    until
        The first day (New York) on which it may be bought again; without one, until it is allowed.
    person
        Who says so; the user of this machine where left out.
    """
    from datetime import datetime, time

    from kobe81.app import home
    from kobe81.app.live.schedule import EXCHANGE_TIME
    from kobe81.app.people import journal_of_people, who
    from kobe81.core.clock import utc
    from kobe81.core.events import ProhibitionSet
    from kobe81.core.gates import Prohibition
    from kobe81.core.symbols import parse_symbol

    end = utc(datetime.combine(until, time(), EXCHANGE_TIME)) if until else None
    prohibition = Prohibition(symbol=parse_symbol(symbol), reason=reason, start=home.now(), until=end)
    with journal_of_people() as journal:
        journal.append(ProhibitionSet(prohibition=prohibition, person=who(person)))
    print(f"{prohibition.symbol} is prohibited ({reason}) {f'until {until}' if until else 'until it is allowed again'}")


def allow(symbol: str, *, person: str | None = None) -> None:
    """Take a symbol off the prohibited list.

    Parameters
    ----------
    symbol
        The symbol.
    person
        Who says so; the user of this machine where left out.
    """
    from kobe81.app.live import looking
    from kobe81.app.people import journal_of_people, who
    from kobe81.core.errors import unknown_name
    from kobe81.core.events import ProhibitionLifted
    from kobe81.core.symbols import parse_symbol

    name, known = parse_symbol(symbol), looking.book().prohibitions
    if name not in known:
        raise unknown_name("prohibited symbol", name, known)
    with journal_of_people() as journal:
        journal.append(ProhibitionLifted(symbol=name, person=who(person)))
    print(f"{name} may be bought again")
