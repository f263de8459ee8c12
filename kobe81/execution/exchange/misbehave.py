"""Answers that go wrong, by script: which requests, what happens to them, and the same each time for the same seed.

    [[rules]]                      # the first two orders are accepted, and the sender is told 504
    fault = "status"
    status = 504
    when = "after"
    method = "POST"
    path = "/v2/orders"
    nth = [1, 2]

A script is a TOML or JSON file of that form, or the JSON body of POST /_script. Trade updates are matched as well:
their method is STREAM, their path the event, as in `method = "STREAM"`, `path = "fill"`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from kobe81.core.errors import UsageError
from kobe81.execution.exchange.wire import NOT_FOUND, Request, Response, reply

STREAM = "STREAM"
"""The method by which a rule means trade updates."""

LONGEST_PAUSE = 3600.0
BUSY = {"code": 42910000, "message": "rate limit exceeded"}
BY_CLIENT_ID = "/v2/orders:by_client_order_id"
_LINE, _RESET = re.compile(r"[ -~]*"), re.compile(r"\+\d{1,9}|(?!\+)[ -~]*")
"""What a header can hold, so that no script writes headers of its own."""
PAGE = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class Fault(StrEnum):
    """What can happen. Before and after mean: before or after the exchange has handled the request."""

    STATUS = "status"
    "Before or after: the answer has this status and says nothing of the order."
    DELAY = "delay"
    "Before or after: `seconds` pass, whether the sender waits for them or not. A trade update comes that much later."
    HANG = "hang"
    "Before or after: no answer ever comes; the connection stays open."
    CUT = "cut"
    "Before or after: the connection is reset, and no byte of an answer was sent."
    BUSY = "busy"
    "429 instead of handling. `reset` stands in X-RateLimit-Reset as it is; '+2' means in 2 s; empty: no such header."
    REDIRECT = "redirect"
    "307 `to` elsewhere instead of handling."
    UNKNOWN = "unknown"
    "404 to a look-up by client order id, whether there is such an order or not; occurrences are counted for each id."
    RENAME = "rename"
    "The `fields` of the answer, at every depth, have other names; those with an empty name are left out."
    HTML = "html"
    "The answer has its status, but its body is a page for people."
    TRUNCATE = "truncate"
    "The body is the first half of itself, rightly announced."
    LENGTH = "length"
    "The body is announced `by` bytes longer than it is (shorter, where negative), then the connection is closed."
    DRIP = "drip"
    "The body comes one byte every `seconds`."
    REPEAT = "repeat"
    "Every entry of a list comes twice; a trade update comes twice."
    REORDER = "reorder"
    "The entries of a list come last first; a trade update comes after the one that follows it."
    LOSE = "lose"
    "The first entry of a list is missing; a trade update is never sent."


USES: dict[Fault, set[str]] = {
    Fault.STATUS: {"status", "when"}, Fault.DELAY: {"seconds", "when"}, Fault.HANG: {"when"}, Fault.CUT: {"when"},
    Fault.BUSY: {"reset"}, Fault.REDIRECT: {"to"}, Fault.RENAME: {"fields"}, Fault.LENGTH: {"by"},
    Fault.DRIP: {"seconds"},
}  # fmt: skip
"""The settings beside those that say which requests; a rule with any other is refused."""
NEEDS = {Fault.DELAY: "seconds", Fault.DRIP: "seconds", Fault.REDIRECT: "to", Fault.RENAME: "fields"}
STREAMED = {Fault.DELAY, Fault.REPEAT, Fault.REORDER, Fault.LOSE}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault and the requests it strikes: those of the method and path that are due by at most one of nth, first,
    every and chance; without any of them, all."""

    fault: Fault
    method: str = "*"
    path: str = "*"
    "A pattern in which * stands for anything, as /v2/orders*."
    nth: tuple[int, ...] = ()
    "These occurrences, from 1."
    first: int = 0
    "The first so many."
    every: int = 0
    "Every so manieth."
    chance: float | None = None
    "Each with this probability, drawn from the script's seed."
    when: Literal["before", "after"] = "before"
    status: int = 500
    seconds: float = 0.0
    reset: str = ""
    to: str = ""
    by: int = 64
    fields: dict[str, str] = {}

    def __post_init__(self) -> None:
        wrong = self._wrong_selection() or self._wrong_settings()
        if wrong:
            raise ValueError(f"the rule {self.fault} {self.method} {self.path}: {wrong}")

    def _wrong_selection(self) -> str:
        ways = [name for name in ("nth", "first", "every") if getattr(self, name)]
        if len(ways) + (self.chance is not None) > 1:
            return "nth, first, every and chance exclude each other; keep one"
        if not all(n >= 1 for n in (*self.nth, self.first or 1, self.every or 1)):
            return "occurrences are counted from 1"
        if self.chance is not None and not 0.0 <= self.chance <= 1.0:
            return f"chance {self.chance} is not between 0 and 1"
        if self.method == STREAM and self.fault not in STREAMED:
            return f"a trade update can only have the faults {', '.join(sorted(STREAMED))}"
        return ""

    def _wrong_settings(self) -> str:
        used = USES.get(self.fault, set())
        for name in {name for names in USES.values() for name in names} - used:
            if getattr(self, name) != DEFAULTS[name]:
                return f"{name} means nothing to it; leave it out"
        needed = NEEDS.get(self.fault)
        if needed and not getattr(self, needed):
            return f"{needed} is missing"
        if not 0.0 <= self.seconds <= LONGEST_PAUSE:
            return f"seconds {self.seconds} is not between 0 and {LONGEST_PAUSE:g}"
        if not _RESET.fullmatch(self.reset):
            return f"reset {self.reset!r} is neither +SECONDS nor one line of ASCII"
        if not _LINE.fullmatch(self.to):
            return f"to {self.to!r} is not one line of ASCII"
        return "" if 400 <= self.status <= 599 else f"status {self.status} is not between 400 and 599"


DEFAULTS = {field.name: {} if field.name == "fields" else field.default for field in msgspec.structs.fields(Rule)}


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rules, in the order in which they are applied, and the seed of those that go by chance."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0


def parse_script(text: bytes, *, toml: bool = False) -> Script:
    """The script a JSON or TOML text holds; UsageError for anything else."""
    try:
        return msgspec.convert(tomllib.loads(text.decode()), Script) if toml else msgspec.json.decode(text, type=Script)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not a script of faults: {error}; known faults: {', '.join(Fault)}") from error


def read_script(path: Path) -> Script:
    """The script in a file; one that ends in .toml is TOML, any other JSON."""
    try:
        return parse_script(path.read_bytes(), toml=path.suffix == ".toml")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a script of faults ({error.strerror})") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


class Misbehaviour:
    """A script under way: it counts what each rule has matched."""

    def __init__(self, script: Script) -> None:
        self.follow(script)

    def follow(self, script: Script) -> None:
        """Another script from now on; its counts begin at none."""
        self.script, self._seen = script, Counter[tuple[int, str]]()

    def due(self, method: str, path: str, client_order_id: str = "") -> list[Rule]:
        """The rules that strike this request, which counts as one occurrence for every rule that matches it."""
        return [rule for place, rule in enumerate(self.script.rules)
                if _matches(rule, method, path, client_order_id) and self._is_due(place, rule, client_order_id)]

    def _is_due(self, place: int, rule: Rule, client_order_id: str) -> bool:
        key = (place, client_order_id if rule.fault is Fault.UNKNOWN else "")
        self._seen[key] += 1
        count = self._seen[key]
        if rule.chance is not None:
            return _draw(self.script.seed, place, count) < rule.chance
        return count in rule.nth or count <= rule.first or bool(rule.every and count % rule.every == 0) or not (
            rule.nth or rule.first or rule.every)


def _matches(rule: Rule, method: str, path: str, client_order_id: str) -> bool:
    if rule.fault is Fault.UNKNOWN and not (client_order_id and path == BY_CLIENT_ID):
        return False
    if (method == STREAM) != (rule.method == STREAM):
        return False
    return rule.method in {"*", method} and fnmatchcase(path, rule.path)


def _draw(seed: int, place: int, count: int) -> float:
    """A number in [0, 1) that depends on nothing else, so that neither threads nor other rules change it."""
    found = hashlib.blake2b(f"{seed}/{place}/{count}".encode(), digest_size=8).digest()
    return (int.from_bytes(found) >> 11) / 2**53


def pause(rules: Sequence[Rule], when: str) -> float:
    """Seconds to wait before or after the exchange handles the request."""
    return math.fsum(rule.seconds for rule in rules if rule.fault is Fault.DELAY and rule.when == when)


def silence(rules: Sequence[Rule], when: str) -> Fault | None:
    """HANG or CUT, where there is to be no answer."""
    return next((r.fault for r in rules if r.fault in {Fault.HANG, Fault.CUT} and r.when == when), None)


def instead(request: Request, rules: Sequence[Rule], epoch: float) -> Response | None:
    """The answer to a request that the exchange never sees; None where it does. epoch: the wall clock, for resets."""
    for rule in rules:
        if rule.fault is Fault.STATUS and rule.when == "before":
            return reply(rule.status, {"message": f"scripted {rule.status} before handling"})
        if rule.fault is Fault.BUSY:
            busy = reply(429, BUSY)
            return busy._replace(headers=busy.headers | _reset(rule.reset, epoch))
        if rule.fault is Fault.REDIRECT:
            return Response(307, {"Location": rule.to}, b"")
        if rule.fault is Fault.UNKNOWN:
            wanted = request.query.get("client_order_id", "")
            return reply(404, {"code": NOT_FOUND, "message": f"order not found for {wanted}"})
    return None


def _reset(text: str, epoch: float) -> dict[str, str]:
    if not text:
        return {}
    value = str(math.ceil(epoch + float(text))) if text.startswith("+") else text
    return {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": value}


def spoiled(response: Response, rules: Sequence[Rule]) -> Response:
    """What becomes of an answer, the rules applied in their order."""
    for rule in rules:
        if rule.fault is Fault.STATUS and rule.when == "after":
            response = reply(rule.status, {"message": f"scripted {rule.status} after handling"})
        elif rule.fault in _SPOIL:
            response = _SPOIL[rule.fault](response, rule)
    return response


def _html(response: Response, rule: Rule) -> Response:
    return response._replace(headers={**response.headers, "Content-Type": "text/html"}, body=PAGE)


def _truncated(response: Response, rule: Rule) -> Response:
    return response._replace(body=response.body[: len(response.body) // 2])


def _renamed(response: Response, rule: Rule) -> Response:
    return _changed(response, lambda value: _rename(value, rule.fields))


def _rename(value: Any, fields: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_rename(entry, fields) for entry in value]
    if isinstance(value, dict):
        return {fields.get(k, k): _rename(v, fields) for k, v in value.items() if fields.get(k, k)}
    return value


def _relisted(how: Callable[[list[Any]], list[Any]]) -> Callable[[Response, Rule], Response]:
    """A change of the answers that are lists; others stay as they are."""
    return lambda response, rule: _changed(response, lambda v: how(v) if isinstance(v, list) else v)


def _changed(response: Response, change: Callable[[Any], Any]) -> Response:
    try:
        value = json.loads(response.body)
    except ValueError:  # nothing, or what another rule has left of it
        return response
    return response._replace(body=json.dumps(change(value)).encode())


_SPOIL: dict[Fault, Callable[[Response, Rule], Response]] = {
    Fault.HTML: _html,
    Fault.TRUNCATE: _truncated,
    Fault.RENAME: _renamed,
    Fault.REPEAT: _relisted(lambda entries: [e for entry in entries for e in (entry, entry)]),
    Fault.REORDER: _relisted(lambda entries: entries[::-1]),
    Fault.LOSE: _relisted(lambda entries: entries[1:]),
}
