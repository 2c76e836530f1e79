"""A desk whose clock is wrong, at a real broker: what it sends is for the right instant, as the walls know the time."""

import pytest
from brokers import Mosquitto
from fake_venue import now_us, polled, presence, retain, status, venue
from test_operate import cue_of, desk, opened

from agent.control import operate
from agent.control.housetime import HouseTime, asking_time
from agent.control.link import Link
from agent.messages import encode
from agent.units import US_PER_S, UtcUs


@pytest.fixture(params=(-300, 300))
def wrong(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """This computer's clock is five minutes off."""
    off_us: int = request.param * US_PER_S
    monkeypatch.setattr("agent.control.housetime.utc_now", lambda: UtcUs(now_us() + off_us))
    return off_us


async def told(link: Link, house: HouseTime) -> None:
    assert await link.wait(lambda: house.fix is not None, 10)


@pytest.mark.needs("mosquitto")
@pytest.mark.usefixtures("wrong")
async def test_go_and_panic_of_a_wrong_computer_are_for_the_walls_time(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo")))
    tokyo = venue(mosquitto, "tokyo", poll=polled())
    async with tokyo, opened(mosquitto.url) as link, asking_time(link, "demo") as house:
        await told(link, house)
        before, one = now_us(), desk()
        went = cue_of(await operate.go(link, one))
        assert abs(went.issued - before) < 30 * US_PER_S, "a wall refuses what was issued far ahead"
        assert went.at - went.issued <= 2 * US_PER_S
        panic = await operate.panic(link, one)
        assert isinstance(panic, operate.Gone) and abs(panic.message.issued - before) < 60 * US_PER_S


@pytest.mark.needs("mosquitto")
async def test_where_no_wall_tells_the_time_this_computer_s_counts(mosquitto: Mosquitto, wrong: int) -> None:
    mosquitto.hello()
    unsure = status("tokyo").model_copy(update={"clock": status("tokyo").clock.model_copy(update={"state": "HOLD"})})
    await retain(mosquitto, "venue/tokyo/status", encode(unsure))
    elsewhere = presence("paris").model_copy(update={"show": "another"})
    await retain(mosquitto, "venue/paris/presence", encode(elsewhere))
    await retain(mosquitto, "venue/paris/status", encode(status("paris")))
    async with venue(mosquitto, "tokyo", poll=polled()), opened(mosquitto.url) as link:
        house = HouseTime(link, "demo")
        assert house.sure() == []
        assert abs(house.now() - now_us() - wrong) < US_PER_S
