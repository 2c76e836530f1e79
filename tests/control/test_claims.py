"""Two desks and more on brokers that are only lists, with whatever delays: who goes, and that only one does."""

import heapq
from dataclasses import dataclass, field
from itertools import count, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from makers import T0, uuid_of

from agent.control.claims import PATIENCE_S, Beaten, Claim, Contest, Granted
from agent.control.desk import Desk
from agent.control.showfile import ShowFile, parse_show
from agent.units import UtcUs

SHOW = b'show = "demo"\nmin_gap = "2s"\n' + b"".join(
    b'[[cue]]\nid = "%d"\nname = "cue %d"\naction = "black"\n' % (n, n) for n in range(1, 9)
)
NOW = UtcUs(T0)


def show() -> ShowFile:
    return parse_show(SHOW, "show.toml")


def claim(number: int, by: str = "anna") -> Claim:
    return Claim(v=1, claim=uuid_of(number), show="demo", issued=NOW, by=by, label="1 cue 1")


@dataclass
class Seat:
    """One desk with its lines to the brokers."""

    name: str
    brokers: tuple[str, ...]
    desk: Desk
    contest: Contest = field(default_factory=Contest)
    pending: tuple[str, float] | None = None
    went: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Press:
    seat: int
    at_s: float
    up_s: tuple[float, ...]
    """How long the claim travels to each broker."""
    smaller: bool = False
    """Its id is smaller than those before, as one from a computer whose clock is slow."""


def play(
    presses: list[Press],
    down_s: dict[tuple[str, int], float],
    on: list[tuple[str, ...]],
    lost: frozenset[str] = frozenset(),
) -> list[Seat]:
    """Let it happen: claims reach the brokers, each passes them on to all in its order; `lost` brokers to nobody."""
    seats = [Seat(f"desk{n}", brokers, Desk(show(), f"desk{n}")) for n, brokers in enumerate(on)]
    order = count()
    events: list[tuple[float, int, str, object]] = []
    reached: dict[tuple[str, int], float] = {}

    def later(at_s: float, what: str, value: object) -> None:
        heapq.heappush(events, (at_s, next(order), what, value))

    for number, press in enumerate(presses):
        later(press.at_s, "press", (number, press))
    while events:
        now_s, _, what, value = heapq.heappop(events)
        if what == "press":
            assert isinstance(value, tuple)
            number, press = value
            seat = seats[press.seat]
            line = seat.desk.standby
            if (refused := seat.desk.may_go(line, seat.contest, NOW, now_s)) is not None:
                seat.refused.append(refused.reason)
                continue
            made = claim(500 - number if press.smaller else 500 + number, seat.name)
            seat.desk.pressed(made.claim)
            seat.pending = (made.claim, now_s)
            for place, url in enumerate(seat.brokers):
                later(now_s + press.up_s[place], "broker", (url, made))
            later(now_s + PATIENCE_S, "patience", seat)
        elif what == "broker":
            assert isinstance(value, tuple)
            url, made = value
            for n, seat in enumerate(seats):
                if url in seat.brokers and url not in lost:
                    # A connection keeps its order.
                    reached[url, n] = max(reached.get((url, n), 0.0), now_s + down_s.get((url, n), 0.0))
                    later(reached[url, n], "heard", (seat, url, made))
        elif what == "heard":
            assert isinstance(value, tuple)
            seat, url, made = value
            seat.contest.take(url, made, now_s)
            decide(seat, over=False)
        else:
            assert isinstance(value, Seat)
            if value.pending is not None and now_s >= value.pending[1] + PATIENCE_S:
                decide(value, over=True)
    return seats


def decide(seat: Seat, *, over: bool) -> None:
    if seat.pending is None:
        return
    mine, pressed_s = seat.pending
    verdict = seat.contest.judge(mine, pressed_s, seat.brokers, (), over=over)
    if verdict is None:
        return
    seat.pending, seat.desk.busy = None, False
    if isinstance(verdict, Granted):
        seat.desk.granted(mine, "1 cue 1", pressed_s)
        seat.went.append(pressed_s)
    else:
        seat.refused.append("rival")


def all_that_went(seats: list[Seat]) -> list[float]:
    return sorted(at_s for seat in seats for at_s in seat.went)


DELAY = st.floats(0, PATIENCE_S / 2 - 0.01)


@st.composite
def evenings(draw: st.DrawFn) -> tuple[list[Press], dict[tuple[str, int], float], list[tuple[str, ...]]]:
    urls = ("a", "b")[: draw(st.integers(1, 2))]
    desks = draw(st.integers(2, 3))
    on = [draw(st.sampled_from([urls, urls, ("a",)])) for _ in range(desks)]
    down = {(url, n): draw(DELAY) for url in urls for n in range(desks)}
    presses = draw(
        st.lists(
            st.builds(Press, st.integers(0, desks - 1), st.floats(0, 6), st.tuples(DELAY, DELAY), st.booleans()),
            min_size=1,
            max_size=6,
        )
    )
    return presses, down, on


@settings(max_examples=300)
@given(evenings())
def test_two_gos_never_lie_within_the_gap_whatever_the_delays_and_orders(
    evening: tuple[list[Press], dict[tuple[str, int], float], list[tuple[str, ...]]],
) -> None:
    went = all_that_went(play(*evening))
    assert all(later - earlier >= 2.0 for earlier, later in pairwise(went)), went


@given(st.floats(0, 0.9), st.tuples(DELAY, DELAY), DELAY, DELAY, st.booleans())
def test_with_one_broker_exactly_one_of_two_goes(
    apart_s: float, up_s: tuple[float, float], down_a: float, down_b: float, smaller: bool
) -> None:
    presses = [Press(0, 0.0, up_s[:1]), Press(1, apart_s, up_s[1:], smaller)]
    seats = play(presses, {("a", 0): down_a, ("a", 1): down_b}, [("a",), ("a",)])
    assert len(all_that_went(seats)) == 1, [(seat.name, seat.went, seat.refused) for seat in seats]


@given(st.tuples(st.floats(0, 30), st.floats(0, 30)), st.sets(st.sampled_from(["a", "b"])), st.integers(1, 2))
def test_who_presses_alone_always_goes_whatever_is_lost_or_late(
    up_s: tuple[float, float], lost: set[str], brokers: int
) -> None:
    urls = ("a", "b")[:brokers]
    seats = play([Press(0, 0.0, up_s)], {}, [urls, urls], frozenset(lost))
    assert all_that_went(seats) == [0.0]


def test_the_order_of_the_broker_decides_and_not_the_clock_of_anybody() -> None:
    """The second press is faster to the broker, and its id, which is from a clock, the greater one."""
    seats = play([Press(0, 0.0, (0.3,)), Press(1, 0.1, (0.05,))], {}, [("a",), ("a",)])
    assert (seats[0].went, seats[1].went) == ([], [0.1])
    assert seats[0].refused == ["rival"]


def test_where_brokers_disagree_the_smaller_id_goes() -> None:
    """Each press comes first at one broker; both desks hear both orders, and conclude the same."""
    crossed = [Press(0, 0.0, (0.05, 0.3)), Press(1, 0.0, (0.3, 0.05))]
    seats = play(crossed, {}, [("a", "b"), ("a", "b")])
    assert (seats[0].went, seats[1].went) == ([0.0], []), "500 is smaller than 501"
    crossed[1] = Press(1, 0.0, (0.3, 0.05), smaller=True)
    seats = play(crossed, {}, [("a", "b"), ("a", "b")])
    assert (seats[0].went, seats[1].went) == ([], [0.0])


def test_a_broker_that_brings_nothing_back_is_named_and_does_not_stop_the_show() -> None:
    contest = Contest()
    contest.take("a", claim(1), 10.1)
    assert contest.judge(uuid_of(1), 10.0, ("a", "b"), (), over=False) is None
    assert contest.judge(uuid_of(1), 10.0, ("a", "b"), (), over=True) == Granted(("b",))
    assert contest.judge(uuid_of(1), 10.0, ("a",), ("c",), over=False) == Granted(("c",)), "nobody waits for a doubt"


def test_with_a_broker_unheard_the_greater_id_gives_way_to_a_rival_that_is_known() -> None:
    """Nobody knows in which order the unheard broker passed them on, and the rival may have heard it."""
    contest = Contest()
    contest.take("a", claim(2, "me"), 10.1)
    contest.take("a", claim(1, "ben"), 10.2)
    assert contest.judge(uuid_of(2), 10.0, ("a",), (), over=True) == Granted()
    beaten = contest.judge(uuid_of(2), 10.0, ("a", "b"), (), over=True)
    assert isinstance(beaten, Beaten) and beaten.by.by == "ben"


def test_a_claim_that_comes_again_keeps_its_place_and_old_ones_are_forgotten() -> None:
    contest = Contest()
    contest.take("a", claim(1), 1.0)
    contest.take("a", claim(2), 2.0)
    contest.take("a", claim(1), 3.0)
    assert contest.came_s[uuid_of(1)] == 1.0
    assert isinstance(contest.judge(uuid_of(2), 0.5, ("a",), (), over=False), Beaten)
    for number in range(10, 400):
        contest.take("a", claim(number), 4.0)
    assert len(contest.claims) <= 200 and uuid_of(1) not in contest.claims


def test_the_simulation_can_fail() -> None:
    """Where every claim takes longer than the patience, two go: it is the waiting that keeps them apart."""
    late = (PATIENCE_S * 3,)
    seats = play([Press(0, 0.0, late), Press(1, 0.1, late)], {}, [("a",), ("a",)])
    assert len(all_that_went(seats)) == 2
