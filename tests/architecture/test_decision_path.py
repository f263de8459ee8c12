"""The decision path: only it approves orders, and nothing on it can ask where it runs."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import bands
import pytest

PACKAGE = Path(__file__).parents[2] / "kobe81"
MODULES = bands.modules(PACKAGE).values()
PURE = {"engine", "risk", "compliance", "ml", "strategies", "indicators"}
"""Rooms that history, paper and live share."""
FOLD = {"engine/apply.py", "engine/book.py"}
"""The book keeps what the journal says of the mode, for people to read."""


def mentions(tree: ast.AST) -> set[str]:
    """Every name, attribute, argument and imported name."""
    found = set()
    for node in ast.walk(tree):
        found |= {getattr(node, field, None) or "" for field in ("id", "attr", "arg")}
        if isinstance(node, ast.alias):
            found |= {node.name.rpartition(".")[2], node.asname or ""}
    return found


def approvers(modules: Iterable[bands.Module]) -> set[str]:
    """Those, beside its own, that know `approve` or the seal."""
    return {m.file for m in modules if mentions(m.tree) & {"approve", "_SEAL"} and m.file != "core/approved.py"}


def test_only_the_decision_path_approves():
    """One module: an order that was not decided cannot be sent, because nobody else can make an Approved."""
    assert approvers(MODULES) == {"engine/decide.py"}


@pytest.mark.parametrize("text", [
    "from {p}.core.approved import approve\n", "from {p}.core import approved\nx = approved.approve(1)\n",
    "from {p}.core.approved import approve as seal\n", "from {p}.core import approved\nx = approved._SEAL\n",
    "def f():\n    import {p}.core.approved as a\n    return a.approve\n",
])  # fmt: skip
def test_another_approver_is_found(text, tmp_path):
    """Under whatever name, wherever in the file."""
    package = tmp_path / "toy"
    (package / "oms").mkdir(parents=True)
    (package / "oms" / "outbox.py").write_text(text.format(p="toy"))
    assert approvers(bands.modules(package).values()) == {"oms/outbox.py"}


def words(module: bands.Module) -> set[str]:
    """What the code of a module says; its docstrings may say where it is used."""
    names = {part for name in mentions(module.tree) for part in name.lower().split("_")}
    said = {n.value for n in ast.walk(module.tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    docs = {ast.get_docstring(n, clean=False) for n in ast.walk(module.tree)
            if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)}
    bare = {n.value.value for n in ast.walk(module.tree)
            if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    return names | {w for text in said - docs - bare for w in re.findall(r"[a-z]+", text.lower())}


@pytest.mark.parametrize("file", sorted(m.file for m in MODULES if m.room in PURE))
def test_nothing_on_the_path_asks_the_mode(file):
    """No name and no text in its code says mode, paper or live."""
    module = next(m for m in MODULES if m.file == file)
    assert not words(module) & ({"paper", "live"} if file in FOLD else {"mode", "paper", "live"})


def test_the_fold_only_copies_the_mode():
    """In apply it is one argument, set from an event; in the book it is one field, which nothing reads."""
    for file in FOLD:
        module = next(m for m in MODULES if m.file == file)
        read = [ast.unparse(n) for n in ast.walk(module.tree) if isinstance(n, ast.Attribute) and n.attr == "mode"]
        assert read == (["event.mode"] if file == "engine/apply.py" else [])
