"""kobe experiments."""

from __future__ import annotations

import json as json_
import sys

from kobe81.core.errors import KobeError, UsageError

SHORT = {"walk_forward": "wf", "backtest": ""}
"""How a kind of run is told in a narrow column."""


def list_(*, json: bool = False) -> None:
    """The registered runs, latest first.

    Parameters
    ----------
    json
        Print JSON.
    """
    from kobe81.app.runs import registry
    from kobe81.reports import terminal

    kept = registry()
    runs = kept.experiments()
    if json:
        _print([_plain(e) for e in runs])
        return
    rows = [[e.run_id, e.created[:10], f"{e.inputs.strategy} {SHORT.get(e.inputs.kind, e.inputs.kind)}",
             str(e.inputs.data["data"]).rpartition("/")[2], terminal.say(e.figures["trades"], "count"),
             terminal.say(e.figures["sharpe"], "ratio")] for e in runs]
    columns = ["run", "made", "of", "data", "trades", "Sharpe"]
    terminal.show(terminal.table(f"{len(rows):,} runs in {kept.folder}", columns, rows, left=4))
    families = sorted({(e.inputs.data_hash, e.inputs.strategy) for e in runs})
    counts = [[strategy, data.removeprefix("sha256:")[:12], terminal.say(kept.trials(data, strategy), "count")]
              for data, strategy in families]
    terminal.show(terminal.table("Parameter sets tried, by strategy and data", ["strategy", "data", "sets"], counts, 2))


def show(run: str, *, json: bool = False) -> None:
    """One run: inputs, outputs, figures.

    Parameters
    ----------
    run
        Its id, or the beginning of it.
    json
        Print JSON.
    """
    from kobe81.app.runs import registry
    from kobe81.reports import terminal

    kept = registry()
    found = kept.get(run)
    if json:
        _print(_plain(found))
        return
    damaged = list(kept.damaged(found))
    facts = {"run": found.run_id, "made": found.created, "folder": str(found.folder), "kind": found.inputs.kind,
             "strategy": found.inputs.strategy, **{f"data {k}": str(v) for k, v in found.inputs.data.items() if v},
             **{k.replace("_", " "): str(v) for k, v in found.inputs.made_from.items()},
             "config": json_.dumps(found.inputs.config, default=str),
             "outputs": f"{len(found.outputs)} files, " + (f"DAMAGED: {', '.join(damaged)}" if damaged else "sound"),
             **{k: _figure(v) for k, v in found.figures.items()}}
    terminal.show(terminal.pairs(facts))


def compare(*runs: str, json: bool = False) -> None:
    """Two or more runs side by side.

    Parameters
    ----------
    runs
        Their ids.
    json
        Print JSON.
    """
    from kobe81.app.runs import registry
    from kobe81.reports import terminal

    if len(runs) < 2:
        raise UsageError("give two runs or more; see: kobe experiments list")
    found = [registry().get(run) for run in runs]
    if json:
        _print([_plain(e) for e in found])
        return
    inputs = {e.run_id: {**_flat(e.inputs.config), **e.inputs.made_from, "strategy": e.inputs.strategy,
                         "kind": e.inputs.kind} for e in found}
    names = sorted({k for values in inputs.values() for k in values})
    differ = [[k, *(str(inputs[e.run_id].get(k, "–")).removeprefix("sha256:")[:20] for e in found)] for k in names
              if len({str(inputs[e.run_id].get(k)) for e in found}) > 1]
    figures = [[k, *(_figure(e.figures.get(k)) for e in found)] for k in found[0].figures]
    columns = ["", *(e.run_id for e in found)]
    terminal.show(terminal.table("Inputs that differ", columns, differ), terminal.table("Figures", columns, figures))


def verify(run: str) -> None:
    """Run again and compare the outputs byte by byte; exit code 1 where they differ.

    Parameters
    ----------
    run
        Its id, or the beginning of it.
    """
    from kobe81.app.again import run_again
    from kobe81.app.runs import registry
    from kobe81.core.hashing import digest
    from kobe81.reports import terminal

    kept = registry()
    found = kept.get(run)
    damaged = list(kept.damaged(found))
    if damaged:
        raise KobeError(f"run {found.run_id}: {len(damaged)} registered files were changed or removed: "
                        f"{', '.join(damaged[:5])}. Remove {found.folder} and run again")
    again = run_again(found)
    files = again.files
    differ = [name for name, content in files.items() if found.outputs.get(name) != digest(content)]
    if json_.dumps(again.analysis.figures, default=str) != json_.dumps(dict(found.figures)):
        differ.append("run.json")
    if differ or set(files) != set(found.outputs):
        raise KobeError(f"run {found.run_id}: {len(differ)} of {len(files)} files came out differently, "
                        f"first {(differ or ['the list of files'])[0]}; the registered ones are in {found.folder}. "
                        "Either that folder was edited, or the program does not repeat itself: tell its makers")
    terminal.show(f"run {found.run_id}: {len(files)} files made again, every byte the same")


def _plain(experiment: object) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(experiment)  # type: ignore[call-overload, no-any-return]


def _flat(values: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(values, dict):
        return {prefix: values}
    return {k: v for key, value in values.items() for k, v in _flat(value, f"{prefix}.{key}".lstrip(".")).items()}


def _figure(value: object) -> str:
    return "–" if value is None else f"{value:,.4f}" if isinstance(value, float) else str(value)


def _print(values: object) -> None:
    sys.stdout.write(json_.dumps(values, indent=2, default=str) + "\n")
