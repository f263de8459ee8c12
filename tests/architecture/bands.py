"""The rules of the house, read off the syntax tree: who may import whom, and who may touch the world outside.

Every room (a folder or module directly under the package) has a band. A module imports its own room and rooms of lower
bands; the edges that a band rule would refuse but a reason allows are named in EDGES. The package's own `__init__` and
`__main__` stand above all bands: they offer what app/ makes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

BANDS = {
    "core": 0,
    "indicators": 1, "strategies": 1, "research": 1, "ml": 1, "altdata": 1, "preflight": 1, "risk": 1,
    "compliance": 1, "options": 1, "explainability": 1, "simulation": 1,
    "engine": 2,
    "backtest": 3, "experiments": 3, "evolution": 3, "data_exploration": 3,
    "data": 4, "store": 4, "oms": 4, "execution": 4, "monitor": 4, "reports": 4,
    "app": 5,
}  # fmt: skip
TOP = 5
STORAGE = 4
"""The band that imports band 0 only."""

EDGES = {
    ("strategies", "indicators"): "a strategy is written in indicators; nothing points back",
    ("data", "preflight"): "bars are judged as they are read, so that no bad bar is ever held",
    ("oms", "engine"): "orders are folded by the same apply, and decided by the same decide, as in history",
    ("monitor", "engine"): "health and metrics tell what the book says, which only apply makes",
    ("data", ""): "the version that fetched a bar is part of its provenance",
}
"""(room that imports, room imported): why. The room "" is the package itself."""

EXEMPT: dict[str, str] = {}
"""Files of bands 0 to 2 that may read files, and why."""

LONGEST_FILE, LONGEST_BODY = 350, 45


@dataclass(frozen=True, order=True)
class Offence:
    """One broken rule: file (relative to the package), line, what is wrong."""

    file: str
    line: int
    wrong: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.wrong}"


class Module(NamedTuple):
    """A source file of the package."""

    name: str
    file: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The folder or module under the package; "" for the package's own `__init__` and `__main__`."""
        return _room(self.name).removeprefix("__main__")


class Import(NamedTuple):
    target: str
    line: int


def _room(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def modules(package: Path) -> dict[str, Module]:
    """All modules of a package, by dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found[name] = Module(name, path.relative_to(package).as_posix(), text, ast.parse(text))
    return found


def imports(module: Module, known: Mapping[str, Module]) -> Iterator[Import]:
    """What a module imports, anywhere in it, of the known modules and of others; submodules by their full name."""
    here = module.name if module.file.endswith("__init__.py") else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here.split(".")[: len(here.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in known else base, node.lineno)
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            yield from (Import(a.value, node.lineno) for a in node.args[:1]
                        if isinstance(a, ast.Constant) and isinstance(a.value, str))


def band_offences(package: Path) -> list[Offence]:
    """Imports that point up or sideways, and rooms without a band."""
    known, found = modules(package), []
    for module in known.values():
        band = BANDS.get(module.room, TOP)
        if module.room not in {"", *BANDS}:
            found.append(Offence(module.file, 1, f"the room {module.room} has no band"))
            continue
        for target, line in imports(module, known):
            if target.partition(".")[0] == package.name and not _may(module.room, band, _room(target)):
                found.append(Offence(module.file, line, f"band {band} imports {target}"))
    return found


def _may(room: str, band: int, other: str) -> bool:
    if other == room or room == "" or (room, other) in EDGES:
        return True
    if other == "":
        return band == TOP
    return BANDS.get(other, TOP) < (1 if band == STORAGE else band)


def unused_edges(package: Path) -> list[tuple[str, str]]:
    """The named edges that no import needs any more."""
    known = modules(package)
    used = {(m.room, _room(i.target)) for m in known.values() for i in imports(m, known)}
    return sorted(set(EDGES) - used)


def cycles(package: Path) -> list[Offence]:
    """Modules that import each other in a ring, imports inside functions included; those for types only are not."""
    known = modules(package)
    graph = {name: {i.target: i.line for i in imports(m, known) if i.target in known and i.target != name
                    and i.line not in _type_lines(m)} for name, m in known.items()}
    found, done = [], set[str]()

    def visit(name: str, trail: list[str]) -> None:
        for target, line in graph[name].items():
            if target in trail:
                ring = " -> ".join([*trail[trail.index(target):], target])
                found.append(Offence(known[name].file, line, f"import cycle {ring}"))
            elif target not in done:
                visit(target, [*trail, target])
        done.add(name)

    for name in graph:
        if name not in done:
            visit(name, [name])
    return found


def _type_lines(module: Module) -> set[int]:
    blocks = [n for n in ast.walk(module.tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {line for b in blocks for s in b.body for line in range(s.lineno, (s.end_lineno or s.lineno) + 1)}


FILE, SOCKET, CLOCK, ENVIRONMENT, CHANCE = "file", "socket", "clock", "environment", "chance"
MODULES = {
    FILE: r"io|tempfile|shutil|glob|sqlite3|mmap|fileinput|subprocess",
    SOCKET: r"socket|ssl|select|asyncio|urllib\.request|http(\..*)?|httpx2?|requests|ftplib|smtplib",
    CLOCK: r"time",
    ENVIRONMENT: r"os|platform|getpass|locale",
    CHANCE: r"random|secrets|uuid|numpy\.random",
}
NAMES = {
    FILE: r"open|input|print|.*\.(open|read_\w+|write_\w+|scan_\w+|sink_\w+|fromfile|tofile|memmap|loadtxt|savetxt|"
          r"r?glob|iterdir|mkdir|unlink|touch|rmdir|exists|is_file|is_dir|stat)|np\.(load|save\w*)",
    CLOCK: r"(?!self\.).*\.(now|utcnow|today)|time\.(time|time_ns|localtime|gmtime)",
    ENVIRONMENT: r"(os\.)?(environ|getenv|environb|putenv)|sys\.argv|argv",
    CHANCE: r"(np|numpy)\.random\.(?!Generator|default_rng|SeedSequence|PCG64|Philox)\w+|"
            r"(.*\.)?(default_rng|SeedSequence|PCG64|Philox)\(\)",
}
FORBIDDEN = {
    0: {FILE, SOCKET, CLOCK, ENVIRONMENT, CHANCE},
    1: {FILE, SOCKET, CLOCK, ENVIRONMENT, CHANCE},
    2: {FILE, SOCKET, CLOCK, ENVIRONMENT, CHANCE},
    3: {SOCKET, CLOCK, ENVIRONMENT, CHANCE},
    4: {CLOCK, ENVIRONMENT, CHANCE},
    5: set[str](),
}
PURE = 2
"""The highest band whose modules may not even import what could touch the world; above it, only sockets and chance are
told by the import alone, because os and time do innocent things too."""


def world_offences(package: Path) -> list[Offence]:
    """Where a module touches a file, socket, clock, environment or global random state that its band may not."""
    found, known = [], modules(package)
    for module in known.values():
        band = BANDS.get(module.room, TOP)
        kinds = FORBIDDEN[band] - ({FILE} if module.file in EXEMPT else set())
        told_by_import = kinds if band <= PURE else kinds & {SOCKET, CHANCE}
        for kind, text, line in _touches(module, known, told_by_import):
            if kind in kinds:
                found.append(Offence(module.file, line, f"band {band} touches the {kind}: {text}"))
    return sorted(found)


def _touches(module: Module, known: Mapping[str, Module], by_import: set[str]) -> Iterator[tuple[str, str, int]]:
    for target, line in imports(module, known):
        yield from ((kind, f"import {target}", line) for kind in by_import if re.fullmatch(MODULES[kind], target))
    for text, line in _mentions(module.tree):
        yield from ((kind, text, line) for kind, names in NAMES.items() if re.fullmatch(names, text))


def _mentions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """What is called, or read from another module, in words: `open`, `.read_text`, `datetime.now`, `os.environ`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield _called(node), node.lineno
            if not (node.args or node.keywords):
                yield f"{_called(node)}()", node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            yield from ((text, node.lineno) for text in [ast.unparse(node)] if re.match(r"(os|sys|np|numpy)\.", text))
        elif isinstance(node, ast.ImportFrom) and node.module in {"os", "sys", "time"}:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _called(node: ast.Call) -> str:
    """`f` for f(), `a.b` for a.b() and x.y.a.b(), `.b` for anything().b()."""
    function = node.func
    if isinstance(function, ast.Name):
        return function.id
    if not isinstance(function, ast.Attribute):
        return ""
    owner = function.value
    if isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name):
        return ast.unparse(function)
    return f"{owner.id if isinstance(owner, ast.Name) else ''}.{function.attr}"


def size_offences(package: Path) -> list[Offence]:
    """Files and function bodies longer than a reader can hold."""
    found = []
    for module in modules(package).values():
        lines = module.text.count("\n")
        if lines > LONGEST_FILE:
            found.append(Offence(module.file, lines, f"{lines} lines; a file has at most {LONGEST_FILE}"))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = (node.end_lineno or 0) - _first_line(node) + 1
                if body > LONGEST_BODY:
                    found.append(Offence(module.file, node.lineno,
                                         f"{node.name} has {body} lines; a body has at most {LONGEST_BODY}"))
    return found


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The first line of the body after the docstring."""
    documented = ast.get_docstring(node) is not None and len(node.body) > 1
    return node.body[1 if documented else 0].lineno
