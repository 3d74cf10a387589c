"""A real browser that opens pages from the disk, and hears of everything that goes wrong in them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--mute-audio",
)  # fmt: skip


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium without a window; where there is none, the test is skipped, or fails if a browser is required."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("TTSD_TEST_BROWSER") == "required":
            pytest.fail("TTSD_TEST_BROWSER=required, and there is no chromium on the PATH")
        pytest.skip("no Chromium on the PATH: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, path: Path, **context) -> Iterator[Page]:
    """Open a file; fails where the page logged an error, or asked for anything but itself."""
    page = browser.new_context(**context).new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url[:200]))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(("data:", "blob:", path.as_uri())) else wrong.append(request.url[:200])
        ),
    )
    page.goto(path.as_uri())
    try:
        yield page
    finally:
        page.context.close()
    assert wrong == []
