"""Indicators: columns in, columns out, all symbols at once, each symbol on its own. The rules are in `columns`."""

from kobe81.indicators.columns import rows_where
from kobe81.indicators.extremes import donchian, prior_high, prior_low, rolling_max, rolling_min
from kobe81.indicators.recursive import adx, ema, macd, minus_di, plus_di, rsi, wilder_atr
from kobe81.indicators.windows import bollinger, prior, rolling_rank, rolling_std, sma, zscore

__all__ = [
    "adx", "bollinger", "donchian", "ema", "macd", "minus_di", "plus_di", "prior", "prior_high", "prior_low",
    "rolling_max", "rolling_min", "rolling_rank", "rolling_std", "rows_where", "rsi", "sma", "wilder_atr", "zscore",
]
