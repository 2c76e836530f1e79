from agent.clock.mapping import ClockState, Mapping
from agent.player.servo import ADRIFT_US, SOUND_TICKS, TICK_S, Anchors, Servo
from agent.player.showing import HUNG_S, LEARNT_FRAMES, Showing
from agent.player.trim import Trim, trim_of, untrimmed
from agent.player.watch import FrameWatch
from agent.player.wire import Start
from agent.units import MediaUs, RawNs, UtcUs

FRAME_US = 1e6 / 30
AT = UtcUs(1_000_000)
CLOCK = Mapping(RawNs(0), 0, 0.0, 1e-6, 50.0, ClockState.SYNC, "true")
START = Start(id="a", kind="film", at=AT, path="/a.mp4", position_us=MediaUs(2_000_000), frame_us=FRAME_US)


class Film:
    """A film that plays as it is told to, frame by frame."""

    def __init__(
        self, *, trim: Trim | None = None, sound: bool = False, latency_us: int = 0, frame_us: float = FRAME_US
    ):
        start = START.model_copy(update={"frame_us": frame_us})
        now = RawNs(AT * 1000)
        watch = FrameWatch(now, start.position_us, frame_us, trim or untrimmed(0, now), True, now)
        self.servo = Servo()
        self.showing = Showing(start, watch, watch.trim, self.servo, Anchors(), sound, latency_us)
        self.number = 0
        self.speeds: list[float] = []

    def play(self, seconds: float, late_us: float = 0.0, clock: Mapping = CLOCK) -> None:
        for _ in range(round(seconds * 30)):
            self.number += 1
            due_us = AT + self.number * FRAME_US
            self.showing.watch.queued(raw(due_us + late_us - 15_000), START.position_us + self.number * FRAME_US)
            self.showing.watch.flipped(raw(due_us + late_us))
            if (now := raw(due_us + late_us + 100)) >= self.showing.wake_raw():
                speed = self.showing.step(now, clock)
                self.speeds += [] if speed is None else [speed]


def raw(us: float) -> RawNs:
    return RawNs(round(us * 1000))


def test_errors_are_told_a_frame_each_once() -> None:
    film = Film()
    film.play(2, late_us=400)
    film.play(1, late_us=20_000)
    film.showing.step(raw(10e6), CLOCK)
    errors, frames, dropped, late, trims = film.showing.told()
    assert (frames, dropped, late) == (90, 0, 10), "every third of the late ones was looked at"
    assert errors[0] == 400
    assert errors[-1] == 20_000
    assert trims == len(film.speeds)
    assert film.showing.told() == ([], 0, 0, 0, 0)


def test_due_instants_follow_the_newest_mapping_and_the_walls_latency() -> None:
    film = Film(latency_us=300)
    film.play(1, clock=CLOCK)
    later = Mapping(RawNs(0), 500_000, 0.0, 1e-6, 50.0, ClockState.SYNC, "half a millisecond further")
    film.play(1, clock=later)
    film.showing.step(raw(10e6), later)
    errors, *_ = film.showing.told()
    assert (errors[5], errors[-1]) == (300, 800)


def test_a_late_film_is_sped_up_twice_a_second_and_one_with_sound_once_in_ten() -> None:
    for sound, most in ((False, 21), (True, 1)):
        film = Film(sound=sound)
        film.play(SOUND_TICKS * (TICK_S + 1 / 30), late_us=900)
        assert 1 <= len(film.speeds) <= most
        assert all(speed > 1 for speed in film.speeds)
        assert len(film.speeds) == most or not sound


def test_while_the_trim_works_nothing_is_corrected_and_then_it_ends() -> None:
    film = Film(trim=trim_of(2_000, RawNs(AT * 1000)))
    film.play(0.48, late_us=1_500)
    assert film.speeds == []
    film.play(0.1, late_us=1_500)
    assert film.speeds == [1.0]
    film.play(0.6)
    assert len(film.speeds) == 2


def test_what_the_first_frames_say_of_the_machine_is_said_once() -> None:
    film = Film()
    film.play((LEARNT_FRAMES - 1) / 30, late_us=350)
    film.showing.step(raw(10e6), CLOCK)
    assert film.showing.learnt() is None, "too few frames"
    film.play(0.1, late_us=350)
    film.showing.step(raw(10e6), CLOCK)
    assert round(film.showing.learnt() or 0) == 350
    assert film.showing.learnt() is None


def test_a_film_far_from_its_timeline_is_adrift_but_one_stall_is_not() -> None:
    film = Film()
    film.play(0.6)
    film.play(0.5, late_us=ADRIFT_US + 9_000)
    film.play(2)
    assert film.showing.adrift_us is None
    film.play(1.2, late_us=400_000)
    assert film.showing.adrift_us == 400_000


def test_in_a_leap_second_nothing_is_corrected() -> None:
    film = Film()
    leap = Mapping(RawNs(0), 0, 0.0, 1e-6, 50.0, ClockState.SYNC, "leap", UtcUs(AT + 1_000_000), 1)
    film.play(0.9, clock=leap)
    count = len(film.speeds)
    film.play(0.9, clock=leap)
    assert len(film.speeds) == count


def test_a_film_that_does_not_move_is_hung_unless_it_has_ended_or_has_no_rate() -> None:
    film = Film()
    film.play(1)
    still = raw(AT + 1e6 + HUNG_S * 1e6)
    assert not film.showing.hung(still)
    assert film.showing.hung(RawNs(still + 50_000_000))
    film.showing.ended = True
    assert not film.showing.hung(RawNs(still + 50_000_000))
    assert not Film(frame_us=0.0).showing.hung(RawNs(10**12))


def test_what_the_output_left_out_is_counted_once() -> None:
    film = Film()
    for count in (0, 2, 2, 5):
        film.showing.left_out(count)
    assert film.showing.told()[2] == 5
    film.showing.left_out(5)
    assert film.showing.told()[2] == 0


def test_a_film_of_few_frames_is_corrected_too_only_more_rarely() -> None:
    film = Film(frame_us=100_000.0)
    for number in range(1, 100):
        due_us = AT + number * 100_000
        film.showing.watch.queued(raw(due_us - 15_000), START.position_us + number * 100_000)
        film.showing.watch.flipped(raw(due_us + 900))
        if (now := raw(due_us + 1_000)) >= film.showing.wake_raw():
            speed = film.showing.step(now, CLOCK)
            film.speeds += [] if speed is None else [speed]
    assert len(film.speeds) >= 5
    assert all(speed > 1 for speed in film.speeds)
