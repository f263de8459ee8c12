"""A signal is taken only where the model, or the strategy's own score, is confident enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kobe81.core.gates import Circumstances, Gate, Proposal, Verdict, at_least, known
from kobe81.core.params import param


@dataclass(frozen=True)
class ConfidenceGate(Gate):
    """An entry's confidence, a probability, is at least the floor."""

    reads = ("confidence",)
    stricter: ClassVar[dict[str, int]] = {"floor": 1}

    floor: float = param(0.60, 0.0, 1.0, "confidence, at least")

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        confidence = known(seen.confidence)
        if not (0 <= confidence <= 1):
            return self.deny(f"confidence {confidence} is no probability; the floor is {self.floor:.2f}")
        return self.all_of(at_least("confidence", confidence, self.floor, _two_places))


def _two_places(confidence: float) -> str:
    return f"{confidence:.2f}"
