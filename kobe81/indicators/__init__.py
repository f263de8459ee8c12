"""Indicators: columns in, columns out, all symbols at once; each symbol stands alone. See `columns` for the rules."""

from kobe81.indicators.averages import prior, sma
from kobe81.indicators.extremes import donchian, prior_high, prior_low, rolling_max, rolling_min
from kobe81.indicators.wilder import wilder_atr

__all__ = ["donchian", "prior", "prior_high", "prior_low", "rolling_max", "rolling_min", "sma", "wilder_atr"]
