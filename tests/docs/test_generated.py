"""What the documentation says of the code is what the code says of itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import ROOT

from tools import docs

NAMES = [f"docs/{name}.md" for name in ("tour", "add-a-strategy", "reference", "correctness")]


def test_generated_parts_are_current():
    """No page holds an old table; `make docs` renews them."""
    assert docs.stale() == []


def test_every_computed_part_is_shown_somewhere():
    """A table that is made is on a page, and a page asks for none that is not made."""
    asked = {found["name"] for page in docs.pages() for found in docs.MARKED.finditer(page.read_text("utf-8"))}
    assert {name for name in asked if not name.startswith("file ")} == set(docs.COMPUTED | docs.MEASURED)


@pytest.mark.parametrize("name", sorted(set(docs.COMPUTED) - {"bench"}))
def test_a_changed_part_is_noticed(name):
    """One character more or less in any generated part makes its page differ from what it would be."""
    page = next(p.read_text("utf-8") for p in docs.pages() if f"<!-- generated:{name} -->" in p.read_text("utf-8"))
    marker = f"<!-- generated:{name} -->\n"
    assert docs.renewed(page.replace(marker, f"{marker}|")) == page


def test_check_fails_on_a_stale_page_and_writes_nothing(tmp_path, monkeypatch, capsys):
    """--check names the page, answers 1, and leaves the file as it was."""
    page = tmp_path / "docs" / "old.md"
    page.parent.mkdir()
    text = "# Old\n<!-- generated:commands -->\n| kobe fly |\n<!-- end -->\n"
    page.write_text(text)
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs.stale, "__defaults__", (tmp_path,))
    assert docs.main(["--check"]) == 1
    assert "docs/old.md is stale" in capsys.readouterr().out
    assert page.read_text() == text


def test_tables_name_every_command_setting_and_source():
    """A command, parameter or source that exists is in the reference; spot checks written by hand."""
    page = (ROOT / "docs/reference.md").read_text("utf-8")
    for word in ("`kobe wf`", "`kobe data fetch`", "`kobe experiments verify`", "`min_age`", "`slippage_bps`",
                 "`embargo`", "`--benchmark`", "`STOOQ_API_KEY`", "| 2026-04-04 | 20.60 |",
                 "| `yahoo` | splits | none needed |"):
        assert word in page, word


def test_links_between_pages_lead_somewhere():
    """Every relative link and picture points at a file of the repository."""
    for page in docs.pages():
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_picture_is_light():
    """The README's picture is a PNG under 200 KB."""
    picture = (ROOT / "docs/report.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000


@pytest.mark.parametrize("name", NAMES)
def test_page_exists_and_is_reached_from_the_readme(name):
    """Each page is linked from the README."""
    assert (ROOT / name).is_file()
    assert f"({name})" in (ROOT / "README.md").read_text("utf-8")


def test_docs_tool_needs_no_package_path():
    """`python -m tools.docs --check` is the command that make and the contributing page name."""
    done = subprocess.run([sys.executable, "-m", "tools.docs", "--check"], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_page_names_a_machine():
    """No page holds the path of a machine's home or work folder."""
    for page in [*docs.pages(), *Path(ROOT / "docs/examples").rglob("*.*")]:
        assert not re.search(r"(?<!\w)/(work|home|root|tmp)/", page.read_text("utf-8")), page
