import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.control.link import Link
from agent.control.view import Heard
from agent.lab import timeservers, watch
from agent.lab.agents import Place
from agent.lab.processes import LabError, Processes
from agent.lab.venues import VENUES
from agent.lab.watch import Clocks
from agent.lab.world import World
from agent.messages import Refusal
from agent.told import Status


def status(films: int = 5, **fields: Any) -> Status:
    clock, cache = SimpleNamespace(bound_us=8200, state="SYNC"), SimpleNamespace(films=films)
    return Status.model_construct(ready=True, reasons=[], clock=cast(Any, clock), cache=cast(Any, cache), **fields)


def line(**statuses: Status) -> Link:
    heard = {venue: Heard(one, None) for venue, one in statuses.items()}
    return cast(Link, SimpleNamespace(view=SimpleNamespace(statuses=heard)))


def places(clock_port: int = 1) -> tuple[Place, ...]:
    return tuple(Place(venue, Path("x"), ":1", Path("y"), 1, 2, (3,), clock_port, Path("z")) for venue in VENUES[2:4])


def lab(processes: Processes) -> World:
    return cast(World, SimpleNamespace(processes=processes, places=places()))


async def test_ready_venues_are_timed(processes: Processes) -> None:
    took = await watch.until_ready(line(tokyo=status(), paris=status()), lab(processes), 5, time.monotonic() - 3)
    assert took.ready_s.keys() == took.sync_s.keys() == {"tokyo", "paris"}
    assert took.ready_s["tokyo"] == pytest.approx(3, abs=0.5)
    assert took.sync_s["paris"] == pytest.approx(3, abs=0.5)


async def test_a_venue_that_has_not_heard_of_the_program_yet_is_waited_for(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "READY_S", 0.2)
    with pytest.raises(LabError, match="paris"):
        await watch.until_ready(line(tokyo=status(), paris=status(films=4)), lab(processes), 5, time.monotonic())


async def test_a_venue_that_does_not_get_ready_is_named_with_its_reasons(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "READY_S", 0.2)
    far = Refusal(code="clock_bound", detail="the clock's bound is 80 ms; wait, or name nearer time servers")
    late = status().model_copy(update={"ready": False, "reasons": [far]})
    with pytest.raises(LabError, match=r"(?s)not ready after 0\.2 s.*tokyo: the clock's bound is 80 ms.*paris: it has"):
        await watch.until_ready(line(tokyo=late), lab(processes), 5, time.monotonic())


async def test_an_agent_that_dies_ends_the_waiting_with_its_last_words(processes: Processes) -> None:
    child = processes.start("agent-paris", ["sh", "-c", "echo no display >&2; exit 2"], tier="agents")
    child.process.wait(5)
    with pytest.raises(LabError, match=r"(?s)agent-paris ended with status 2.*no display"):
        await watch.until_ready(line(), lab(processes), 5, time.monotonic())


def test_dead_agents_are_named_once(processes: Processes) -> None:
    processes.start("agent-tokyo", ["sleep", "600"], tier="agents")
    processes.start("agent-paris", ["false"], tier="agents").process.wait(5)
    assert watch.dead_agents(processes) == ["agent-paris ended with status 1 without a word"]
    assert watch.dead_agents(processes) == []
    assert [child.name for child in processes.children] == ["agent-tokyo"]


@pytest.mark.needs("chronyd")
async def test_clocks_are_measured_against_true_time(processes: Processes, tmp_path: Path) -> None:
    (server,) = timeservers.start(processes, 1, tmp_path)
    clocks = Clocks(places(server.port))
    await clocks.sample()
    (tokyo,), (paris,) = clocks.samples["tokyo"], clocks.samples["paris"]
    assert abs(tokyo.error_ms) < 5
    assert tokyo.bound_ms == pytest.approx(paris.bound_ms, abs=0.1), "chronyd says the same to both"
    assert not tokyo.outside and tokyo.doubt_ms < 5
    assert clocks.errors_ms.keys() == {"tokyo", "paris"}


async def test_a_clock_that_does_not_answer_is_left_out() -> None:
    clocks = Clocks(places(clock_port=1))
    await clocks.sample()
    assert clocks.errors_ms == {}
