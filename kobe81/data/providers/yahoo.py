"""Yahoo: US stocks over decades, adjusted for splits, without a key, through yfinance."""

from __future__ import annotations

import warnings
from datetime import date, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kobe81.core.errors import MissingExtra, Refused, Unavailable
from kobe81.data.providers import Manners
from kobe81.data.providers.http import Reply, check_address, excerpt, persist, read_json, refuse, throttle
from kobe81.data.providers.rows import tidy

if TYPE_CHECKING:
    import polars as pl

_CHART = "/v8/finance/chart/"
_CRUMB = {401, 403}
"""What a stale crumb is answered with; yfinance takes another and asks again."""


class Yahoo:
    """Yahoo promises no rate and throttles without warning, so it is asked once a second."""

    name = "yahoo"
    base = "https://query2.finance.yahoo.com"
    adjustment = "splits"
    needs_key: tuple[str, ...] | None = None
    calls_per_minute: int | None = 60
    calendar = "XNYS"

    def __init__(self, key: str | None = None, base: str = base, manners: Manners = Manners()) -> None:  # noqa: B008
        self._base, self._manners = check_address(base), manners
        self._throttle = throttle(self.calls_per_minute, manners.period)
        self._session: Any = None

    def daily(self, symbol: str, first: date, last: date) -> pl.DataFrame:
        """See Provider.daily."""
        about = f"{self.name} {symbol}"
        table = persist(lambda: self._history(about, symbol, first, last), self._manners)
        columns = {c.lower(): table[c].tolist() for c in ("Open", "High", "Low", "Close", "Volume")}
        return tidy(about, {"date": [stamp.date() for stamp in table.index], **columns}, first, last)

    def _history(self, about: str, symbol: str, first: date, last: date) -> Any:
        """What yfinance makes of Yahoo's chart: a pandas frame, prices adjusted for splits alone."""
        client = self._client()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # yfinance uses what newer releases of pandas deprecate
                ticker = client.Ticker(symbol.replace(".", "-"), session=self._session)
                return ticker.history(start=first, end=last + timedelta(days=1), interval="1d", auto_adjust=False,
                                      actions=False, timeout=self._manners.deadline)
        except client.exceptions.YFException as error:
            raise Refused(f"{about}: {error}; check the symbol and the dates") from error
        except OSError as error:  # what curl_cffi's errors are
            raise Unavailable(f"{about}: no whole answer ({error}); try again later or use another source") from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Unavailable(f"{about}: a chart that yfinance cannot read ({error!r}); use another source") from error

    def _client(self) -> Any:
        try:
            client = import_module("yfinance")
        except ImportError as error:
            raise MissingExtra("the source yahoo", "yahoo") from error
        client.config.debug.hide_exceptions = False  # or it logs what went wrong and returns an empty frame
        if self._manners.folder is not None:
            client.set_tz_cache_location(str(self._manners.folder))
        self._session = self._session or self._guarded_session()
        return client

    def _guarded_session(self) -> Any:
        """A session for yfinance that keeps our deadline, size limit and rate, asks only Yahoo (or, in its place, the
        address given), follows no redirect, and refuses a chart that is none before yfinance guesses what it means."""
        curl = import_module("curl_cffi")

        def request(session: Any, method: str, url: str, **options: Any) -> Any:
            chart = urlsplit(url).path.startswith(_CHART)
            if chart:
                self._throttle()
            options |= {"timeout": self._manners.deadline, "allow_redirects": False}
            answer = curl.requests.Session.request(session, method, self._address(url), **options)
            if chart and answer.status_code not in _CRUMB:
                _check(urlsplit(url).path.removeprefix(_CHART), answer, self._manners)
            return answer

        limit = {curl.CurlOpt.MAXFILESIZE_LARGE: self._manners.body_cap}
        return type("Session", (curl.requests.Session,), {"request": request})(impersonate="chrome", curl_options=limit)

    def _address(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" or not (parts.hostname or "").endswith(".yahoo.com"):
            raise Refused(f"yahoo: will not ask {parts.netloc}, which is not Yahoo's")
        if self._base == Yahoo.base:
            return url
        ours = urlsplit(self._base)
        return parts._replace(scheme=ours.scheme, netloc=ours.netloc).geturl()


def _check(symbol: str, answer: Any, manners: Manners) -> None:
    """Raise what an answer that holds no chart means."""
    about = f"yahoo {symbol}"
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status_code >= 500 or 300 <= answer.status_code < 400 or answer.status_code == 429:
        refuse(about, answer.status_code, headers, excerpt(answer.content), manners)
    body = read_json(about, Reply(headers, answer.content))
    chart = body.get("chart") if isinstance(body, dict) else None
    if not isinstance(chart, dict):
        raise Unavailable(f"{about}: answered with JSON that holds no chart; use another source")
    if chart.get("error"):
        raise Refused(f"{about}: {chart['error'].get('description')}; check the symbol and the dates")
