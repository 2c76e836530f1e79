"""A stolen key: what it signs is good until its file is taken away, and nothing of it afterwards."""

from pathlib import Path

import pytest
from yard import FIRST, SECOND, Watch, cue_body, ground, signed, start

pytestmark = [pytest.mark.needs("mosquitto", "chronyd"), pytest.mark.timeout(120)]


async def test_a_key_is_taken_away(tmp_path: Path) -> None:
    with ground(tmp_path) as (site, broker):
        walls = [whole, careless] = start(site, "keys_read_once")
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(*walls)
            stolen, ours = cue_body(1800), cue_body(1800)
            await watch.send(
                (f"cue/{stolen['cue']}", signed(stolen, SECOND)), (f"cue/{ours['cue']}", signed(ours, FIRST))
            )
            for wall in walls:
                await watch.ack(wall, ours["cue"], "accepted")
            (site.keys / f"show-{SECOND}.toml").unlink()
            await watch.ack(whole, stolen["cue"], "refused")
            again = cue_body()
            await watch.send((f"cue/{again['cue']}", signed(again, SECOND)))
            await watch.fence(walls, FIRST)
            assert watch.stages(whole, again["cue"]) == ["refused:signature"]
            assert watch.stages(careless, again["cue"]) == ["accepted"]
            assert "refused:signature" not in watch.stages(careless, stolen["cue"])

            # What was taken back is off the disk too, and what others signed is not: ours, and the fence.
            await watch.until(whole, "status", lambda status: status["pending"] == 2)
            whole.kill()
            watch.forget()
            whole.start()
            await watch.until(whole, "status", lambda status: status["ready"] and status["pending"] == 2)
