"""Regulatory fees against figures worked by hand from the published notices."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from kobe81.core.fees import SEC_FEES, TAFS, markdown, rates, sell_fees


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.mark.parametrize(("last_day", "before", "after"), [
    ("2008-03-31", 11.00, 5.60),    # FINRA Information Notice 3/10/08: $11.00 to $5.60 on April 1, 2008
    ("2010-01-14", 25.70, 12.70),   # SEC 2009-270: $25.70 until January 15, 2010
    ("2010-03-31", 12.70, 16.90),   # FINRA Information Notice 3/10/10
    ("2011-01-20", 16.90, 19.20),   # Fee Rate Advisory #5 for FY2011
    ("2012-02-20", 19.20, 18.00),   # Fee Rate Advisory #5 for FY2012
    ("2014-03-17", 17.40, 22.10),   # FINRA Information Notice 3/3/14
    ("2018-05-21", 23.10, 13.00),   # Advisory #3 for FY2018: $23.10 through May 21, 2018
    ("2019-04-15", 13.00, 20.70),   # Advisory #2 for FY2019: $13.00 through April 15, 2019
    ("2020-02-17", 20.70, 22.10),   # Advisory #2 for FY2020
    ("2021-02-24", 22.10, 5.10),    # Advisory #2 for FY2021: $22.10 through February 24, 2021
    ("2023-02-26", 22.90, 8.00),    # SEC, 2023-01-23: $22.90 through February 26, 2023
    ("2025-05-13", 27.80, 0.00),    # FINRA Information Notice 4/24/25
])
def test_section_31_changes_on_the_day_the_notice_names(last_day: str, before: float, after: float) -> None:
    """The old rate holds through the day before the effective date, the new one from that date on."""
    sec, _, _ = rates(np.array([day(last_day), day(last_day) + 1], dtype=np.int32))
    assert sec * 1e6 == pytest.approx([before, after])


@pytest.mark.parametrize(("last_day", "before", "after"), [
    ("2011-06-30", (0.000075, 3.75), (0.000090, 4.50)),   # Regulatory Notice 11-27
    ("2012-02-29", (0.000090, 4.50), (0.000095, 4.75)),   # Regulatory Notice 12-06
    ("2021-12-31", (0.000119, 5.95), (0.000130, 6.49)),   # SR-FINRA-2020-032 fee increase schedule
    ("2022-12-31", (0.000130, 6.49), (0.000145, 7.27)),
    ("2023-12-31", (0.000145, 7.27), (0.000166, 8.30)),
])
def test_the_taf_changes_on_the_day_the_notice_names(last_day: str, before: tuple[float, float],
                                                     after: tuple[float, float]) -> None:
    """Rate and cap change together."""
    _, per_share, cap = rates(np.array([day(last_day), day(last_day) + 1], dtype=np.int32))
    assert list(zip(per_share, cap, strict=True)) == [before, after]


@pytest.mark.parametrize(("text", "shares", "proceeds", "dollars"), [
    # 100 shares at $50 in January 2023: $5,000 x 22.90 / 1,000,000 = 0.1145; 100 x 0.000145 = 0.0145
    ("2023-01-10", 100, 5_000.0, 0.129),
    # 100,000 shares at $12 in June 2018: 1.2 million x 13.00 = 15.60; 100,000 x 0.000119 = 11.90, capped at 5.95
    ("2018-06-15", 100_000, 1_200_000.0, 21.55),
    # exactly at the 2018 cap: 50,000 x 0.000119 = 5.95; $500,000 x 13.00 / 1,000,000 = 6.50
    ("2018-06-15", 50_000, 500_000.0, 12.45),
    # 1,000 shares in August 2025: Section 31 is nil, 1,000 x 0.000166 = 0.166
    ("2025-08-01", 1_000, 80_000.0, 0.166),
    # June 2026: $80,000 x 20.60 / 1,000,000 = 1.648; 1,000 x 0.000195 = 0.195
    ("2026-06-01", 1_000, 80_000.0, 1.843),
    # November 2026: the TAF is paused; $80,000 x 20.60 / 1,000,000 = 1.648
    ("2026-11-02", 1_000, 80_000.0, 1.648),
    # June 2001: $10,000 x 33.30 / 1,000,000 = 0.333, and there was no TAF yet
    ("2001-06-01", 200, 10_000.0, 0.333),
])
def test_a_sale_costs_what_the_notices_say(text: str, shares: float, proceeds: float, dollars: float) -> None:
    """Section 31 on the proceeds plus the TAF on the shares, each to all its digits."""
    assert sell_fees(day(text), shares, proceeds) == pytest.approx(dollars, rel=1e-12)


def test_fees_are_not_rounded_to_cents() -> None:
    """One share at $10 in 2023-06: 0.00008 + 0.000145, which a cent would swallow."""
    assert sell_fees(day("2023-06-01"), 1, 10.0) == pytest.approx(0.000225, rel=1e-12)


def test_days_before_the_tables_pay_the_first_row() -> None:
    """A sale in 1985 is charged as one on 2000-01-01, not refused and not charged the newest rate."""
    early, first = rates(np.array([day("1985-03-01")])), rates(np.array([day("2000-01-01")]))
    assert [float(x[0]) for x in early] == [float(x[0]) for x in first] == [33.30 / 1e6, 0.0, 0.0]


def test_rates_follow_the_shape_of_the_days() -> None:
    """No days give no rates; any shape comes back in that shape, as float64."""
    for days in (np.empty(0, np.int32), np.full((2, 3), 15_000, np.int32)):
        for values in rates(days):
            assert values.shape == days.shape
            assert values.dtype == np.float64


@pytest.mark.parametrize("table", [SEC_FEES, TAFS])
def test_tables_run_forward_in_time_and_name_their_source(table: tuple[object, ...]) -> None:
    """Rows start on rising dates and none is without a source."""
    starts = [row.start for row in table]  # type: ignore[attr-defined]
    assert all(b - a > timedelta(0) for a, b in pairwise(starts))
    assert all(row.source for row in table)  # type: ignore[attr-defined]


def test_the_cap_is_fifty_thousand_shares() -> None:
    """FINRA sets every cap near 50,000 times the rate (except NASD's first, 100,000), so a slipped digit shows."""
    ratios = [row.cap / row.per_share for row in TAFS if row.per_share and row.start > date(2003, 1, 1)]
    assert ratios == pytest.approx([50_000] * len(ratios), rel=0.01)


def test_statutory_dates_follow_the_appropriations() -> None:
    """Where no notice was read: the day an appropriation was enacted plus 30 days, plus 60 since fiscal 2012."""
    enacted = {"2007-02-15": 30, "2007-12-26": 30, "2009-03-11": 30, "2013-03-26": 60, "2014-12-16": 60,
               "2015-12-18": 60, "2017-05-05": 60, "2022-03-15": 60, "2024-03-23": 60}
    starts = {row.start for row in SEC_FEES}
    assert {date.fromisoformat(d) + timedelta(n) for d, n in enacted.items()} <= starts


def test_the_markdown_has_a_line_for_every_row() -> None:
    """The documentation's tables show every row once, in dollars."""
    lines = markdown().splitlines()
    assert len(lines) == len(SEC_FEES) + len(TAFS) + 5
    assert "| 2011-01-21 | 19.20 | SEC Fee Rate Advisory #5 for FY2011 |" in lines
    assert "| 2011-07-01 | 0.000090 | 4.50 | FINRA Regulatory Notice 11-27 |" in lines
