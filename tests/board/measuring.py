"""How a board bears many walls: a real board, a browser without a window, and walls that are only messages.

Each status carries when it was said (tests/fleet.py); a script in the page notes when it stands there, in the frame
after the text has changed. All of that is one computer's clock.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from brokers import Mosquitto
from fleet import BROKER_LINES, STAMP_MS, STAMPS, allow_connections, fleet, stamp_of
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
PAINT_S, BEHIND_S, CORE = 2.0, 1.0, 0.5
"""What the board has promised: the first picture, how far it is behind, and its share of a core."""

WATCH = """
() => {
  const seen = (window.__seen = []);
  const take = (text, kind) => {
    requestAnimationFrame(() => setTimeout(() => seen.push([kind, text, Date.now(), performance.now()]), 0));
  };
  const look = (records) => {
    for (const record of records) {
      const element = record.target.nodeType === 3 ? record.target.parentElement : record.target;
      if (!element) continue;
      const text = element.textContent;
      if (/^\\d{5}$/.test(text)) take(text, "frame");
      else if (element.closest?.("[col-id=p99]") && /^\\d+(\\.\\d+)?$/.test(text)) take(text, "p99");
    }
  };
  const all = { subtree: true, childList: true, characterData: true };
  const begin = () => new MutationObserver(look).observe(document.documentElement, all);
  document.documentElement ? begin() : document.addEventListener("DOMContentLoaded", begin);
}
"""


@dataclass(frozen=True)
class Figures:
    """One run. Shares are of one core; `behind_s`: in the middle, of a hundred the last but one, the worst."""

    venues: int
    painted_s: float
    """From the opening of the page to its first picture."""
    filled_s: float
    """To the first wall in it that changes."""
    updates: int
    behind_s: tuple[float, float, float]
    board_core: float
    browser_core: float
    fleet_core: float
    board_mb: tuple[float, float]
    """At the begin and at the end."""
    elsewhere: tuple[str, ...] = ()
    """What the page asked for that is not the board's."""
    errors: tuple[str, ...] = field(default=())
    """What the browser complained of."""

    @property
    def fault(self) -> str:
        """What is not as promised; empty where all is."""
        found = [f"asks {url}" for url in self.elsewhere]
        found += [f"the browser: {error}" for error in self.errors]
        found += [f"painted after {self.painted_s:.1f} s"] if self.painted_s > PAINT_S else []
        found += [f"{self.behind_s[1]:.2f} s behind"] if self.behind_s[1] > BEHIND_S else []
        found += [f"{self.board_core:.0%} of a core"] if self.board_core > CORE else []
        return "; ".join(found)


def cpu_s(pid: int) -> float:
    """The processor time of a process and of all below it."""
    total = 0.0
    for each in [pid, *_below(pid)]:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _below(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, open_ = [], [pid]
    while open_:
        children = parents.get(open_.pop(), [])
        found += children
        open_ += children
    return found


def memory_mb(pid: int) -> float:
    """What a process holds now."""
    match = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0


@contextmanager
def board(broker: str, *arguments: str, show: str = "demo") -> Iterator[tuple[str, int]]:
    """A board of its own process: the operator's address, and the process."""
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-m", "agent.cli", "board", "--json", "--port", "0", "--broker", broker, "--show", show]
    environ = {**os.environ, "PYTHONPATH": str(root), "HOME": "/nonexistent"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([*argv, *arguments], stdout=subprocess.PIPE, text=True, env=environ, cwd=folder)
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            yield told["operator"] or told["guest"], process.pid
        finally:
            process.send_signal(signal.SIGINT)
            try:
                code = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
        assert code == 0, f"the board ended with {code}"
        assert os.listdir(folder) == [], "the board leaves nothing where it was started"  # noqa: PTH208 - names only


@contextmanager
def browser() -> Iterator[tuple[Browser, int]]:
    """A browser without a window, and the process that is the root of all of its own."""
    with sync_playwright() as playwright:
        before = set(_below(os.getpid()))
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        mine = set(_below(os.getpid())) - before
        roots = [pid for pid in mine if "chromium" in Path(f"/proc/{pid}/cmdline").read_text()]
        try:
            yield found, min(roots)
        finally:
            found.close()


def behind_s(kind: str, text: str, at_ms: float) -> float:
    """How long before it stood on the page it was said."""
    told = stamp_of(frame=int(text)) if kind == "frame" else stamp_of(p99_ms=float(text))
    steps = (at_ms / STAMP_MS - told) % STAMPS
    # The stamp is cut down to its step: what seems to come from the future was said within this one.
    return (steps if steps < STAMPS - 2 else 0.0) * STAMP_MS / 1000


def measure(venues: int, seconds: float, screenshot: Path | None = None, settle_s: float = 8.0) -> Figures:
    """Open the page over so many walls, at a status a second each, and look for so long."""
    allow_connections(venues)
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder) / "broker", BROKER_LINES)
        broker.start()
        broker.hello()
        try:
            with (
                fleet(broker.port, venues, 1.0, playing=True) as fleet_pids,
                board(broker.url, "--pictures", "0") as (url, board_pid),
                browser() as (window, browser_pid),
            ):
                time.sleep(settle_s)  # the board has heard every wall
                return _look(window, url, venues, seconds, (board_pid, browser_pid, fleet_pids), screenshot)
        finally:
            broker.stop()


def enter(window: Browser, url: str, width: int = 1920, height: int = 1080) -> tuple[Page, list[str], list[str]]:
    """A page that has been let in, and is not yet open; what it will ask elsewhere, and complain of."""
    page = window.new_context(viewport={"width": width, "height": height}).new_page()
    elsewhere: list[str] = []
    errors: list[str] = []
    own = url.partition("?")[0]

    def asked(address: str) -> None:
        if not address.startswith((own, own.replace("http", "ws", 1), "data:", "blob:")):
            elsewhere.append(address)

    page.on("request", lambda request: asked(request.url))
    page.on("websocket", lambda websocket: asked(websocket.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.context.request.get(url)  # the cookie alone
    return page, elsewhere, errors


def _look(
    window: Browser,
    url: str,
    venues: int,
    seconds: float,
    pids: tuple[int, int, list[int]],
    screenshot: Path | None,
) -> Figures:
    board_pid, browser_pid, fleet_pids = pids
    page, elsewhere, errors = enter(window, url)
    page.add_init_script(f"({WATCH})()")
    page.goto(url.partition("?")[0], wait_until="commit")
    page.wait_for_function("window.__seen && window.__seen.length > 0", timeout=60_000)
    painted_ms, filled_ms = page.evaluate(
        "[performance.getEntriesByName('first-contentful-paint')[0].startTime, window.__seen[0][3]]"
    )
    time.sleep(2)  # what opening costs is not what being open costs
    page.evaluate("window.__seen.length = 0")
    began_s, mb = time.monotonic(), memory_mb(board_pid)
    before = [cpu_s(board_pid), cpu_s(browser_pid), sum(map(cpu_s, fleet_pids))]
    time.sleep(seconds)
    lasted_s = time.monotonic() - began_s
    after = [cpu_s(board_pid), cpu_s(browser_pid), sum(map(cpu_s, fleet_pids))]
    seen = sorted(behind_s(kind, text, at_ms) for kind, text, at_ms, _ in page.evaluate("window.__seen"))
    if screenshot is not None:
        page.screenshot(path=screenshot)
    shares = [(end - begin) / lasted_s for begin, end in zip(before, after, strict=True)]
    middle, late, last = (seen[min(len(seen) - 1, int(len(seen) * part))] for part in (0.5, 0.99, 1.0))
    return Figures(
        venues=venues,
        painted_s=painted_ms / 1000,
        filled_s=filled_ms / 1000,
        updates=len(seen),
        behind_s=(middle, late, last),
        board_core=shares[0],
        browser_core=shares[1],
        fleet_core=shares[2],
        board_mb=(mb, memory_mb(board_pid)),
        elsewhere=tuple(elsewhere),
        errors=tuple(errors),
    )
