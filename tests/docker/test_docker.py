"""The images and the five cities on a real engine: built, started, measured from the pixels, killed.

One engine and one show for all tests of this file; they build upon one another, in this order.
"""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from engine import BASE, ROOT, Engine, EngineError, make_base

from agent.lab.barcode import BLOCKS, decode
from agent.lab.framebuffer import Framebuffer
from agent.lab.opening import reel
from agent.lab.processes import LabError
from agent.lab.programme import Item, Programme
from agent.lab.venues import VENUES
from agent.units import NS_PER_US, parse_utc

COMPOSE = ROOT / "deploy" / "compose.yaml"
REALTIME = ROOT / "deploy" / "compose.realtime.yaml"
QUICK = Path(__file__).with_name("quick.yaml")
PROGRAMS = ("dockerd", "docker", "docker-compose", "mmdebstrap", "iptables", "ip", "nsenter")
CITIES = [venue.venue for venue in VENUES]

MOST_MB = 774 * 1.1
"""Above its base: a plain layer of python3, libmpv2 and xvfb was measured at 774 MB, with what apt leaves in it."""

MOST_SKEW_MS = 5.0
MEASURED_S = 60
HEALTHY_S = 90.0

# Images are built within the first of them.
# What is missing is told by `engine`, which in continuous integration fails: `needs` would skip there too.
pytestmark = [pytest.mark.flaky(reruns=1), pytest.mark.timeout(900)]


def cannot(why: str) -> NoReturn:
    """Skip, aloud; where all that these tests need has to be there, as in continuous integration, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    missing = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        cannot(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        cannot("a Docker engine of its own needs root")
    folder = tmp_path_factory.mktemp("engine")
    base = folder / "base.tar"
    try:
        make_base(base)
    except EngineError as error:
        cannot(f"no Debian can be made here, as without a network: {error}")
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(Engine(folder))
        except EngineError as error:
            cannot(f"no Docker engine can run here: {error}")
        made.docker("import", "--change", "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt", base, BASE)
        base.unlink()
        yield made


@pytest.fixture(scope="module")
def images(engine: Engine) -> dict[str, float]:
    """Both images, built as a tester does; how many seconds each took."""
    took = {}
    for target in ("agent", "lab"):
        began = time.monotonic()
        file = ROOT / "deploy" / "Dockerfile"
        engine.docker("build", "--file", file, "--target", target, "--tag", f"framezero-{target}", ROOT, seconds=500)
        took[target] = time.monotonic() - began
    return took


class Show:
    """The five cities, up; their walls as the test itself sees them, in true time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.files = [COMPOSE, QUICK]
        if engine.rt_runtime_us:
            share = engine.folder / "realtime.yaml"
            share.write_text(REALTIME.read_text().replace("150000", str(engine.rt_runtime_us // 6)))
            self.files.append(share)
        began = time.monotonic()
        self.compose("up", "--detach")
        self.up_s = time.monotonic() - began
        wait(HEALTHY_S, lambda: all(self.health(city) == "healthy" for city in CITIES), self.logs)
        self.healthy_s = time.monotonic() - began
        wait(HEALTHY_S, lambda: "all walls have started at" in self.said("opening"), self.logs)
        self.started_s = time.monotonic() - began
        due = parse_utc(self.said("opening").split("all walls have started at ")[1].split()[0])
        items = [Item(film.path.name, film.clip, film.fps, film.frames) for film in reel(Path())]
        self.programme = Programme(items, due_ns=due * NS_PER_US, loop=True)

    def compose(self, *words: str) -> str:
        return self.engine.compose(*words, files=self.files).stdout

    def container(self, service: str) -> str:
        return f"five_{service}_1"

    def said(self, service: str) -> str:
        return self.engine.docker("logs", self.container(service)).stdout

    def logs(self) -> str:
        return self.compose("logs", "--tail=15")

    def health(self, service: str) -> str:
        status: str = self.engine.inspect(self.container(service))["State"]["Health"]["Status"]
        return status

    def pid(self, service: str) -> int:
        found: int = self.engine.inspect(self.container(service))["State"]["Pid"]
        return found

    def skew(self) -> Any:
        return json.loads(self.engine.docker("exec", self.container("meter"), "cat", "/tmp/skew.json").stdout)

    def frame(self, city: str) -> tuple[int, int] | None:
        """Clip and frame on a wall now, from its pixels."""
        folder = self.engine.folder / "data" / "volumes" / "five_displays" / "_data"
        try:
            screen = Framebuffer.open(folder / city / "Xvfb_screen0")
        except LabError:
            return None
        try:
            upper, lower = screen.barcode_slices()
            seen = screen.memory[upper] + screen.memory[lower]
        finally:
            screen.close()
        return decode(seen[:BLOCKS], seen[BLOCKS:])

    def right(self, city: str) -> bool:
        """Whether the frame that is due now is on a wall; a look takes a while, and so a frame's length is allowed."""
        seen = self.frame(city)
        if seen is None:
            return False
        error_ms = self.programme.error_ms(*seen, time.time_ns())
        return error_ms is not None and -20 <= error_ms <= 60

    def until_right(self, city: str, seconds: float, since: float) -> float:
        """Wait until a wall is right, and stays so for a second; seconds from `since` to the first right frame."""
        until, first, looks = time.monotonic() + seconds, 0.0, 0
        while looks < 50:
            if self.right(city):
                first = first or time.monotonic()
                looks += 1
            else:
                first, looks = 0.0, 0
            assert time.monotonic() < until, f"{city} is not on the right frame after {seconds:g} s\n{self.logs()}"
            time.sleep(0.02)
        return first - since

    def stay_right(self) -> None:
        """All walls show the frames that are due, for a second each."""
        for city in CITIES:
            self.until_right(city, 10, 0.0)


def wait(seconds: float, done: Callable[[], bool], why: Callable[[], str]) -> None:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds:g} s\n{why()}")
        time.sleep(0.3)


@pytest.fixture(scope="module")
def show(engine: Engine, images: dict[str, float]) -> Iterator[Show]:
    made = Show(engine)
    yield made
    made.compose("down", "--volumes", "--timeout", "5")


def test_the_images_are_small(
    engine: Engine, images: dict[str, float], record_property: Callable[[str, object], None]
) -> None:
    base, agent, lab = (engine.inspect(name)["Size"] / 1e6 for name in (BASE, "framezero-agent", "framezero-lab"))
    layers = [line.split(maxsplit=1) for line in history(engine, "framezero-agent")]
    plain = next(float(size) / 1e6 for size, made_by in layers if "recommends libmpv2 python3 xvfb" in made_by)
    record_property(
        "figure",
        f"agent image {agent - base:.0f} MB above its base of {base:.0f} MB (at most {MOST_MB:.0f}), of which "
        f"python3, libmpv2 and xvfb are {plain:.0f} MB; lab image {lab - agent:.0f} MB more; "
        f"built in {images['agent']:.0f} s and {images['lab']:.0f} s",
    )
    assert agent - base <= MOST_MB


def history(engine: Engine, image: str) -> list[str]:
    form = "{{.Size}} {{.CreatedBy}}"
    return engine.docker("history", "--no-trunc", "--human=false", "--format", form, image).stdout.splitlines()


def test_the_agent_image_has_no_root_no_pip_and_no_secrets(engine: Engine, images: dict[str, float]) -> None:
    config = engine.inspect("framezero-agent")["Config"]
    assert config["User"] == "framezero"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    script = "id -u; command -v pip pip3 gcc; find / -xdev -name '*.key' -not -path '/proc/*'; ls /etc/framezero"
    found = engine.docker("run", "--rm", "framezero-agent", "sh", "-c", f"{script}; true").stdout.split()
    assert found == ["990"]


def test_five_walls_are_in_sync(show: Show, record_property: Callable[[str, object], None]) -> None:
    record_property(
        "figure",
        f"docker-compose up took {show.up_s:.0f} s, all agents were healthy after {show.healthy_s:.0f} s, "
        f"five walls started by {show.started_s:.0f} s",
    )
    # A minute that begins with this test, when all have settled: a second try measures another one.
    begun = max(time.time_ns(), show.programme.due_ns + 5 * 10**9)
    wait(MEASURED_S + 30, lambda: show.skew()["time_ns"] > begun + (MEASURED_S + 2) * 10**9, show.logs)
    found = show.skew()
    skew, gaps = found["skew_ms"], found["gap_ms"]
    record_property(
        "figure",
        f"five containers' skew over {found['window_s']} s: median {skew['median']:.2f}, p95 {skew['p95']:.2f}, "
        f"p99 {skew['p99']:.2f} ms (at most {MOST_SKEW_MS:g}), max {skew['max']:.2f} ms; "
        f"{found['frames']} frames on all walls, {found['partial']} not; "
        f"meter's gaps p99 {gaps['p99']:.2f} ms",
    )
    assert found["frames"] >= 1500
    assert skew["p99"] <= MOST_SKEW_MS
    show.stay_right()


def test_a_killed_container_comes_back_to_the_right_frame(
    show: Show, record_property: Callable[[str, object], None]
) -> None:
    # Not 'docker kill': what was ended by hand the engine does not start again.
    began = time.monotonic()
    os.kill(show.pid("tokyo"), signal.SIGKILL)
    wait(10, lambda: not show.right("tokyo"), show.logs)
    took = show.until_right("tokyo", 40, began)
    record_property("figure", f"killed container back on the right frame after {took:.1f} s")


def test_without_its_broker_the_show_goes_on_and_is_unhealthy(show: Show) -> None:
    show.engine.docker("kill", show.container("broker"))
    try:
        wait(30, lambda: show.health("paris") == "unhealthy", show.logs)
        show.stay_right()
        probe = show.engine.inspect(show.container("paris"))["State"]["Health"]["Log"][-1]
        assert "no broker" in probe["Output"]
    finally:
        show.compose("up", "--detach")
    wait(30, lambda: show.health("paris") == "healthy", show.logs)
    assert show.said("opening").rstrip().endswith("nothing is sent")
    show.stay_right()


def test_a_display_that_hangs_is_unhealthy(show: Show) -> None:
    displays = [pid for pid in processes_of(show, "paris") if name_of(pid) == "Xvfb"]
    for pid in displays:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait(40, lambda: show.health("paris") == "unhealthy", show.logs)
    finally:
        for pid in displays:
            os.kill(pid, signal.SIGCONT)
    show.until_right("paris", 40, time.monotonic())
    wait(20, lambda: show.health("paris") == "healthy", show.logs)


def processes_of(show: Show, service: str) -> list[int]:
    rows = show.engine.docker("top", show.container(service), "-eo", "pid").stdout.split()
    return [int(word) for word in rows if word.isdigit()]


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_the_operators_commands_work_without_options(show: Show) -> None:
    said = show.engine.docker("exec", show.container("board"), "framezero", "status", "--json").stdout
    assert {row["venue"] for row in json.loads(said)["venues"]} == set(CITIES)
