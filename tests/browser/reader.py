"""A Chromium to read the report with, and what it said. Skips the tests that import it where there is no playwright."""

from pathlib import Path
from shutil import which

import pytest

from kobe81.reports.html import Report, write

sync_api = pytest.importorskip("playwright.sync_api", reason="these tests drive a browser through playwright")

CHROMIUM = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
PIXELS = """(canvas) => new Set(new Uint32Array(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""


class Reader:
    """A reader's page, and a note of everything that it said and asked for."""

    def __init__(self, browser: "sync_api.Browser", file: Path, scheme: str = "light", width: int = 1280) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_function("[...document.querySelectorAll('.price-chart')].every((host) => host.firstChild)")
        self.page.wait_for_timeout(300)

    def colours(self, selector: str) -> list[int]:
        """How many colours each canvas under the selector shows; one means nothing was drawn."""
        return [canvas.evaluate(PIXELS) for canvas in self.page.query_selector_all(f"{selector} canvas")]


def opened(browser: "sync_api.Browser", report: Report, tmp_path: Path) -> Reader:
    write(report, tmp_path / "report.html")
    return Reader(browser, tmp_path / "report.html")
