"""What a sale of US shares costs by regulation: the SEC's Section 31 fee and FINRA's Trading Activity Fee (TAF).

Both are charged on sales only, and both change on announced dates, so they are dated tables: a sale pays the row in
force on its day. A day before a table's first row pays that first row. Amounts are float64 and not rounded to cents;
the live book, which must agree with a broker's statement, rounds in Decimal.

A row's `source` names the notice. "Rate:" and "date:" say what was read in it; what could not be read is said plainly:
"date by statute" is the enactment of the SEC's appropriation plus the 30 days (60 since fiscal 2012) that Section 31
allows, and "unverified" is from secondary sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike

from kobe81.core.bars import Floats
from kobe81.core.days import number


@dataclass(frozen=True)
class SecFee:
    """Section 31 from `start` on: dollars per million dollars of sale proceeds."""

    start: date
    per_million: float
    source: str


@dataclass(frozen=True)
class Taf:
    """The TAF from `start` on: dollars per share sold, at most `cap` dollars per trade."""

    start: date
    per_share: float
    cap: float
    source: str


SEC_FEES = (
    SecFee(date(2000, 1, 1), 33.30, "1/300 of one per cent by statute, until 2001-12-27"),
    SecFee(date(2001, 12, 28), 15.00, "Investor and Capital Markets Fee Relief Act; secondary list"),
    SecFee(date(2002, 4, 1), 30.10, "SEC mid-year adjustment 2002; rate confirmed by NASD alert 2003-03-03"),
    SecFee(date(2003, 3, 22), 25.20, "SEC Fee Rate Advisory #11 for FY2003"),
    SecFee(date(2003, 4, 1), 46.80, "SEC Fee Rate Advisory #12 for FY2003"),
    SecFee(date(2004, 2, 22), 39.00, "SEC advisories for FY2004; secondary list"),
    SecFee(date(2004, 4, 1), 23.40, "SEC Fee Rate Advisory #8 for FY2004; secondary list"),
    SecFee(date(2005, 1, 7), 32.90, "SEC advisories for FY2005; secondary list"),
    SecFee(date(2005, 4, 1), 41.80, "SEC Fee Rate Advisory #7 for FY2005; secondary list"),
    SecFee(date(2005, 12, 22), 30.70, "SEC advisories for FY2006; rate confirmed by #4 for FY2007"),
    SecFee(date(2007, 3, 17), 15.30, "SEC Fee Rate Advisory #4 for FY2007; date by statute"),
    SecFee(date(2008, 1, 25), 11.00, "SEC Fee Rate Advisory #1 for FY2008; date by statute"),
    SecFee(date(2008, 4, 1), 5.60, "FINRA Information Notice 3/10/08"),
    SecFee(date(2009, 4, 10), 25.70, "FINRA Information Notice 10/2/09 (rate); date by statute"),
    SecFee(date(2010, 1, 15), 12.70, "SEC press release 2009-270"),
    SecFee(date(2010, 4, 1), 16.90, "FINRA Information Notice 3/10/10"),
    SecFee(date(2011, 1, 21), 19.20, "SEC Fee Rate Advisory #5 for FY2011"),
    SecFee(date(2012, 2, 21), 18.00, "SEC Fee Rate Advisory #5 for FY2012"),
    SecFee(date(2012, 4, 1), 22.40, "SEC Fee Rate Advisory #2 for FY2013 (rate); date by statute"),
    SecFee(date(2013, 5, 25), 17.40, "FINRA Information Notice 3/3/14 (rate); date by statute"),
    SecFee(date(2014, 3, 18), 22.10, "FINRA Information Notice 3/3/14"),
    SecFee(date(2015, 2, 14), 18.40, "SEC Release 34-74057; rate unverified, date by statute"),
    SecFee(date(2016, 2, 16), 21.80, "FINRA Information Notice 3/15/16 (rate); date by statute"),
    SecFee(date(2017, 7, 4), 23.10, "SEC order of 2017-05-31, 82 FR 25895; secondary text"),
    SecFee(date(2018, 5, 22), 13.00, "SEC Fee Rate Advisory #3 for FY2018"),
    SecFee(date(2019, 4, 16), 20.70, "SEC Fee Rate Advisory #2 for FY2019"),
    SecFee(date(2020, 2, 18), 22.10, "SEC Fee Rate Advisory #2 for FY2020"),
    SecFee(date(2021, 2, 25), 5.10, "SEC Fee Rate Advisory #2 for FY2021"),
    SecFee(date(2022, 5, 14), 22.90, "SEC advisory of 2023-01-23 (rate); date by statute"),
    SecFee(date(2023, 2, 27), 8.00, "SEC Release 34-96724"),
    SecFee(date(2024, 5, 22), 27.80, "SEC Release 34-99973; date by statute"),
    SecFee(date(2025, 5, 14), 0.00, "FINRA Information Notice 4/24/25, SEC Release 34-102779"),
    SecFee(date(2026, 4, 4), 20.60, "SEC Release 34-104909; rate and date from secondary texts"),
)

TAFS = (
    Taf(date(2000, 1, 1), 0.0, 0.0, "no TAF before 2002-10-01"),
    Taf(date(2002, 10, 1), 0.0001, 10.00, "NASD rate structure of 2002-10-17; unverified from there to 2003-09-01"),
    Taf(date(2004, 11, 1), 0.000075, 3.75, "NASD Notice to Members 04-84 (date), FINRA 11-27 (rate)"),
    Taf(date(2011, 7, 1), 0.000090, 4.50, "FINRA Regulatory Notice 11-27"),
    Taf(date(2012, 3, 1), 0.000095, 4.75, "FINRA Regulatory Notice 12-06"),
    Taf(date(2012, 7, 1), 0.000119, 5.95, "SR-FINRA-2020-032 schedule (rate); date from FINRA's TAF forms"),
    Taf(date(2022, 1, 1), 0.000130, 6.49, "SR-FINRA-2020-032 schedule"),
    Taf(date(2023, 1, 1), 0.000145, 7.27, "SR-FINRA-2020-032 schedule"),
    Taf(date(2024, 1, 1), 0.000166, 8.30, "SR-FINRA-2020-032 schedule"),
    Taf(date(2026, 1, 1), 0.000195, 9.79, "SR-FINRA-2024-019 schedule; secondary texts"),
    Taf(date(2026, 10, 1), 0.0, 0.0, "SR-FINRA-2026-021 (Release 34-106409): paused to 2026-12-31; secondary texts"),
    Taf(date(2027, 1, 1), 0.000195, 9.79, "SR-FINRA-2026-020 keeps the rate to 2028; secondary texts, check in 2027"),
)


def _starts(rows: tuple[SecFee, ...] | tuple[Taf, ...]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([number(row.start) for row in rows], dtype=np.int32)


_SEC_START, _TAF_START = _starts(SEC_FEES), _starts(TAFS)
_SEC_RATE = np.array([row.per_million / 1e6 for row in SEC_FEES])
_TAF_RATE = np.array([row.per_share for row in TAFS])
_TAF_CAP = np.array([row.cap for row in TAFS])


def rates(days: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """What a sale pays on `days` (days since 1970-01-01): SEC dollars per dollar, TAF dollars per share, TAF cap.

    All three are float64 in the shape of `days`. A day before a table's first row gets that row.
    """
    sec = np.maximum(np.searchsorted(_SEC_START, days, side="right") - 1, 0)
    taf = np.maximum(np.searchsorted(_TAF_START, days, side="right") - 1, 0)
    return _SEC_RATE[sec], _TAF_RATE[taf], _TAF_CAP[taf]


def sell_fees(day: int, shares: float, proceeds: float) -> float:
    """Dollars that selling `shares` for `proceeds` dollars costs on `day` (days since 1970-01-01), not rounded."""
    sec, taf, cap = rates(day)
    return float(sec * proceeds + min(taf * shares, cap))


def markdown() -> str:
    """Both tables as the documentation shows them."""
    return "\n".join(_markdown_lines()) + "\n"


def _markdown_lines() -> Iterator[str]:
    yield "| from | Section 31, $ per million sold | source |"
    yield "|---|---:|---|"
    for fee in SEC_FEES:
        yield f"| {fee.start} | {fee.per_million:.2f} | {fee.source} |"
    yield ""
    yield "| from | TAF, $ per share sold | at most, $ | source |"
    yield "|---|---:|---:|---|"
    for taf in TAFS:
        yield f"| {taf.start} | {taf.per_share:.6f} | {taf.cap:.2f} | {taf.source} |"
