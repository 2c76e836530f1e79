"""`framezero local` as a technician types it, beside a real agent and its pixels; broker and time may be gone."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hardships import player_of
from test_daemon import LOOP, Site, clock_us, comes_true
from test_daemon import _on_time as on_time
from test_daemon import film as film  # the fixtures are that module's
from test_daemon import site as site

from agent.lab.films import Film
from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import Child
from agent.localwire import Order, Reply
from agent.technician.local import Place, ask, find
from agent.units import UtcUs, format_utc

pytestmark = [pytest.mark.needs("Xvfb", "ffmpeg", "chronyd", "mosquitto"), pytest.mark.timeout(150)]

BLACK_S = 1.0
"""From the order in the socket to the black wall; a player that hangs is given 0.15 s, and then killed."""
HUNG_S = 30.0
"""By then whoever asks an agent that hangs has given up, on a machine with much to do, too."""
Record = Callable[[str, object], None]


class Terminal:
    """What a technician types at this site."""

    def __init__(self, site: Site) -> None:
        self._config = str(site.folder / "agent.toml")

    async def __call__(self, *words: str) -> tuple[int, str]:
        """Exit status, and all that is said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.cli", "local", *words, "--config", self._config),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert b"Traceback" not in said
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def told(self) -> dict[str, Any]:
        """The status."""
        _, said = await self("status", "--json")
        found: dict[str, Any] = json.loads(said)
        return found


def is_black(site: Site) -> bool:
    screen = Framebuffer.open(site.framebuffer)
    darkest = int(screen.snapshot().max())
    screen.close()
    return darkest == 0


async def black_after(site: Site) -> float:
    """How long the order takes to the pixels, in seconds: given without the command, whose start says nothing here."""
    assert not is_black(site)
    place = find(site.folder / "agent.toml", {})
    assert isinstance(place, Place)
    began = time.monotonic()
    ordered = asyncio.create_task(asyncio.to_thread(ask, place, Order(want="black", by="alice")))
    await comes_true(lambda: is_black(site), 10)
    after_s = time.monotonic() - began
    reply = await ordered
    assert isinstance(reply, Reply)
    # Where the player had to be replaced, the next one may not have said in time that it is black.
    assert reply.refused is None and reply.said.startswith(("the wall is black", "whatever comes on the wall now")), (
        reply
    )
    return after_s


async def playing(site: Site, film: Film) -> tuple[Child, int]:
    """An agent that plays, and when the film began."""
    agent = site.start_agent()
    await site.program("reel", film)
    await site.until("status", lambda status: status["ready"] and status["cache"]["films"] == 1)
    t0_us = clock_us() + 2_000_000
    cue = await site.cue(LOOP, 0, at=format_utc(UtcUs(t0_us)))
    await site.ack(cue, "started")
    await comes_true(lambda: on_time(site, t0_us), 10)
    return agent, t0_us


async def test_black_at_once_over_a_kill_and_back_on_the_right_frame_without_any_network(
    site: Site, film: Film, record_property: Record
) -> None:
    agent, t0_us = await playing(site, film)
    local = Terminal(site)
    site.broker.stop(signal.SIGKILL)
    for child in site.processes.children:
        if child.name.startswith("timeserver"):
            site.processes.end(child)
    after_s = await black_after(site)
    assert after_s < BLACK_S
    record_property("figure", f"black {after_s * 1000:.0f} ms after the order, without broker and time servers")
    status, said = await local("black")
    assert (status, "black already" in said) == (0, True), said
    told = await local.told()
    assert (told["exit"], told["status"]["state"], told["film"]) == (1, "black", None)
    assert told["status"]["local_black"]["since"] is not None
    reasons = {reason["code"]: reason["detail"] for reason in told["status"]["reasons"]}
    assert "framezero local resume" in reasons["local_black"]

    os.kill(agent.pid, signal.SIGKILL)
    await asyncio.sleep(0.3)
    site.processes.end(agent)
    seen_light = [not is_black(site)]
    agent = site.start_agent()
    async with asyncio.timeout(20):
        while (await local("status"))[0] != 1 or (await local.told()).get("status", {}).get("display") is None:
            seen_light.append(not is_black(site))
    await asyncio.sleep(1)  # by now a film would have been joined
    assert not any([*seen_light, not is_black(site)]), "black all the way, before and after the restart"
    assert (await local.told())["status"]["state"] == "black"

    status, said = await local("resume")
    assert (status, "joins" in said) == (0, True), said
    began = time.monotonic()
    await comes_true(lambda: on_time(site, t0_us), 10)
    record_property("figure", f"on the right frame {time.monotonic() - began:.1f} s after resume had said so")
    told = await local.told()
    assert (told["status"]["state"], told["film"], told["status"]["local_black"]) == ("playing", "a.mp4", None)
    assert agent.running


async def test_a_player_that_hangs_is_black_all_the_same(site: Site, film: Film, record_property: Record) -> None:
    agent, t0_us = await playing(site, film)
    local = Terminal(site)
    hung = player_of(agent.pid)
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    after_s = await black_after(site)
    assert after_s < BLACK_S
    record_property("figure", f"with a player that hangs: black after {after_s * 1000:.0f} ms")
    await site.until("status", lambda status: status["state"] == "black" and status["local_black"] is not None)
    assert (await local("resume"))[0] == 0
    await comes_true(lambda: on_time(site, t0_us), 15)


async def test_a_panic_stays_after_resume_and_a_lift_does_not_end_a_local_black(site: Site, film: Film) -> None:
    _, t0_us = await playing(site, film)
    local = Terminal(site)
    assert (await local("black"))[0] == 0
    panic = "0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a50"
    body: dict[str, Any] = {"v": 1, "show": "lab", "venues": ["*"], "issued": format_utc(UtcUs(clock_us()))}
    await site.publish("panic", json.dumps({**body, "panic": panic, "to": "black"}).encode())
    await site.until("ack", lambda ack: ack["cue"] == panic and ack["stage"] == "started")
    status, said = await local("resume")
    assert (status, panic in said, "--lift" in said) == (1, True, True), said
    assert is_black(site)
    assert (await local("black"))[0] == 0
    await site.publish("panic", json.dumps({**body, "lift": panic}).encode())
    lifted = await site.until("ack", lambda ack: ack["cue"] == panic and ack["stage"] == "cancelled")
    assert (lifted["ready"], lifted["reason"]) == (False, "local_black")
    await asyncio.sleep(1)
    assert is_black(site)
    assert (await local("resume"))[0] == 0
    await comes_true(lambda: on_time(site, t0_us), 10)


async def test_quiet_says_which_film_runs_and_an_agent_that_hangs_is_not_quiet(
    site: Site, film: Film, record_property: Record
) -> None:
    agent, _ = await playing(site, film)
    local = Terminal(site)
    status, said = await local("quiet")
    assert (status, "reel rev 1, in a loop" in said, "UTC (" in said, "Europe/Paris)" in said) == (1, True, True, True)
    stop = await site.cue({"action": "stop"}, 1)
    await site.ack(stop, "started")
    assert (await local("quiet"))[0] == 0
    await site.cue(LOOP, 1800)
    await comes_true(lambda: bool(site.told["status"][-1]["next"]), 10)
    assert (await local("quiet", "--for", "20m"))[0] == 0
    status, said = await local("quiet", "--for", "1h")
    assert (status, "starts at 20" in said) == (1, True), said
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        async with asyncio.timeout(HUNG_S):
            status, said = await local("quiet", "--for", "20m")
        assert (status, "does not answer" in said) == (1, True), said
        record_property("figure", f"quiet answers for an agent that hangs within {time.monotonic() - began:.1f} s")
        assert (await local("status"))[0] == 3
    finally:
        os.kill(agent.pid, signal.SIGCONT)
    await comes_true(lambda: agent.running, 1)
    os.kill(agent.pid, signal.SIGKILL)
    site.processes.end(agent)
    assert (await local("quiet"))[0] == 0, "no agent runs"
    status, said = await local("status")
    assert (status, "systemctl status framezero" in said, "journalctl -u framezero" in said) == (1, True, True)
