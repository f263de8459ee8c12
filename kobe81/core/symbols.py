"""Symbols: one strict pattern, and file names made from them that stay inside their folder."""

import re

from kobe81.core.errors import UsageError

_PATTERN = re.compile(r"[A-Z0-9^_][A-Z0-9.\-_=^]{0,31}")
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"COM{i}" for i in range(10)), *(f"LPT{i}" for i in range(10))}


def parse_symbol(text: str) -> str:
    """The symbol in its one spelling (upper case); UsageError where the text cannot be one."""
    symbol = text.strip().upper()
    if not _PATTERN.fullmatch(symbol) or ".." in symbol:
        raise UsageError(f"{text!r} is not a symbol: 1 to 32 letters, digits and . - _ ^ =, as in AAPL or BRK.B")
    return symbol


def file_stem(symbol: str) -> str:
    """A file name for the symbol, without ending; names that Windows reserves get a trailing underscore."""
    symbol = parse_symbol(symbol)
    return f"{symbol}_" if symbol.split(".")[0] in _RESERVED else symbol
