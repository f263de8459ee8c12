"""The simulation as a program: so many crash points, the seeded bugs, and one closing line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from tests.simulation.bugs import BUGS, Bug
from tests.simulation.crashes import Tally, explore
from tests.simulation.races import races
from tests.simulation.world import Masks

RESULTS = Path(__file__).with_name("results.json")
RACES = 50
SEEDS = 60
"""Seeds in which a seeded bug must be found."""
SHOWN = 10


def crash(points: int, seed: int, masks: Masks = Masks(), tell: Callable[[Tally], None] = lambda so_far: None) -> Tally:  # noqa: B008
    """At least so many crash points, seed after seed."""
    total = Tally(0, 0, [])
    while total.points < points:
        for some in explore(seed, masks):
            total = Tally(total.points + some.points, total.lives + some.lives, total.wrong + some.wrong)
            tell(total)
            if total.points >= points:
                break
        seed += 1
    return total


def find(bug: Bug, *, unmasked: bool = True) -> str:
    """The first thing that the bug makes go wrong, "" where nothing does."""
    with bug.planted(unmasked=unmasked):
        if bug.race:
            return next(iter(races(RACES)), "")
        return _first_wrong(bug.masks if unmasked else Masks())


def _first_wrong(masks: Masks) -> str:
    for seed in range(1, SEEDS + 1):
        for some in explore(seed, masks):
            if some.wrong:
                return some.wrong[0][3]
    return ""


def main() -> None:
    """Run it; exit code 1 where anything does not hold, or a bug is not found."""
    options = _options()
    began = monotonic()
    total = crash(options.points, options.seed, tell=_progress(began, options.points))
    took = monotonic() - began
    found = {bug.name: find(bug) for bug in BUGS}
    lost = races(RACES)
    wrong = [*(f"seed {s}, point {p} ({at}): {text}" for s, p, at, text in total.wrong), *lost]
    result = {
        "seed": options.seed, "points": total.points, "lives": total.lives, "violations": len(wrong),
        "seconds": round(took, 1), "races": RACES, "bugs": found, "bugs_found": sum(map(bool, found.values()))}
    _close(options, result, wrong)
    sys.exit(1 if wrong or not all(found.values()) else 0)


def line(result: dict[str, Any]) -> str:
    """What was run, in one line."""
    return (f"{result['points']:,} crash points, {result['violations']} violations, "
            f"{result['bugs_found']}/{len(result['bugs'])} seeded bugs found ({result['seconds']:.0f} s)")


def _close(options: argparse.Namespace, result: dict[str, Any], wrong: list[str]) -> None:
    if options.record:
        RESULTS.write_text(json.dumps({**result, "line": line(result)}, indent=2) + "\n", encoding="utf-8")
    for text in [*wrong[:SHOWN], *(f"not found: {name}" for name, text in result["bugs"].items() if not text)]:
        print(text, file=sys.stderr)
    print(json.dumps(result) if options.json else line(result))


def _progress(began: float, points: int) -> Callable[[Tally], None]:
    def tell(so_far: Tally) -> None:
        if sys.stderr.isatty():
            pace = so_far.points / max(monotonic() - began, 1e-9)
            print(f"\r{so_far.points:,} of {points:,} crash points, {len(so_far.wrong)} violations, {pace:.0f}/s",
                  end="\r" if so_far.points < points else "\n", file=sys.stderr)

    return tell


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--points", type=int, default=10_000, help="crash points, at least")
    parser.add_argument("--seed", type=int, default=1, help="of the first day")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--record", action="store_true", help=f"keep the result in {RESULTS.name}")
    return parser.parse_args()
