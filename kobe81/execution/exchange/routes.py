"""Routes: which function answers which call."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from kobe81.execution.exchange.wire import Refusal, Request, Response, malformed

Handler = Callable[..., Response]


class Route(NamedTuple):
    """A method, a path in which {name} stands for one part, and what answers."""

    method: str
    path: str
    handler: Handler

    def match(self, request: Request) -> dict[str, str] | None:
        """The parts of the path by name; None where this is another route's request."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, request.path.rstrip("/"))
        return None if found is None or self.method != request.method else found.groupdict()


def answer(routes: list[Route], request: Request) -> Response:
    """What the first matching route says; Refusal 404 where none does."""
    for route in routes:
        parts = route.match(request)
        if parts is not None:
            return route.handler(request, **parts)
    raise Refusal(404, None, "endpoint not found.")


def choice(request: Request, name: str, known: tuple[str, ...]) -> str:
    """A query parameter that is one of these; the first where it is missing."""
    value = request.query.get(name) or known[0]
    if value not in known:
        raise malformed(f"invalid {name}: {value[:40]!r}, known: {', '.join(known)}")
    return value


def whole(request: Request, name: str, default: int, most: int) -> int:
    """A query parameter that is a whole number from 1 to `most`."""
    value = request.query.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", value) or not 1 <= int(value) <= most:
        raise malformed(f"{name} must be a whole number from 1 to {most}")
    return int(value)


def flag(request: Request, name: str) -> bool:
    """A query parameter that says true or nothing of the sort."""
    return request.query.get(name, "").lower() in {"true", "1"}


def names(request: Request, name: str = "symbols") -> list[str]:
    """A comma-separated query parameter, upper case."""
    return [part.strip().upper() for part in request.query.get(name, "").split(",") if part.strip()]
