"""kobe strategies."""

from __future__ import annotations

import json as json_


def show(name: str | None = None, *, json: bool = False) -> None:
    """The strategies, or the parameters of one.

    Parameters
    ----------
    name
        One strategy.
    json
        Print JSON.
    """
    from kobe81.core.params import parameters
    from kobe81.reports import terminal
    from kobe81.strategies import strategies

    classes = {n: strategies.load(n) for n in ([name] if name else strategies.names())}
    if json:
        print(json_.dumps({n: {k: {"default": f.default, **f.metadata} for k, f in parameters(c).items()}
                           for n, c in classes.items()}, indent=2))
        return
    for key, cls in classes.items():
        rows = [[k, "none" if f.default is None else str(f.default),
                 "" if f.metadata["low"] is None else f"{f.metadata['low']:g} to {f.metadata['high']:g}",
                 f.metadata["meaning"]] for k, f in parameters(cls).items()]
        terminal.show(terminal.table(f"{key}: {(cls.__doc__ or '').splitlines()[0]}",
                                     ["parameter", "default", "bounds", "meaning"], rows, left=4))
