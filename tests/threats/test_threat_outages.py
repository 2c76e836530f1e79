"""Attacks by time and power: late and repeated delivery, brokers that are cut off, agents that are killed."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from brokers import Mosquitto
from films_served import Served
from yard import FIRST, Told, Watch, clock_us, cue_body, from_now, ground, signed, start

from agent.units import parse_utc

pytestmark = [pytest.mark.needs("mosquitto", "chronyd"), pytest.mark.timeout(120)]


async def test_a_frozen_broker_delivers_after_the_end_and_a_restarted_wall_is_told_again(tmp_path: Path) -> None:
    with ground(tmp_path) as (site, broker):
        walls = [whole, careless, forgetful] = start(site, "expiry_ignored", "journal_unread")
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(*walls)

            late = cue_body(1, expires=from_now(2))
            async with watch.client() as client:
                broker.pause(True)
                under_way = asyncio.create_task(
                    client.publish(f"framezero/v1/cue/{late['cue']}", signed(late, FIRST), qos=1)
                )
                await asyncio.sleep(2.1)
                broker.pause(False)
                await under_way
            await watch.fence(walls, FIRST)
            assert watch.stages(whole, late["cue"]) == ["refused:expired"]
            assert watch.stages(careless, late["cue"]) == ["accepted"]

            taken_back = cue_body(1800)
            cancel = cue_body(-1, {"action": "cancel", "cue": taken_back["cue"]})
            sent = [(f"cue/{cue['cue']}", signed(cue, FIRST)) for cue in (taken_back, cancel)]
            await watch.send(*sent)
            await watch.fence(walls, FIRST)
            for wall in (whole, forgetful):
                wall.kill()
            watch.forget()
            for wall in (whole, forgetful):
                wall.start()
            await watch.ready(whole, forgetful)
            await watch.send(sent[0])
            await watch.fence((whole, forgetful), FIRST)
            await watch.until(forgetful, "status", lambda status: _next(status) == taken_back["cue"])
            await watch.until(whole, "status", lambda status: status["pending"] > 0)
            assert _next(watch.last(whole, "status")) not in (None, taken_back["cue"])


async def test_one_broker_is_lost_before_the_cue_and_the_other_one_before_its_instant(tmp_path: Path) -> None:
    other = Mosquitto(tmp_path / "other")
    other.start()
    with ground(tmp_path) as (site, broker):
        both = replace(site, urls=(other.url, broker.url))
        walls = [whole, dependent, single] = start(both, "broker_needed", "second_broker_ignored")
        async with Watch(other) as there:
            await there.hello()
            async with Watch(broker) as watch:
                await watch.hello()
                await there.ready(*walls)
                await watch.ready(whole, dependent)
                other.stop(signal.SIGKILL)
                cue = cue_body(5)
                await watch.send((f"cue/{cue['cue']}", signed(cue, FIRST)))
                for wall in (whole, dependent):
                    await watch.ack(wall, cue["cue"], "armed")
                assert watch.stages(single, cue["cue"]) == []
                broker.stop(signal.SIGKILL)
                await _passed(cue["at"], 0.5)
                broker.start()
                started = await watch.ack(whole, cue["cue"], "started")
                assert started["joined"] is False
                assert abs(started["error_us"]) < 100_000
                await watch.fence((whole, dependent), FIRST)
                assert "started" not in watch.stages(dependent, cue["cue"])


def _next(status: Told) -> str | None:
    cue: str | None = (status["next"] or {}).get("cue")
    return cue


async def _passed(instant: str, seconds: float) -> None:
    await asyncio.sleep(max(0.0, (parse_utc(instant) - clock_us()) / 1e6 + seconds))


async def test_an_agent_is_killed_before_the_instant_and_again_behind_it(tmp_path: Path) -> None:
    """Without any broker meanwhile: journal, cache and clock alone bring the wall to the right frame."""
    with ground(tmp_path) as (site, broker):
        walls = [whole, forgetful] = start(site, "journal_unread")
        served = Served(site)
        film = served.film("koi")
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(*walls)
            await watch.send(served.program("reel", 1, film))
            for wall in walls:
                await watch.until(wall, "status", lambda status: status["cache"]["films"] == 1)
            cue = cue_body(6, {"action": "play", "program": "reel", "rev": 1, "loop": True})
            await watch.send((f"cue/{cue['cue']}", signed(cue, FIRST)))
            for wall in walls:
                await watch.ack(wall, cue["cue"], "accepted")
            for wait_s in (0.7, 3.0):
                watch.forget()
                broker.stop()
                broker.forget()
                for wall in walls:
                    wall.kill()
                    wall.start()
                await _passed(cue["at"], wait_s)
                broker.start()
                await watch.hello()
                started = await watch.ack(whole, cue["cue"], "started")
                assert (started["due"] == cue["at"]) is (wait_s < 1)
                assert abs(started["error_us"]) < 100_000
                playing = await watch.until(whole, "status", lambda status: bool(status["error_us"]))
                assert playing["state"] == "playing"
                assert abs(playing["error_us"]["median"]) < 50_000
                await watch.ready(forgetful)
                assert watch.last(forgetful, "status")["state"] == "slate"
