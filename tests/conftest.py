"""What tests of more than one part use: a real broker, and real programs that may be missing."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import MOSQUITTO, Mosquitto, MosquittoFactory
from hypothesis import settings

from agent.lab.processes import Processes

pytest_plugins = ["booted", "deployed"]

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every program that they start
# and interrupt (POSIX, Shell Command Language 2.12).
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples at each run, and no limit of milliseconds on a machine that others use too: what fails here fails
# everywhere. tests/long/bounds searches further.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

MOST_SAID_CHARS = 2_000


@pytest.fixture
def mosquittos(tmp_path: Path) -> Iterator[MosquittoFactory]:
    """Make brokers: `mosquittos()` or `mosquittos("acl_file /…", scheme="mqtts")`; they run, and end with the test."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt install mosquitto")
    made: list[Mosquitto] = []

    def make(*lines: str, scheme: str = "mqtt") -> Mosquitto:
        broker = Mosquitto(tmp_path / f"broker{len(made)}", lines, scheme)
        made.append(broker)
        broker.start()
        return broker

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def mosquitto(mosquittos: MosquittoFactory) -> Mosquitto:
    """A running broker that lets everybody do everything: `.url`, `.stop()`, `.start()`."""
    return mosquittos()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes that surely end with the test."""
    with Processes(tmp_path / "logs") as all_of_them:
        yield all_of_them


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that watches real programs in real time gets a second try, and the summary tells of it (RERUN).

    Whatever else runs on a machine may spoil one try; a fault of ours spoils both.
    """
    for item in items:
        watches = {"mosquitto", "mosquittos", "processes"} & set(getattr(item, "fixturenames", ()))
        if watches or item.get_closest_marker("needs") or item.path.parent.name in ("lab", "player"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.needs("Xvfb")` skips aloud where the program is missing."""
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            # As the lab finds programs: daemons live in folders that a user's PATH leaves out.
            if shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin") is None:
                pytest.skip(f"{program} is not installed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell why a first try failed, and the figures that tests reached, beside their limits (`record_property`)."""
    again = terminalreporter.getreports("rerun")
    if again:
        terminalreporter.section("first tries that failed")
        for report in again:
            terminalreporter.line(f"{report.nodeid}: {report.longreprtext[-MOST_SAID_CHARS:]}")
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    figures = [value for report in reports for name, value in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.line(str(figure))
