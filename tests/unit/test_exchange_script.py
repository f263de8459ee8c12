"""Scripts of faults: how they are read, what is refused, and which requests a rule strikes."""

import json
import re
from collections import Counter

import pytest

from kobe81.core.errors import UsageError
from kobe81.execution.exchange.misbehave import Fault, Misbehaviour, Rule, Script, parse_script, read_script

DUE = [
    ({}, [1, 2, 3, 4, 5, 6]),
    ({"nth": (2, 5)}, [2, 5]),
    ({"first": 2}, [1, 2]),
    ({"every": 3}, [3, 6]),
    ({"chance": 1.0}, [1, 2, 3, 4, 5, 6]),
    ({"chance": 0.0}, []),
]


@pytest.mark.parametrize(("when", "struck"), DUE)
def test_which_occurrences_are_struck(when, struck):
    """Counted from one, over the requests that the rule matches and no others."""
    under = Misbehaviour(Script((Rule(Fault.HTML, "POST", "/v2/orders*", **when),)))
    found = []
    for n in range(1, 7):
        assert under.due("GET", "/v2/orders") == under.due("POST", "/v2/account") == []
        found += [n] * len(under.due("POST", "/v2/orders/x"))
    assert found == struck


def test_chance_is_the_seeds():
    """One in four of 4,000 within four standard errors (0.0068 each); the same for the same seed, another for
    another."""
    def struck(seed):
        under = Misbehaviour(Script((Rule(Fault.HTML, chance=0.25),), seed))
        return [bool(under.due("GET", "/")) for _ in range(4000)]

    assert abs(sum(struck(1)) / 4000 - 0.25) <= 4 * 0.0068
    assert struck(1) == struck(1)
    assert struck(1) != struck(2)


def test_two_rules_of_chance_are_independent():
    """Both strike about 1 in 4 times, one alone as often as the other."""
    under = Misbehaviour(Script((Rule(Fault.HTML, chance=0.5), Rule(Fault.CUT, chance=0.5))))
    counts = Counter(tuple(rule.fault for rule in under.due("GET", "/")) for _ in range(4000))
    assert all(abs(count - 1000) <= 4 * 27.4 for count in counts.values())
    assert len(counts) == 4


def test_requests_and_trade_updates_do_not_strike_each_others_rules():
    under = Misbehaviour(Script((Rule(Fault.LOSE), Rule(Fault.LOSE, "STREAM"))))
    assert [rule.method for rule in under.due("STREAM", "fill")] == ["STREAM"]
    assert [rule.method for rule in under.due("GET", "/v2/orders")] == ["*"]


# ------------------------------------------------------------------------------------------------ scripts

TOML = """
seed = 7
[[rules]]
fault = "status"
status = 504
when = "after"
method = "POST"
path = "/v2/orders"
nth = [1, 2]
[[rules]]
fault = "rename"
chance = 0.5
fields = {id = "order_id"}
"""


def test_a_script_from_a_file(tmp_path):
    """TOML and JSON of the same words are the same script."""
    wanted = Script((Rule(Fault.STATUS, "POST", "/v2/orders", nth=(1, 2), when="after", status=504),
                     Rule(Fault.RENAME, chance=0.5, fields={"id": "order_id"})), 7)
    rules = [{"fault": "status", "status": 504, "when": "after", "method": "POST", "path": "/v2/orders",
              "nth": [1, 2]},
             {"fault": "rename", "chance": 0.5, "fields": {"id": "order_id"}}]
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "a.json").write_text(json.dumps({"rules": rules, "seed": 7}))
    assert read_script(tmp_path / "a.toml") == read_script(tmp_path / "a.json") == wanted


WRONG = {
    "{": "truncated", "[]": "Expected `object`", '{"rule": []}': "unknown field `rule`",
    '{"rules": [{"fault": "explode"}]}': "known faults: status, delay",
    '{"rules": [{"fault": "html", "mehtod": "GET"}]}': "unknown field `mehtod`",
    '{"rules": [{"fault": "html", "status": 504}]}': "status means nothing to it",
    '{"rules": [{"fault": "delay"}]}': "seconds is missing",
    '{"rules": [{"fault": "redirect"}]}': "to is missing",
    '{"rules": [{"fault": "delay", "seconds": -1}]}': "not between 0 and 3600",
    '{"rules": [{"fault": "status", "status": 200}]}': "not between 400 and 599",
    '{"rules": [{"fault": "html", "nth": [0]}]}': "counted from 1",
    '{"rules": [{"fault": "html", "first": -1}]}': "counted from 1",
    '{"rules": [{"fault": "html", "every": 2, "chance": 0.0}]}': "exclude each other",
    '{"rules": [{"fault": "html", "chance": 1.5}]}': "not between 0 and 1",
    '{"rules": [{"fault": "cut", "method": "STREAM"}]}': "only have the faults delay, lose, reorder, repeat",
    '{"rules": [{"fault": "busy", "reset": "+soon"}]}': "reset '+soon'",
    '{"rules": [{"fault": "redirect", "to": "a\\r\\nb"}]}': "one line",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_a_wrong_script_is_refused(text, said, tmp_path):
    """With what is wrong in it, and in which file."""
    with pytest.raises(UsageError, match=re.escape(said)):
        parse_script(text.encode())
    (tmp_path / "faults.json").write_text(text)
    with pytest.raises(UsageError, match=r"faults\.json: not a script of faults"):
        read_script(tmp_path / "faults.json")


def test_nan_is_no_setting():
    """TOML can write it; no comparison lets it through."""
    for setting in ("seconds = nan", "seconds = 1.0\nchance = nan"):
        with pytest.raises(UsageError, match="nan is not between"):
            parse_script(f'[[rules]]\nfault = "delay"\n{setting}'.encode(), toml=True)


def test_a_missing_script_is_said(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_script(tmp_path / "none.toml")
