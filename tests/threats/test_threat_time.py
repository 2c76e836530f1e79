"""Attacks on the clock: what is over must stay over, whatever time servers and the host's own clock say."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from yard import DAY_S, FIRST, Site, Told, Wall, Watch, clock_us, cue_body, from_now, ground, signed, start

from agent.lab import liar, ports

pytestmark = [pytest.mark.needs("mosquitto", "chronyd"), pytest.mark.timeout(120)]


def from_tomorrow(site: Site, *removed: str) -> list[Wall]:
    """Walls that have lived until this time tomorrow, and are told by everybody that it is today."""
    walls = [Wall(site, name) for name in ("", *removed)]
    floor = clock_us() + DAY_S * 1_000_000
    for wall in walls:
        state = wall.folder / "state"
        state.mkdir(parents=True)
        (state / "clock.json").write_text(json.dumps({"freq": None, "sigma": None, "floor": floor}))
    return [wall.start() for wall in walls]


def _codes(status: Told) -> list[str]:
    return [reason["code"] for reason in status["reasons"]]


async def test_all_time_servers_turn_the_time_back_or_only_the_host_does(tmp_path: Path) -> None:
    with ground(tmp_path) as (site, broker):
        served = [whole, careless] = from_tomorrow(site, "floor_forgotten")
        alone = replace(site, folder=tmp_path / "alone", servers=tuple(ports.free("udp", 1)), named="alone-")
        [whole_alone, careless_alone] = from_tomorrow(alone, "floor_forgotten")
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(careless)
            await watch.until(whole, "status", lambda status: "clock_back" in _codes(status))
            over = cue_body(-3600, expires=from_now(DAY_S / 2))
            await watch.send((f"cue/{over['cue']}", signed(over, FIRST)))
            await watch.fence(served, FIRST)
            assert watch.stages(whole, over["cue"]) == ["refused:expired"]
            assert "accepted" in watch.stages(careless, over["cue"])

            # By the host's clock it is still today, and the wall black; tomorrow, which it is, that is long over.
            black, stop = cue_body(-3600), cue_body(DAY_S / 2, {"action": "stop"})
            await watch.send(*((f"cue/{cue['cue']}", signed(cue, FIRST)) for cue in (black, stop)))
            await watch.until(careless_alone, "status", lambda status: status["state"] == "black")
            await watch.until(whole_alone, "status", lambda status: status["pending"] == 0 and status["display"])
            last = watch.last(whole_alone, "status")
            assert (last["clock"]["state"], last["state"]) == ("UNSYNC", "starting")


async def test_one_time_server_of_three_turns_the_time_back(tmp_path: Path) -> None:
    with ground(tmp_path, servers=2) as (site, broker):
        lied_to = replace(site, servers=(liar.start(site.processes, -DAY_S * 1e3), *site.servers))
        walls = [whole, credulous] = start(lied_to, "vote_ignored")
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(*walls)
            over = cue_body(-DAY_S, expires=from_now(-3600), issued=from_now(-2 * DAY_S))
            await watch.send((f"cue/{over['cue']}", signed(over, FIRST)))
            await watch.fence(walls, FIRST)
            assert watch.stages(whole, over["cue"]) == ["refused:expired"]
            assert "accepted" in watch.stages(credulous, over["cue"])
