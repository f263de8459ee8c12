"""A registered run, run again from its record."""

from __future__ import annotations

from datetime import date
from typing import Any

from kobe81.app.analysis import Setup
from kobe81.app.opening import open_market
from kobe81.app.options import DataOptions
from kobe81.app.runs import Run, run_backtests, run_walk_forward
from kobe81.app.versions import code_version
from kobe81.backtest.engine import Account
from kobe81.backtest.walk_forward import Plan, walk_forward
from kobe81.core.errors import KobeError
from kobe81.core.params import with_values
from kobe81.engine.rules import Rules
from kobe81.experiments.registry import Experiment
from kobe81.strategies import strategy


def run_again(experiment: Experiment) -> Run:
    """What the run finds today; KobeError where its data or the code are no longer the same."""
    inputs = experiment.inputs
    rule = strategy(inputs.strategy, inputs.config["strategy"])
    if inputs.code_version != code_version(rule):
        raise KobeError(f"run {experiment.run_id} was made by code {inputs.code_version}, this is "
                        f"{code_version(rule)}; install that version to verify it")
    market = open_market(_data(inputs.data))
    if market.data_hash != inputs.data_hash:
        raise KobeError(f"run {experiment.run_id}: {inputs.data['data']} now holds other bars ({market.data_hash}) "
                        f"than those the run was made of ({inputs.data_hash})")
    config = inputs.config
    setup = Setup(rule, with_values(Account(), config["account"]), config["plan"], config["grid"])
    if inputs.kind == "backtest":
        rules = Rules.of(config["rules"]) if "rules" in config else None
        return run_backtests(market, [setup.strategy], setup.account, inputs.seed, rules=rules)[0]
    plan = with_values(Plan(), config["plan"])
    return run_walk_forward(market, setup, inputs.seed, None,
                            lambda m, s: walk_forward(m.bars, s.strategy, s.grid, s.account, plan))


def _data(reference: Any) -> DataOptions:
    dates = {k: date.fromisoformat(reference[k]) for k in ("start", "end") if reference.get(k)}
    return DataOptions(**{**reference, **dates})
