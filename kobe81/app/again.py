"""A registered run, run again from its record."""

from __future__ import annotations

from datetime import date
from typing import Any

from kobe81.app import home
from kobe81.app.analysis import Setup
from kobe81.app.opening import open_market
from kobe81.app.options import DataOptions
from kobe81.app.runs import run_backtest, run_walk_forward
from kobe81.backtest.engine import Account
from kobe81.backtest.files import Files
from kobe81.backtest.walk_forward import Plan, walk_forward
from kobe81.core.errors import KobeError
from kobe81.core.params import with_values
from kobe81.experiments.registry import Experiment
from kobe81.strategies import strategy


def run_again(experiment: Experiment) -> Files:
    """The files the run makes today; KobeError where its data or the code are no longer the same."""
    inputs = experiment.inputs
    if inputs.code_version != home.code_version():
        raise KobeError(f"run {experiment.run_id} was made by code {inputs.code_version}, this is "
                        f"{home.code_version()}; install that version to verify it")
    market = open_market(_data(inputs.data))
    if market.data_hash != inputs.data_hash:
        raise KobeError(f"run {experiment.run_id}: {inputs.data['data']} now holds other bars ({market.data_hash}) than "
                        f"those the run was made of ({inputs.data_hash})")
    config = inputs.config
    setup = Setup(strategy(inputs.strategy, config["strategy"]), with_values(Account(), config["account"]),
                  config["plan"], config["grid"])
    if inputs.kind == "backtest":
        return run_backtest(market, setup, inputs.seed).files
    plan = with_values(Plan(), config["plan"])
    return run_walk_forward(market, setup, inputs.seed, None,
                            lambda m, s: walk_forward(m.bars, s.strategy, s.grid, s.account, plan)).files


def _data(reference: Any) -> DataOptions:
    dates = {k: date.fromisoformat(reference[k]) for k in ("start", "end") if reference.get(k)}
    return DataOptions(**{**reference, **dates})
