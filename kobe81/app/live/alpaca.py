"""Alpaca as the market: its account, its quotes; and the three things that must agree before real money is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

from kobe81.app.live.config import LiveConfig
from kobe81.app.live.station import Market
from kobe81.core.bars import Bars
from kobe81.core.clock import Clock
from kobe81.core.errors import KobeError, UsageError
from kobe81.core.ports import BrokerError, KillSwitch
from kobe81.execution.alpaca_call import Call, Wire, read
from kobe81.execution.alpaca_feed import AlpacaFeed
from kobe81.execution.alpaca_http import DATA, LIVE, PAPER, HttpWire, Keys, check_pairing
from kobe81.execution.alpaca_wire import account as as_account
from kobe81.execution.broker_alpaca import AlpacaBroker

NEVER_OFF = ("kill_switch", "policy_gate", "prohibited_list", "price_collar", "order_rate", "circuit_breaker")
"""Gates that real money is not traded without."""


def address(config: LiveConfig, mode: str) -> str:
    """Where orders go."""
    return config.broker.url or (LIVE if mode == "live" else PAPER)


def check_agreement(config: LiveConfig, mode: str, keys: Keys, account: str | None) -> str:
    """UsageError where mode, address, key and account do not agree; otherwise what could not be told, or "".

    Nothing is asked of anybody yet; what the broker says of the account is compared by `open_account`.
    """
    if mode == "live" and not account:
        raise UsageError("--mode live trades with real money, and wants --account NUMBER, the number of that account "
                         "as Alpaca's page shows it")
    if mode == "live":
        config.rules("").require(*NEVER_OFF)
    return check_pairing(mode, address(config, mode), keys.id)


def open_account(wire: Wire, clock: Clock, account: str | None) -> str:
    """The account's number, by the broker; KobeError where it refuses the key, UsageError where it is another."""
    try:
        found = read(wire, clock, Call("GET", "/v2/account"), as_account)
    except BrokerError as error:
        if error.status in {401, 403}:
            raise KobeError(f"the broker refuses the key ({error}); nothing was started. Compare it with the one on "
                            f"Alpaca's page of that account, or make a new one") from None
        raise
    if account and account != found.number:
        raise UsageError(f"--account {account} was given, and the key belongs to {found.number}; nothing was started")
    if found.status != "ACTIVE":
        raise KobeError(f"account {found.number} is {found.status}, not ACTIVE; see Alpaca's page of that account")
    return found.number


def alpaca(config: LiveConfig, mode: str, keys: Keys, clock: Clock, bars: Callable[[], Bars], number: str, *,
           reduce_only: bool = False) -> Market:
    """The market of a real account, live or paper."""
    wire = HttpWire(address(config, mode), keys, clock)

    def broker(switch: KillSwitch) -> AlpacaBroker:
        return AlpacaBroker(wire, clock, switch)

    return Market(broker, alpaca_feed(config, keys, clock), bars, config.strategies,
                  config.rules(number, reduce_only=reduce_only), mode)


def alpaca_feed(config: LiveConfig, keys: Keys, clock: Clock) -> AlpacaFeed:
    """Alpaca's quotes, or those of the local exchange that stands for it."""
    source = cast(Literal["iex", "sip"], config.broker.feed)
    return AlpacaFeed(HttpWire(config.broker.url or DATA, keys, clock), clock, source)
