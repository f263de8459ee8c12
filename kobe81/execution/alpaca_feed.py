"""Alpaca's market data: the latest quote and trade of many symbols at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from kobe81.core.clock import Clock
from kobe81.core.decisions import Quote
from kobe81.core.ports import BrokerError
from kobe81.execution import alpaca_wire
from kobe81.execution.alpaca_call import Call, Wire, read

BATCH = 100
"""Symbols a request, so that its address stays short enough for every proxy."""


class AlpacaFeed:
    """Quotes of `iex` (free, one exchange of many) or `sip` (all of them, a paid plan). wire: to the data address."""

    def __init__(self, wire: Wire, clock: Clock, source: Literal["iex", "sip"]) -> None:
        self.name, self._wire, self._clock, self._source = f"alpaca-{source}", wire, clock, source

    def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """The latest quotes. A symbol without a bid, an ask or a last trade is absent."""
        wanted = list(dict.fromkeys(symbols))
        found: dict[str, Quote] = {}
        for first in range(0, len(wanted), BATCH):
            found |= self._quotes(wanted[first : first + BATCH])
        return {symbol: found[symbol] for symbol in wanted if symbol in found}

    def _quotes(self, batch: Sequence[str]) -> dict[str, Quote]:
        call = Call("GET", "/v2/stocks/snapshots", {"symbols": ",".join(batch), "feed": self._source})
        try:
            return read(self._wire, self._clock, call, alpaca_wire.quotes)
        except BrokerError as error:
            if error.status == 403 and self._source == "sip":
                raise BrokerError(f"{error}; sip needs a paid plan, iex comes with every account", 403) from None
            raise
