"""The kill switch, as a decision sees it. The broker's adapter looks at the file itself, at its last step."""

from __future__ import annotations

from dataclasses import dataclass

from kobe81.core.gates import ENTRY, EVERY, Circumstances, Gate, Proposal, Verdict


@dataclass(frozen=True)
class KillSwitch(Gate):
    """Nothing passes while the switch exists, except exits where a person has said reduce-only."""

    legs = EVERY
    reads = ("killed",)
    optional = ("reduce_only",)

    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        if seen.killed is False:
            return self.allow("KILL_SWITCH does not exist")
        if order.leg in ENTRY or seen.reduce_only is not True:
            return self.deny("KILL_SWITCH exists; lift it with: kobe resume")
        return self.allow("KILL_SWITCH exists; exits pass, because reduce-only was said")
