"""Broker profiles: which of the two margin rules a broker applies, and from which day."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from kobe81.core.errors import unknown_name

MARGIN_RULES = ("pdt", "intraday_margin")
"""Of these a broker applies one at a time."""


class Switch(NamedTuple):
    """The first session on which a broker applies intraday margin; the pattern-day-trader rule holds before."""

    session: date
    source: str


PROFILES = {
    "alpaca": Switch(date(2026, 6, 4), "Alpaca switched on the day SR-FINRA-2025-017 took effect"),
    "phasing_in": Switch(date(2027, 10, 21), "SR-FINRA-2025-017: brokers may phase in until 2027-10-20"),
}


def rule_for(profile: str, session: date) -> str:
    """The margin rule that a broker of this profile applies on this day; UsageError where there is no such profile."""
    if profile not in PROFILES:
        raise unknown_name("broker profile", profile, PROFILES)
    return "intraday_margin" if session >= PROFILES[profile].session else "pdt"
