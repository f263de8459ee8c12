"""CONTRIBUTING.md, followed in a copy of the repository."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from blocks import ROOT, commands, run

from tools.check import check

PAGE = "CONTRIBUTING.md"
SKIPPED = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "demo", "runs", "shared")
"""Left out of the copy; compiled code goes along, because compiling is most of the time of a first run."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "kobe81"
    shutil.copytree(ROOT, folder, ignore=SKIPPED)
    return folder


@pytest.mark.parametrize("command", commands(PAGE))
def test_command_of_the_page_works_in_a_fresh_copy(command, copy):
    """Every command in a shell block, run where a contributor runs it."""
    done = run(command, copy, PYTHONPATH=str(copy), PYTEST_ADDOPTS="-p no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr


def test_ci_runs_make_test_from_anywhere(tmp_path, copy):
    """.ci/run is executable and runs `make test` at the top of the repository, wherever it is called from."""
    fake = tmp_path / "make"
    fake.write_text('#!/bin/sh\necho "$PWD $*"\n')
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([copy / ".ci/run"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{copy} test\n"


def test_check_stops_at_the_first_failure_and_says_so(capfd):
    """Steps run in order under a header each; the first that fails ends the run with its own exit code."""
    assert check({"one": ["true"], "two": ["sh", "-c", "exit 3"], "three": ["echo", "never"]}) == 3
    first, second, last = capfd.readouterr().out.splitlines()
    assert (first, second) == ("== 1/3 one", "== 2/3 two")
    assert last.startswith("== two FAILED after ")
    assert last.endswith("; not run: three")


@pytest.mark.parametrize("code", [0, 1])
def test_check_says_nothing_after_its_last_step(code, capfd):
    """The last line is the last step's own closing line, whether it passed or failed."""
    assert check({"one": ["true"], "last": ["sh", "-c", f"echo 5 tests; exit {code}"]}) == code
    assert capfd.readouterr().out.splitlines()[-1] == "5 tests"
