from makers import T0, S, cue_body, now_at, program_body, uuid_of
from walls import FakeWall

from agent.clock.mapping import ClockState
from agent.clock.report import ClockReport, SourceReport
from agent.effects import PlayerHeard
from agent.messages import Refusal, decode, encode
from agent.player.wire import Running
from agent.status import Surroundings, build_status
from agent.told import CacheStatus, HostStatus, Status
from agent.units import MediaUs

LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}


SOURCES = (
    SourceReport(
        "ntp1:123", False, True, "agrees", "192.0.2.1:123", -120.4, 4400.6, 8100.0, 15.2, 2, 64, 12.34567, 64.0
    ),
    SourceReport("ntp2:123", True, False, "has not answered yet"),
)


def around(**changes: object) -> Surroundings:
    plain: dict[str, object] = {
        "venue": "paris",
        "boot": uuid_of(99),
        "unsigned": True,
        "latency_us": 0,
        "clock": ClockReport(ClockState.SYNC, "5 of 5 time servers agree", 1000.0, -50.1234, 1.4, 5, 5, SOURCES),
        "offset_host_us": -1200,
        "cache": CacheStatus(films=2, bytes=2000, fetching=None, missing=0),
        "host": HostStatus(cpu=0.1, mem_mb=100, disk_free_gb=50.0),
        "brokers": {"mqtt://127.0.0.1:1883": True},
        "broker_faults": {},
        "faults": (),
    }
    return Surroundings(**{**plain, **changes})  # type: ignore[arg-type]


def status_of(wall: FakeWall, **changes: object) -> Status:
    status = build_status(wall.conductor.snapshot(wall.now()), wall.now(), around(**changes))
    assert decode(Status, encode(status)) == status, "what is published can be read again"
    return status


def test_the_states_of_a_wall_from_start_to_black() -> None:
    wall = FakeWall()
    assert status_of(wall).state == "starting"
    wall.start_player()
    wall.until(wall.t + S)
    wall.receive("program/reel/1", program_body())
    wall.receive("cue", cue_body(1, T0, LOOP))
    wall.receive("cue", cue_body(2, T0 + 5 * S, {"action": "black"}))
    assert (status_of(wall).state, status_of(wall).pending) == ("slate", 2)
    wall.until(T0 - S)
    armed = status_of(wall)
    assert armed.state == "armed"
    assert armed.next is not None
    assert (armed.next.cue, armed.next.action) == (uuid_of(1), "play")
    wall.until(T0 + 4 * S)
    playing = status_of(wall)
    assert (playing.state, playing.cue, playing.program, playing.item) == ("playing", uuid_of(1), "reel", 1)
    wall.until(T0 + 6 * S)
    black = status_of(wall)
    assert (black.state, black.item, black.next) == ("black", None, None)


def test_held_is_a_state_of_its_own() -> None:
    wall = FakeWall()
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    wall.receive("cue", cue_body(1, T0, {**LOOP, "held": True}))
    wall.until(T0 + S)
    status = status_of(wall)
    assert (status.state, status.position_us, status.frame) == ("held", 0, 0)


def test_what_the_player_observes_is_told() -> None:
    wall = FakeWall()
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    wall.receive("cue", cue_body(1, T0, LOOP))
    wall.until(T0 + S)
    running = Running(
        id=wall.shown[-1][1].id,
        position_us=MediaUs(S),
        frame=30,
        errors_us=[-200, -200, 900],
        frames=3,
        dropped=2,
        late=1,
        trims=1,
    )
    wall.give(PlayerHeard(running))
    status = status_of(wall)
    assert status.error_us is not None
    assert (status.frame, status.error_us.median, status.error_us.p99) == (30, -200, 900)
    assert (status.dropped, status.late) == (2, 1)


def test_the_bound_is_told_in_frames_of_the_film_and_else_of_thirty_a_second() -> None:
    wall = FakeWall()
    wall.start_player()
    wall.bound_us = 16_667
    assert status_of(wall).clock.frames == 0.5
    assert status_of(wall).frame_us is None
    wall.receive("program/reel/1", program_body())
    wall.receive("cue", cue_body(1, T0 - 20 * S, LOOP))
    wall.until(T0 - 16 * S)
    assert status_of(wall).clock.frames == 1.0  # film b has 60 frames a second
    assert status_of(wall).frame_us == 16_667


def test_without_a_clock_there_is_no_time_and_no_readiness() -> None:
    wall = FakeWall()
    wall.start_player()
    status = build_status(wall.conductor.snapshot(now_at(None)), now_at(None), around(clock=None))
    assert (status.time, status.ready, status.clock.state, status.clock.bound_us) == (None, False, "UNSYNC", None)
    assert [reason.code for reason in status.reasons] == ["clock_unsync"]


def test_faults_of_the_shell_are_reasons_too() -> None:
    wall = FakeWall()
    wall.start_player()
    status = status_of(wall, faults=(Refusal(code="journal", detail="disk full"),))
    assert (status.ready, [reason.code for reason in status.reasons]) == (False, ["journal"])


def test_what_is_known_of_each_time_source_travels() -> None:
    clock = status_of(FakeWall()).clock
    assert (clock.freq_ppm, clock.skew_ppm) == (-50.123, 1.4)
    first, second = clock.per_source
    assert (first.name, first.agrees, first.offset_us, first.error_us, first.delay_us) == (
        "ntp1:123",
        True,
        -120,
        4401,
        8100,
    )
    assert (first.address, first.stratum, first.samples, first.age_s, first.interval_s) == (
        "192.0.2.1:123",
        2,
        64,
        12.346,
        64.0,
    )
    assert (second.ours, second.agrees, second.why, second.offset_us) == (True, False, "has not answered yet", None)


def test_a_long_complaint_of_a_resolver_is_told_short() -> None:
    source = SourceReport("ntp1:123", False, False, "x" * 5000)
    report = ClockReport(ClockState.UNSYNC, "no time", None, None, None, 1, 0, (source,))
    assert len(status_of(FakeWall(), clock=report).clock.per_source[0].why) == 300


def test_what_is_wrong_with_a_broker_stands_in_the_status() -> None:
    faults = {"mqtt://127.0.0.1:1883": "nobody listens there"}
    assert status_of(FakeWall(), broker_faults=faults).broker_faults == faults
