"""The fenced blocks of a page, and how the shell ones are run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    """The page's blocks in this language."""
    return [body for name, body in FENCE.findall((ROOT / page).read_text(encoding="utf-8")) if name == language]


def commands(page: str) -> list[str]:
    """Every command line of the page's shell blocks, comments taken off."""
    lines = "".join(blocks(page, "sh")).splitlines()
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of the documentation as a reader would run it in `folder`: `kobe`, `python`, `ruff` are this one's."""
    tools = Path(sys.executable).parent
    return subprocess.run(shlex.split(command), cwd=folder, capture_output=True, encoding="utf-8", check=False,
                          env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"} | environment)
