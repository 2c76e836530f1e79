from dataclasses import replace

from makers import T0, S, cue, item_body, program

from agent.planner import Film, World
from agent.player.wire import Armed, Failed, Fired, Hello, Missed, Running, Start
from agent.schedule import Agenda
from agent.units import MediaUs, UtcUs
from agent.wall import JOIN_LEAD_FIRST_US, Wall

LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}
WORLD = World(
    agenda=Agenda([cue(1, T0, LOOP)]),
    programs={("reel", 1): program()},
    films={letter * 64: Film(f"/films/{letter}", None) for letter in "ab"},
    venue="paris",
    groups=(),
    slate="",
    clock_short=None,
)
HELLO = Hello(mpv="mpv 0.35.1", display="320x180", realtime=True)


def at(seconds: float) -> UtcUs:
    return UtcUs(round(T0 + seconds * S))


def fired(start: Start) -> Fired:
    return Fired(id=start.id, observed_us=start.at, error_us=0, go_us=0, bound_us=9, decoder="software")


def playing_wall() -> tuple[Wall, tuple[Start, ...]]:
    wall = Wall()
    wall.heard(HELLO)
    starts = wall.direct(WORLD, at(-3))
    assert starts is not None
    for start in starts[:2]:
        wall.direct(WORLD, start.at)
        wall.heard(fired(start))
    return wall, starts


def ahead(wall: Wall) -> list[Start]:
    wall.direct(WORLD, at(0.5))
    return [billed.start for billed in wall.plan]


def test_without_a_player_there_is_no_plan() -> None:
    wall = Wall()
    assert wall.direct(WORLD, at(-1)) is None
    assert wall.fault is not None
    assert wall.fault.code == "player_starting"


def test_an_unchanged_plan_is_not_sent_again() -> None:
    wall = Wall()
    wall.heard(HELLO)
    assert wall.direct(WORLD, at(-3)) is not None
    assert wall.direct(WORLD, at(-2.95)) is None


def test_a_start_whose_instant_has_come_stays_until_it_is_answered() -> None:
    wall, _ = playing_wall()
    starts = ahead(wall)
    boundary = starts[0]
    assert boundary.at == at(3)
    wall.direct(WORLD, at(3.2))
    assert boundary in [billed.start for billed in wall.plan]
    wall.heard(fired(boundary))
    assert boundary not in [billed.start for billed in wall.plan]


def test_a_clock_slewed_back_behind_a_start_does_not_bring_it_back() -> None:
    wall, _ = playing_wall()
    wall.direct(WORLD, at(-0.01))
    assert all(billed.start.at > at(0) for billed in wall.plan)


def test_a_missed_start_is_joined_with_more_time_to_prepare() -> None:
    wall, _ = playing_wall()
    starts = ahead(wall)
    wall.direct(WORLD, at(3.01))
    wall.heard(Missed(id=starts[0].id, reason="not_prepared", detail="slow disk"))
    rejoin = wall.direct(WORLD, at(3.02))
    assert rejoin is not None
    assert rejoin[0].at - at(3.02) >= 2 * JOIN_LEAD_FIRST_US
    assert rejoin[0].position_us > 0


def test_a_dead_player_takes_picture_and_plan_with_it() -> None:
    wall, _ = playing_wall()
    wall.heard(Failed(reason="player_died", detail="SIGKILL"))
    assert (wall.on_wall, wall.plan, wall.player) == (None, (), None)
    assert wall.fault is not None
    assert wall.fault.code == "player_died"
    wall.heard(HELLO)
    rejoin = wall.direct(WORLD, at(1))
    assert rejoin is not None
    assert (rejoin[0].kind, rejoin[0].position_us) == ("film", 1_700_000)


def test_a_start_that_waits_while_many_joins_fail_is_known_all_the_time() -> None:
    world = replace(WORLD, programs={("reel", 1): program([item_body("a", 9000), item_body("b")])})
    wall = Wall()
    wall.heard(HELLO)
    wall.direct(world, at(0.5))
    boundary = next(billed.start for billed in wall.plan if not billed.piece.joined)
    for number in range(40):
        wall.direct(world, at(0.5 + number * 0.05))
        assert wall.heard(Armed(id=boundary.id)) is not None
        for billed in wall.plan:
            if billed.piece.joined:
                wall.heard(Missed(id=billed.start.id, reason="not_prepared", detail="slow disk"))


def test_running_counts_only_for_what_is_on_the_wall() -> None:
    wall, starts = playing_wall()
    report = Running(
        id="another",
        position_us=MediaUs(0),
        frame=0,
        errors_us=[],
        frames=0,
        dropped=0,
        late=0,
        trims=0,
    )
    wall.heard(report)
    assert wall.running is None
    wall.heard(report.model_copy(update={"id": starts[1].id}))
    assert wall.running is not None


def test_armed_is_over_when_the_start_is_answered() -> None:
    wall, _ = playing_wall()
    starts = ahead(wall)
    assert wall.heard(Armed(id=starts[0].id)) is not None
    assert wall.armed == starts[0].id
    wall.heard(fired(starts[0]))
    assert wall.armed is None


def test_hardware_that_gives_up_in_mid_film_is_noticed() -> None:
    wall, starts = playing_wall()
    assert wall.decoder == "software"
    running = Running(
        id=starts[1].id,
        position_us=MediaUs(0),
        frame=0,
        errors_us=[],
        frames=0,
        dropped=0,
        late=0,
        trims=0,
        decoder="vaapi",
    )
    wall.heard(running)
    assert wall.decoder == "vaapi"
    wall.heard(running.model_copy(update={"id": "another", "decoder": "drm"}))
    assert wall.decoder == "vaapi"
