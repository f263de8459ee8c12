"""Live quotes for the exchange within: what a feed showed, as prices that orders meet."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from kobe81.app.live.live_quotes import LiveQuotes
from kobe81.app.live.paper import Todays
from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Quote
from kobe81.core.ports import BrokerError
from kobe81.execution.exchange.quotes import BarQuotes

NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


class Script:
    """A feed that gives these answers, one a look; None does not answer."""

    name = "script"

    def __init__(self, *answers):
        self._answers = list(answers)

    def quotes(self, symbols):
        answer = self._answers.pop(0)
        if answer is None:
            raise BrokerError("no answer")
        return dict.fromkeys(symbols, answer)


def quote(middle, at, spread="0.10"):
    half = Decimal(spread) / 2
    return Quote(bid=Decimal(middle) - half, ask=Decimal(middle) + half, last=Decimal(middle), at=at)


def test_live_quotes_are_a_path_through_what_was_seen():
    """At 100 and ten seconds later at 110: a stop at 105 is met half way; a feed that is silent adds nothing."""
    clock = SteppedClock(NOON)
    feed = Script(quote("100", NOON), quote("110", NOON + timedelta(seconds=10)), None)
    quotes = LiveQuotes(feed, BarQuotes.__new__(BarQuotes), clock)
    first = quotes.quote("AAPL", clock.now())
    assert (first.bid, first.ask, first.at) == (Decimal("99.95"), Decimal("100.05"), NOON)
    clock.sleep(10.0)
    (_, leg) = quotes.span("AAPL", NOON, clock.now())
    assert (leg.first, leg.last) == (100, 110)
    assert leg.reaches(Decimal("105")) == NOON + timedelta(seconds=5)
    clock.sleep(10.0)
    assert quotes.quote("AAPL", clock.now()).price == 110
    assert quotes.span("AAPL", NOON + timedelta(seconds=11), clock.now()) == []


def test_live_quotes_ask_at_most_once_a_second():
    """The exchange looks at its prices with every request; the feed is asked once."""
    clock = SteppedClock(NOON)
    quotes = LiveQuotes(Script(quote("100", NOON)), BarQuotes.__new__(BarQuotes), clock)
    assert {quotes.quote("AAPL", NOON).price for _ in range(5)} == {100}


def test_no_leg_goes_through_the_night():
    """What happened between two days is no price that anybody could have traded at."""
    clock = SteppedClock(NOON)
    quotes = LiveQuotes(Script(quote("100", NOON), quote("50", NOON + timedelta(days=1))), BarQuotes.__new__(BarQuotes),
                        clock)
    quotes.quote("AAPL", NOON)
    clock.sleep(86_400.0)
    assert [(leg.first, leg.last) for leg in quotes.span("AAPL", NOON, clock.now())] == [(100, 100), (50, 50)]


def test_yesterdays_quotes_are_no_quotes():
    """A feed made of bars keeps showing the last one; today it has none."""
    clock = SteppedClock(NOON)
    assert Todays(Script(quote("100", NOON - timedelta(days=1))), clock).quotes(["AAPL"]) == {}
    assert Todays(Script(quote("100", NOON)), clock).quotes(["AAPL"])["AAPL"].last == 100
