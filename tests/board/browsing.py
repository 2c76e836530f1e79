"""A headless browser for tests of the page, and the page over a made-up show as a process."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from brokers import free_port
from playwright.async_api import Browser, Page, async_playwright

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
# It is to speak to the board, and to nobody else in the world.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser that ends with the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser, url: str, *, width: int = 1600, height: int = 1000, touch: bool = False
) -> AsyncIterator[Page]:
    """A page in a profile of its own, once it is live; what its script complains of fails the test."""
    context = await browser.new_context(viewport={"width": width, "height": height}, has_touch=touch)
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(url)
    await page.wait_for_selector("body[data-live]")
    yield page
    await context.close()
    assert faults == []


async def wide(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    found = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return int(found)


class PaintedBoard:
    """A process of painted.py: `orders()` are those that have come since the last look."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}"
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.put(json.loads(line))

    def paint(self, **wanted: object) -> None:
        """What the show is to be like from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()

    def order(self) -> dict[str, Any]:
        """The next order that comes."""
        return self._told.get(timeout=20)

    def orders(self) -> list[str]:
        """The deeds of the orders that have come meanwhile."""
        found = []
        while not self._told.empty():
            found.append(str(self._told.get()["deed"]))
        return found

    def watching(self) -> int:
        """For how many pages the show is drawn now."""
        self.paint(count=True)
        while (told := self.order())["deed"] != "count":
            pass
        return int(told["watching"])

    def freeze(self, frozen: bool) -> None:
        """Stop the process in mid-word, or let it go on."""
        os.kill(self._process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)


@contextmanager
def painted_board() -> Iterator[PaintedBoard]:
    """The page over a made-up show; it ends with the block."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(HERE / "painted.py"), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{HERE.parents[1]}:{HERE}"},
    )
    try:
        board = PaintedBoard(process, port)
        until_answered(board.url)
        yield board
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


def until_answered(url: str) -> None:
    """Wait until somebody answers there."""
    for _ in range(200):
        if status(f"{url}/") is not None:
            return
        threading.Event().wait(0.1)
    raise TimeoutError(f"{url} does not answer within 20 s")


def status(url: str, **headers: str) -> int | None:
    """The HTTP status with which somebody answers; None: nobody does."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
