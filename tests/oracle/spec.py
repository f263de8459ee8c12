"""The specification as plain Python: bars in, signals, trades, equity and walk-forward splits out.

Obviously right rather than quick, and independent: it imports nothing of kobe81 and was written without reading it.
Sentences in quotation marks are the specification's own; what follows "Chosen:" is a choice where it is silent.

    bars = {"AAPL": [Bar(date, open, high, low, close, volume), ...], ...}
    trades = independent(bars, "donchian", {"lookback": 55})
    trades, equity = portfolio(bars, "ict_turtle_soup", max_positions=10)
    splits = walk_forward(bars, "donchian", {"hold": [5, 10]}, "portfolio")
"""

from tests.oracle.fills import Terms, independent, marked_equity, trade_alone
from tests.oracle.portfolio import portfolio, trade_together
from tests.oracle.rules import DEFAULTS, Bar, Bars, signals, valid, with_defaults
from tests.oracle.walk_forward import sharpe, walk_forward

__all__ = ["DEFAULTS", "Bar", "Bars", "Terms", "independent", "marked_equity", "portfolio", "sharpe", "signals",
           "trade_alone", "trade_together", "valid", "walk_forward", "with_defaults"]
