"""A harness is worth what it finds: every seeded bug is found, and what hides one is harmless by itself."""

from contextlib import nullcontext
from itertools import islice

import pytest

from tests.simulation.bugs import BUGS, Bug
from tests.simulation.crashes import explore
from tests.simulation.soak import find
from tests.simulation.world import Masks

MASKED = [bug for bug in BUGS if bug.masks != Masks()]
LIVES = 150


def _wrong(masks: Masks) -> list[str]:
    return [text for seed in (1, 2) for some in islice(explore(seed, masks), LIVES) for *_, text in some.wrong]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_seeded_bug_is_found(bug: Bug) -> None:
    """Planted in the real code, with nothing before it, it makes an invariant fail."""
    assert find(bug)


@pytest.mark.parametrize("bug", MASKED, ids=lambda bug: bug.name)
def test_the_other_layer_hides_it(bug: Bug) -> None:
    """With the other layer in place the same bug does no harm, which is why that layer is switched off to find it."""
    with bug.planted(unmasked=False):
        assert _wrong(Masks()) == []


@pytest.mark.parametrize("bug", MASKED, ids=lambda bug: bug.name)
def test_without_the_other_layer_nothing_is_wrong(bug: Bug) -> None:
    """It is the bug that is found, and not that its mask is off."""
    with bug.unmask() if bug.unmask else nullcontext():
        assert _wrong(bug.masks) == []


def test_every_bug_says_what_it_is() -> None:
    """At least twelve, each with a sentence, each planted by a function of its own name."""
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 12
    assert all(bug.words.endswith(".") for bug in BUGS)
