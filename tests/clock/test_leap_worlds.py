"""Leap seconds as the whole clock lives through them, in made-up worlds."""

from itertools import pairwise

import pytest
from clock_world import Scenario, Seen, World

from agent.clock.leap import COAST_S, Leap, LeapTable
from agent.clock.mapping import ClockState
from agent.units import parse_utc

HOUR = 3600.0
NEW_YEAR = parse_utc("2027-01-01T00:00:00Z")
AT_S = 3 * HOUR
TABLE = LeapTable((Leap(NEW_YEAR, 1),), parse_utc("2027-12-28T00:00:00Z"))


def scenario(**changes: object) -> Scenario:
    """The player is switched on three hours before the midnight after which 23:59:60 is counted."""
    plain: dict[str, object] = {
        "until_s": 6 * HOUR,
        "true_utc0_ns": NEW_YEAR * 1000 - round(AT_S * 1e9),
        "leap_at_s": AT_S + 1,
        "leaps": TABLE,
        "ticks": lambda at_s: at_s < 30 or abs(at_s - AT_S) < 70,
    }
    return Scenario(**{**plain, **changes})  # type: ignore[arg-type]


def inside(look: Seen) -> bool:
    """Inside 23:59:60 and the tick after it: POSIX counts that second twice, we stand still, both are right."""
    return AT_S <= look.at_s <= AT_S + 2.1


def play(world: World) -> list[Seen]:
    seen = []
    for look in world:
        if look.mapping is not None and not inside(look):
            assert abs(look.error_us) <= look.bound_us, f"bound broken after {look.at_s:.1f} s"
        seen.append(look)
    return seen


@pytest.mark.parametrize("known_from", ["table", "servers"])
def test_it_coasts_over_a_leap_second_and_makes_it(known_from: str) -> None:
    world = World(scenario(leaps=TABLE if known_from == "table" else None), 3)
    for way in world.ways:
        way.leap = lambda at_s: 1 if at_s < AT_S else 0
        # Servers do not all make it at once; while we coast that is nobody's trouble.
        way.wrong_ms = lambda at_s: 1000.0 if AT_S + 1 <= at_s < AT_S + 1800 else 0.0
    seen = play(world)
    texts = [note.text for note in world.notes]
    assert texts.count("clock.leap_ahead") == texts.count("clock.leap_second") == 1
    for look in seen:
        if abs(look.at_s - AT_S) < COAST_S - 70:
            assert look.state is ClockState.HOLDOVER and "leap second 2027-01-01T00:00:00" in look.report.reason
    after = [look for look in seen if look.at_s > AT_S + COAST_S + 700]
    assert {look.state for look in after} == {ClockState.SYNC}
    assert max(abs(look.error_us) for look in after) < 3000


def test_two_servers_are_no_quorum_and_their_clock_makes_the_leap_all_the_same() -> None:
    world = World(scenario(nearness_ms=(4.0, 9.0), until_s=3.5 * HOUR), 1)
    seen = play(world)
    assert ClockState.DEGRADED in {look.state for look in seen if look.at_s < HOUR / 2}
    assert "clock.leap_second" in [note.text for note in world.notes]


@pytest.mark.parametrize("known_from", ["table", "servers"])
@pytest.mark.parametrize(
    ("stopped_s", "restarted_s"), [(-360, 300), (-360, 3 * HOUR), (300, 400), (-400, -300), (-360, 0.5)]
)
def test_an_agent_that_is_restarted_around_a_leap_second_keeps_its_line(
    known_from: str, stopped_s: float, restarted_s: float
) -> None:
    leaps = TABLE if known_from == "table" else None
    before = World(scenario(until_s=AT_S + stopped_s, leaps=leaps), 7)
    for way in before.ways:
        way.leap = lambda at_s: 1 if at_s < AT_S else 0
    play(before)
    past = before.keeper.past()
    # No server can be reached any more: what it remembers is all that there is.
    began_s = AT_S + restarted_s
    after = World(scenario(until_s=began_s + 300, past=past, began_s=began_s, leaps=leaps), 7)
    for way in after.ways:
        way.cut = lambda at_s: True
    seen = [look for look in play(after) if look.at_s >= began_s]
    assert {look.state for look in seen} == {ClockState.HOLDOVER}


def test_utc_never_goes_back_and_stands_still_for_the_second() -> None:
    world = World(scenario(), 4)
    told = [
        (look.at_s, look.mapping.utc_at(world.truth.raw(look.at_s)))
        for look in world
        if look.mapping is not None and abs(look.at_s - AT_S) < 4
    ]
    assert len(told) > 8
    assert all(later >= earlier for (_, earlier), (_, later) in pairwise(told))
    assert any(utc == NEW_YEAR for at_s, utc in told if AT_S < at_s < AT_S + 1)


def test_a_player_that_is_switched_on_in_the_hours_around_it_still_gets_its_time() -> None:
    for before_s in (HOUR, -HOUR):
        utc0_ns = NEW_YEAR * 1000 - round(before_s * 1e9)
        leap_s = before_s + 1 if before_s > 0 else None
        late = scenario(until_s=120.0, true_utc0_ns=utc0_ns, leap_at_s=leap_s)
        seen = [look for look in World(late, 5) if look.at_s > 10]
        assert seen[0].state in (ClockState.SYNC, ClockState.HOLDOVER)
        assert all(look.mapping and abs(look.error_us) <= look.bound_us for look in seen)


def test_servers_that_smear_are_followed_and_the_bound_holds() -> None:
    day_ns = 86_400 * 10**9
    # From noon to noon each second is 11.6 ppm longer; UTC at these servers runs slow by so much.
    smear = scenario(
        until_s=4 * HOUR, true_utc0_ns=NEW_YEAR * 1000 - day_ns // 2 - round(HOUR * 1e9), leap_at_s=None, smear=True
    )
    world = World(smear, 6)

    def behind_ms(at_s: float) -> float:
        return -max(0.0, at_s - HOUR) / 86_401 * 1000

    for way in world.ways:
        way.wrong_ms = behind_ms
    for look in world:
        if look.mapping is not None:
            # Against smeared time, which is what a set of smearing servers means by UTC.
            assert abs(look.error_us - behind_ms(look.at_s) * 1e3) <= look.bound_us
    assert "clock.leap_ahead" not in [note.text for note in world.notes]
    assert look.report.skew_ppm is not None and look.report.skew_ppm > 12
