"""The documentation's generated parts: what stands between `<!-- generated:NAME -->` and `<!-- end -->`.

    python -m tools.docs            write them
    python -m tools.docs --check    name the stale ones and fail; writes nothing
    python -m tools.docs --measured write also what a run of the demo shows, the picture of its report among it

A part named `file PATH` is that file, fenced. Parts in MEASURED come from running the product, so they are written on
request and not compared.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field
from pathlib import Path
from typing import Any

from tools.demo import shown_by_demo, shown_of_the_day

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"(<!-- generated:(?P<name>[^>]+?) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)
LANGUAGES = {".py": "python", ".toml": "toml"}


def pages(root: Path = ROOT) -> list[Path]:
    """The pages that may hold generated parts."""
    return sorted([*root.glob("*.md"), *(root / "docs").glob("*.md")])


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(list(head)), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def strategies() -> str:
    """Each strategy of the package with its parameters."""
    from kobe81.core.params import parameters
    from kobe81.strategies import strategies as known

    ours = {n: c for n in known.names() if (c := known.load(n)).__module__.startswith("kobe81.")}
    return "\n\n".join(f"### `{name}`\n\n{(cls.__doc__ or '').splitlines()[0]}\n\n{_parameters(parameters(cls))}"
                       for name, cls in ours.items())


def settings() -> str:
    """The account's and the plan's parameters, as the config file's tables."""
    from kobe81.backtest.engine import Account
    from kobe81.backtest.walk_forward import Plan
    from kobe81.core.params import parameters

    owners = {"[account]": Account, "[plan]": Plan}
    return _sections((name, owner, parameters(owner)) for name, owner in owners.items())


def gates() -> str:
    """Every gate with what it asks and its limits."""
    from kobe81.core.params import parameters
    from kobe81.engine.rules import REGISTRIES

    found = [(registry, name) for registry in REGISTRIES for name in registry.names()]
    ours = [(name, c) for registry, name in found if (c := registry.load(name)).__module__.startswith("kobe81.")]
    return _sections((name, cls, parameters(cls)) for name, cls in ours)


def trading() -> str:
    """The tables of a runner's configuration that are not described elsewhere."""
    from kobe81.core.params import parameters
    from kobe81.engine.rules import Trading
    from kobe81.execution.exchange.terms import Terms

    owners = {"[trading]": Trading, "[paper]": Terms}
    return _sections((name, owner, parameters(owner)) for name, owner in owners.items())


def _sections(owners: Iterable[tuple[str, type, dict[str, Field[Any]]]]) -> str:
    return "\n\n".join(f"### `{name}`\n\n{(owner.__doc__ or '').splitlines()[0]}\n\n"
                       f"{_parameters(known) if known else 'It has no setting.'}" for name, owner, known in owners)


def _parameters(known: dict[str, Field[Any]]) -> str:
    rows = [(f"`{name}`", "none" if f.default is None else str(f.default).lower(), _bounds(f), f.metadata["meaning"])
            for name, f in known.items()]
    return table(("parameter", "default", "bounds", "meaning"), rows)


def _bounds(spec: Field[Any]) -> str:
    low, high = spec.metadata["low"], spec.metadata["high"]
    return "" if low is None else f"{low:,g} to {high:,.0f}"


def commands() -> str:
    """Every command and what it does."""
    from kobe81.app.cli import COMMANDS, GROUPS

    rows = [(f"`kobe {name}`", text) for name, (_, text) in COMMANDS.items()]
    rows += [(f"`kobe {group} {name}`", text) for group, (_, inside) in GROUPS.items()
             for name, (_, text) in inside.items()]
    return table(("command", "what it does"), rows)


def options() -> str:
    """The options that commands share."""
    tree = ast.parse((ROOT / "kobe81/app/options.py").read_text(encoding="utf-8"))
    rows = [row for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Options")
            for row in _option_rows(node)]
    return table(("option", "what it sets", "default"), rows)


def _option_rows(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """A field and the string after it."""
    for spec, text in zip(node.body, node.body[1:], strict=False):
        if isinstance(spec, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            words, shown = re.fullmatch(r"(.*?)(?: \[([^]]*)\])?", str(text.value.value)).groups()
            plain = ast.unparse(spec.value).strip("'") if spec.value else ""
            default = shown or {"None": "", "()": "", "False": "off", "True": "on"}.get(plain, plain)
            yield f"`--{ast.unparse(spec.target).replace('_', '-')}`", words, default


def soak() -> str:
    """What the last recorded run of the crash simulation came to."""
    results = ROOT / "tests/simulation/results.json"
    if not results.is_file():
        return "The crash simulation has not been recorded yet; to run it: `make soak`."
    found = json.loads(results.read_text(encoding="utf-8"))
    return ("The order path, crashed at every step of disk, broker and clock (`python -m tests.simulation`; `make "
            f"soak` takes longer): **{found['line']}**.")


def laws() -> str:
    """The laws of the conformance suite, each by its docstring."""
    tree = ast.parse((ROOT / "tests/conformance/laws.py").read_text(encoding="utf-8"))
    texts = {n.name: (ast.get_docstring(n) or "").split() for n in tree.body if isinstance(n, ast.FunctionDef)}
    (listed,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "LAWS")
    names = re.findall(r"\w+", ast.unparse(listed))
    return "\n".join(f"- **{name.replace('_', ' ').capitalize()}.** {' '.join(texts[name])}" for name in names)


def providers() -> str:
    """The vendors, with what must be known of each."""
    from kobe81.data.providers import provider, provider_names

    made = {name: provider(name, {}) for name in provider_names()}
    rows = [(f"`{name}`", p.adjustment, " or ".join(f"`{v}`" for v in p.needs_key or ()) or "none needed",
             p.calls_per_minute or "", p.calendar) for name, p in made.items()]
    return table(("source", "prices adjusted for", "key, from the environment", "calls a minute", "calendar"), rows)


def fees() -> str:
    """The dated fee tables."""
    from kobe81.core.fees import markdown

    return markdown().strip()


def bench() -> str:
    """The performance table of the last `make bench`."""
    from bench.table import RESULTS, markdown

    return markdown().strip() if RESULTS.is_file() else "Not measured yet; to measure: `make bench`."


COMPUTED: dict[str, Callable[[], str]] = {
    "strategies": strategies, "commands": commands, "options": options, "settings": settings, "providers": providers,
    "fees": fees, "bench": bench, "laws": laws, "gates": gates, "trading": trading, "soak": soak,
}
MEASURED: dict[str, Callable[[], str]] = {"demo": shown_by_demo, "day": shown_of_the_day}


def part(name: str) -> str:
    """The text of a part; KeyError where nobody makes it."""
    if name.startswith("file "):
        path = ROOT / name.removeprefix("file ")
        return f"```{LANGUAGES.get(path.suffix, '')}\n{path.read_text(encoding='utf-8').rstrip()}\n```"
    return (COMPUTED | MEASURED)[name]()


def renewed(text: str, measured: bool = False) -> str:
    """The page with its parts made anew; those in MEASURED only on request."""
    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        body = found["body"] if name in MEASURED and not measured else f"{part(name)}\n"
        return found[1] + body + found[4]

    return MARKED.sub(fill, text)


def stale(root: Path = ROOT) -> list[str]:
    """The pages whose generated parts are not what they would be now."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages(root)}
    return [page.relative_to(root).as_posix() for page, text in texts.items() if renewed(text) != text]


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    if "--check" in arguments:
        old = stale()
        for name in old:
            print(f"{name} is stale; renew it with: make docs")
        return 1 if old else 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        fresh = renewed(text, "--measured" in arguments)
        if fresh != text:
            page.write_text(fresh, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
