"""Panics from those who may not, and lifts from those who may only panic."""

import json
import uuid
from pathlib import Path

import pytest
from yard import CONTENT, FIRST, PANIC, SHOW, Told, Watch, from_now, ground, signed, start

from agent.trust import Kind

pytestmark = [pytest.mark.needs("mosquitto", "chronyd"), pytest.mark.timeout(120)]


def panic_body(**changes: str) -> Told:
    body = {"v": 1, "panic": str(uuid.uuid4()), "show": SHOW, "venues": ["*"], "issued": from_now(0), "to": "black"}
    return {**body, **changes}


def lift_body(panic: Told) -> Told:
    return {"v": 1, "lift": panic["panic"], "show": SHOW, "venues": ["*"], "issued": from_now(0)}


async def test_panics_and_lifts_that_nobody_may_send(tmp_path: Path) -> None:
    with ground(tmp_path) as (site, broker):
        walls = [whole, unsigned, roleless] = start(site, "unsigned_taken", "role_ignored")
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(*walls)

            async def send(body: Told, *keys: int, kind: Kind) -> None:
                message = signed(body, *keys, kind=kind) if keys else json.dumps(body).encode()
                await watch.send((f"panic/{body.get('panic') or body['lift']}", message))
                await watch.fence(walls, FIRST)

            bare, wrong, rehearsed = panic_body(), panic_body(), panic_body(show="rehearsal")
            await send(bare, kind="panic")
            await send(wrong, CONTENT, kind="panic")
            await send(rehearsed, PANIC, kind="panic")
            assert watch.stages(whole, bare["panic"]) == ["refused:signature"]
            assert "accepted" in watch.stages(unsigned, bare["panic"])
            assert watch.stages(whole, wrong["panic"]) == ["refused:role"]
            assert "accepted" in watch.stages(roleless, wrong["panic"])
            for wall in walls:
                assert watch.stages(wall, rehearsed["panic"]) == ["refused:show"]

            good = panic_body()
            await send(good, PANIC, kind="panic")
            for wall in walls:
                await watch.ack(wall, good["panic"], "accepted")
            await send(lift_body(good), PANIC, kind="lift")
            assert "refused:role" in watch.stages(whole, good["panic"])
            assert "cancelled" in watch.stages(roleless, good["panic"])
            await send(lift_body(good), FIRST, kind="lift")
            assert watch.stages(whole, good["panic"])[-1] == "cancelled"
