"""The documentation's generated parts: what stands between `<!-- generated:NAME -->` and `<!-- end -->`.

    python -m tools.docs            write them
    python -m tools.docs --check    name the stale ones and fail; writes nothing
    python -m tools.docs --measured write also what a run of the demo shows, the picture of its report among it

A part named `file PATH` is that file, fenced. Parts in MEASURED come from running the product, so they are written on
request and not compared.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"(<!-- generated:(?P<name>[^>]+?) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)
PICTURE = ROOT / "docs" / "report.png"
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

    return "\n\n".join(f"### `[{section}]`\n\n{(owner.__doc__ or '').splitlines()[0]}\n\n"
                       f"{_parameters(parameters(owner))}" for section, owner in (("account", Account), ("plan", Plan)))


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
            words, _, shown = str(text.value.value).partition(" [")
            plain = ast.unparse(spec.value).strip("'") if spec.value else ""
            default = shown.rstrip("]") or {"None": "", "()": "", "False": "off", "True": "on"}.get(plain, plain)
            yield f"`--{ast.unparse(spec.target).replace('_', '-')}`", words, default


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
    """The performance table, as the benchmark wrote it."""
    written = ROOT / "bench" / "results.md"
    return written.read_text(encoding="utf-8").strip() if written.is_file() else "Not measured yet: `make bench`."


def demo() -> str:
    """The first table that the demo prints, and the demo's picture beside it."""
    with tempfile.TemporaryDirectory() as folder:
        shown = run_demo(Path(folder))
        picture(Path(folder) / "demo" / "report.html")
    return f"```\n{first_table(shown)}\n```"


def run_demo(folder: Path) -> str:
    """What `kobe demo` prints, its files under `folder`/demo."""
    environment = {"KOBE_HOME": str(folder / "home"), "COLUMNS": "80", "PATH": "", "LANG": "C.UTF-8"}
    done = subprocess.run([sys.executable, "-m", "kobe81", "demo", "--out", str(folder / "demo")],  # noqa: S603
                          capture_output=True, text=True, encoding="utf-8", check=True, cwd=ROOT, env=environment)
    return done.stdout


def first_table(shown: str) -> str:
    """The lines up to the splits: the verdict on the sample, with both equity curves."""
    lines = shown.split("\nMean Sharpe", maxsplit=1)[0].splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()


def picture(report: Path) -> None:
    """The report's first screen, as docs/report.png."""
    from playwright.sync_api import sync_playwright

    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as play:
        from shutil import which

        chromium = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = play.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
        page.goto(report.as_uri())
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURE)
        browser.close()


COMPUTED: dict[str, Callable[[], str]] = {
    "strategies": strategies, "commands": commands, "options": options, "settings": settings, "providers": providers,
    "fees": fees, "bench": bench,
}
MEASURED: dict[str, Callable[[], str]] = {"demo": demo}


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
        print("\n".join(f"{name} is stale; renew it with: make docs" for name in old) or "The documentation is current.")
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
