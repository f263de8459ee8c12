"""What the demo shows, for the README: the verdict it prints, and a picture of its report."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from shutil import which

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "report.png"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SIZE = {"width": 1280, "height": 800}


def shown_by_demo() -> str:
    """The first table that the demo prints, fenced."""
    return f"```\n{verdict(_demonstration())}\n```"


def shown_of_the_day() -> str:
    """The trading day that the demo ends with, fenced."""
    return f"```\n{trading_day(_demonstration())}\n```"


@cache
def _demonstration() -> str:
    """What the demo prints; its report's picture is written to docs/."""
    with tempfile.TemporaryDirectory() as folder:
        shown = run_demo(Path(folder))
        photograph(Path(folder) / "demo" / "report.html", PICTURE)
    return shown


def run_demo(folder: Path) -> str:
    """What `kobe demo` prints on a terminal of 80 columns; its files are under `folder`/demo."""
    environment = os.environ | {"KOBE_HOME": str(folder / "home"), "COLUMNS": "80", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "kobe81", "demo", "--out", "demo"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=folder, env=environment)  # noqa: S603
    return done.stdout


def verdict(shown: str) -> str:
    """What is said of the sample: its figures, both equity curves, the caveat; the synthetic market comes after."""
    lines = shown.partition("\nsynthetic market")[0].splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()


def trading_day(shown: str) -> str:
    """What is said of the day, without the checkpoint, whose signature differs each time."""
    _, begin, rest = shown.partition("A trading day, ")
    return (begin + rest.partition("\nCheckpoint,")[0]).strip()


def photograph(report: Path, picture: Path) -> None:
    """The report's first screen as PNG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=next(filter(None, map(which, CHROMIUM))), args=ARGUMENTS)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(report.as_uri())
        page.wait_for_timeout(500)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    print(shown_by_demo())
