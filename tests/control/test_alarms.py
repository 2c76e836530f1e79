"""What is an alarm and what is not, when it is raised and when it is over, in which words."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from fake_venue import BOOT, presence, status
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.control.alarm_facts import Trail
from agent.control.alarms import Alarm, Alarms, Changes, Facts, Rules, Sight
from agent.control.sights import Lookout
from agent.control.view import View
from agent.messages import Black, Cue, Play, Refusal, encode
from agent.received import Received
from agent.told import (
    Ack,
    CacheStatus,
    ClockStatus,
    ErrorWindow,
    Fetching,
    HostStatus,
    LocalBlack,
    NextCue,
    Presence,
    SelfTest,
    Status,
)
from agent.units import US_PER_S, UtcUs, parse_utc

T0 = parse_utc("2025-06-02T12:00:00Z")
CUE = "0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11"
OTHER_BOOT = "22222222-2222-4222-8222-222222222222"
QUIET: dict[str, Any] = {"next": None, "unsigned": False}


class Desk:
    """A desk whose time a test turns on, second by second."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.alarms = Alarms(rules or Rules())
        self.s = 1000.0
        self.statuses: dict[str, tuple[Status, float | None]] = {}
        self.presences: dict[str, Presence] = {}
        self.gone: set[str] = set()
        self.more: dict[str, Any] = {}

    @property
    def now(self) -> UtcUs:
        return UtcUs(T0 + round((self.s - 1000.0) * US_PER_S))

    def tell(self, venue: str, **more: Any) -> None:
        self.presences.setdefault(venue, presence(venue))
        self.statuses[venue] = (status(venue, at=self.now, **{**QUIET, **more}), self.s)

    def look(self, acks: Iterable[Ack] = ()) -> Changes:
        sights = []
        for venue in sorted(self.presences.keys() | self.statuses.keys()):
            found, heard_s = self.statuses.get(venue, (None, None))
            silent = found is None or heard_s is None or self.s - heard_s > 12 or venue in self.gone
            sights.append(Sight(venue, self.presences.get(venue), found, heard_s, silent, venue in self.gone))
        return self.alarms.look(Facts(self.now, self.s, sights, acks=tuple(acks), **self.more))

    def lives(self, seconds: int, telling: Mapping[str, dict[str, Any]]) -> tuple[list[Alarm], list[Alarm]]:
        """So many seconds in which these venues tell this; returns all that was raised and cleared in them."""
        raised: list[Alarm] = []
        cleared: list[Alarm] = []
        for _ in range(seconds):
            for venue, more in telling.items():
                self.tell(venue, **more)
            changes = self.look()
            raised += changes.raised
            cleared += changes.cleared
            self.s += 1
        return raised, cleared

    @property
    def codes(self) -> list[str]:
        return [alarm.code for alarm in self.alarms.current]


def test_a_venue_that_is_well_is_no_alarm() -> None:
    desk = Desk()
    assert desk.lives(120, {"a": {}, "b": {}}) == ([], [])


def test_a_silent_venue_is_said_once_with_its_last_word_and_hides_what_else_was_wrong_there() -> None:
    desk = Desk()
    hot = {"host": HostStatus(cpu=0.1, mem_mb=1, disk_free_gb=50, temp_c=91)}
    raised, _ = desk.lives(20, {"tokyo": hot, "paris": {}})
    assert [alarm.code for alarm in raised] == ["temperature"]
    raised, cleared = desk.lives(30, {"paris": {}})
    assert [(alarm.code, alarm.venue, alarm.severity) for alarm in raised] == [("silent", "tokyo", "critical")]
    assert cleared == []
    assert desk.codes == ["silent"]
    alarm = desk.alarms.current[0]
    assert "tokyo is silent for 30.0 s" in alarm.text
    assert "last heard 12:00:19Z" in alarm.text
    assert "line is cut" in alarm.text
    # Back and still hot: nothing is told anew but that it is heard again.
    raised, cleared = desk.lives(15, {"tokyo": hot, "paris": {}})
    assert (raised, [alarm.code for alarm in cleared]) == ([], ["silent"])
    assert desk.codes == ["temperature"]


def test_a_goodbye_is_told_apart_from_a_cut_line() -> None:
    desk = Desk()
    desk.lives(3, {"tokyo": {}, "paris": {}})
    desk.gone.add("tokyo")
    raised, _ = desk.lives(1, {"paris": {}})
    assert "offline: its connection broke off" in raised[0].text
    desk.presences["tokyo"] = presence("tokyo", online=False).model_copy(update={"goodbye": True})
    desk.lives(1, {"paris": {}})
    assert "its agent was ended, and has said goodbye" in desk.alarms.current[0].text


def test_all_silent_at_once_is_one_alarm() -> None:
    desk = Desk()
    desk.lives(5, {"a": {}, "b": {}, "c": {}})
    raised, _ = desk.lives(20, {})
    assert [(alarm.code, alarm.venue) for alarm in raised] == [("all_silent", None)]
    # One comes back: the others are silent by themselves.
    raised, _ = desk.lives(15, {"a": {}})
    assert sorted(str(alarm.venue) for alarm in raised if alarm.code == "silent") == ["b", "c"]


def test_without_any_broker_there_is_one_alarm_and_with_one_lost_a_warning() -> None:
    desk = Desk()
    desk.more = {"brokers": {"mqtt://a": True, "mqtt://b": False}, "broker_faults": {"mqtt://b": "refused"}}
    raised, _ = desk.lives(10, {"a": {}, "b": {}})
    assert [(alarm.code, alarm.severity) for alarm in raised] == [("broker", "warning")]
    assert "mqtt://b: refused" in raised[0].text
    desk.more = {"brokers": {"mqtt://a": False, "mqtt://b": False}}
    raised, _ = desk.lives(30, {})
    assert [(alarm.code, alarm.about) for alarm in raised] == [("broker", "all")]
    assert desk.codes == ["broker"]


def test_an_expected_venue_that_was_never_seen() -> None:
    desk = Desk(Rules(venues=["tokyo", "paris"]))
    raised, _ = desk.lives(10, {"paris": {}})
    assert [(alarm.code, alarm.venue) for alarm in raised] == [("never_seen", "tokyo")]


def test_a_bad_clock_has_to_last_and_a_figure_at_its_limit_does_not_flap() -> None:
    desk = Desk()

    def clock(bound_us: int) -> dict[str, Any]:
        return {
            "clock": ClockStatus(state="SYNC", bound_us=bound_us, frames=1, sources=5, agreeing=5, offset_host_us=0)
        }

    assert desk.lives(10, {"a": clock(31_000)}) == ([], [])
    desk.lives(2, {"a": clock(20_000)})
    raised, cleared = desk.lives(16, {"a": clock(31_000)})
    assert ([alarm.code for alarm in raised], cleared) == (["clock"], [])
    assert "31.0 ms wrong" in raised[0].text
    for _ in range(20):  # it trembles about its limit
        assert desk.lives(2, {"a": clock(29_500)}) == ([], [])
        assert desk.lives(2, {"a": clock(30_500)}) == ([], [])
    assert desk.lives(30, {"a": clock(29_000)}) == ([], [])  # not far enough below it
    raised, cleared = desk.lives(12, {"a": clock(20_000)})
    assert (raised, [alarm.code for alarm in cleared]) == ([], ["clock"])


def test_a_wall_out_of_step() -> None:
    desk = Desk()
    off = {"state": "playing", "error_us": ErrorWindow(median=-12_000, p99=19_000, window_s=60)}
    raised, _ = desk.lives(20, {"a": off})
    assert [(alarm.code, alarm.severity) for alarm in raised] == [("sync", "critical")]
    assert "ran 12.0 ms early, and one frame in a hundred was 19.0 ms off or more" in raised[0].text
    stutter = {**off, "error_us": ErrorWindow(median=300, p99=48_500, window_s=60)}
    raised, _ = Desk().lives(20, {"a": stutter})
    assert [(alarm.severity, "a stutters: its film is in step" in alarm.text) for alarm in raised] == [
        ("warning", True)
    ]
    half = Desk(Rules(sync_frames=0.5))
    assert half.lives(20, {"a": {**off, "frame_us": 33_333}}) == ([], [])
    raised, _ = half.lives(20, {"a": {**off, "frame_us": 16_667}})
    assert [alarm.code for alarm in raised] == ["sync"]


def test_late_frames_that_rise_and_counters_that_begin_again() -> None:
    desk = Desk()
    raised: list[Alarm] = []
    for second in range(60):
        raised += desk.lives(1, {"a": {"late": second * 2}})[0]
    assert [alarm.code for alarm in raised] == ["frames"]
    desk = Desk()
    desk.lives(5, {"a": {"late": 1000}})
    assert desk.lives(5, {"a": {"late": 3}}) == ([], [])  # a new cue
    trail = Trail()
    for second, (boot, late) in enumerate([(BOOT, 10), (BOOT, 30), (OTHER_BOOT, 50)]):
        trail.take(status("a", late=late).model_copy(update={"boot": boot}), second * 10.0)
    assert trail.risen("late") == 20 + 50  # of a new agent all count


def test_a_no_go_before_a_cue_is_critical_and_covers_its_own_causes() -> None:
    desk = Desk()
    reasons = [Refusal(code="film_missing", detail="koi.mp4 is not here")]
    ahead = {"next": NextCue(cue=CUE, at=UtcUs(T0 + 700 * US_PER_S), action="play")}
    missing = CacheStatus(films=1, bytes=1, fetching=None, missing=1)
    lacking = {"ready": False, "reasons": reasons, "cache": missing, **ahead}
    raised, _ = desk.lives(60, {"a": lacking})
    assert [(alarm.code, alarm.severity) for alarm in raised] == [("films", "warning")]
    assert "1 film not there yet" in raised[0].text
    raised, _ = desk.lives(50, {"a": lacking})
    assert [(alarm.code, alarm.severity) for alarm in raised] == [("no_go", "critical")]
    assert desk.codes == ["no_go"]
    raised, cleared = desk.lives(12, {"a": ahead})
    assert (raised, {alarm.code for alarm in cleared}) == ([], {"no_go", "films"})


def test_what_a_wall_warns_of_is_an_alarm_by_itself_and_no_reason_not_to_go() -> None:
    desk = Desk()
    book = Refusal(code="asrun_book", detail="the as-run book cannot be used; check space there")
    other = Refusal(code="metrics", detail="metrics.listen cannot be used; name a free address")
    raised, _ = desk.lives(10, {"a": {"warnings": [book, other]}})
    assert [(alarm.code, alarm.severity) for alarm in raised] == [("warned", "warning")] * 2
    assert "check space there" in raised[0].text
    raised, cleared = desk.lives(15, {"a": {"warnings": [other]}})
    assert raised == [] and ["asrun_book" in alarm.text for alarm in cleared] == [True]


def test_what_only_a_players_self_test_finds_is_an_alarm() -> None:
    def found(code: str, verdict: str, area: str) -> dict[str, str]:
        return {"area": area, "verdict": verdict, "code": code, "what": f"about {code}", "mend": f"mend {code}"}

    some = [
        found("keys", "fault", "trust"),
        found("key_rights", "fault", "broker"),
        found("no_rtc", "warning", "clock"),
    ]
    test = SelfTest.model_validate({"time": None, "good": 9, "warnings": 1, "faults": 2, "findings": some})
    said = Refusal(code="trust", detail="no key is trusted")
    desk = Desk()
    raised, _ = desk.lives(10, {"a": {"self_test": test, "warnings": [said]}})
    [alarm] = [alarm for alarm in raised if alarm.code == "self_test"]
    assert (alarm.venue, alarm.severity, alarm.remedy) == ("a", "warning", "mend key_rights")
    assert "about key_rights" in alarm.text and "keys" not in alarm.text and "no_rtc" not in alarm.text
    mended = test.model_copy(update={"faults": 0, "findings": []})
    _, cleared = desk.lives(15, {"a": {"self_test": mended, "warnings": [said]}})
    assert "self_test" in {alarm.code for alarm in cleared}


def test_a_film_that_comes_in_time_is_no_alarm_and_one_that_does_not_is() -> None:
    ahead = {"next": NextCue(cue=CUE, at=UtcUs(T0 + 1800 * US_PER_S), action="play"), "ready": False}
    for speed, found in ((10_000_000, []), (100_000, ["films"])):
        desk = Desk()
        raised: list[Alarm] = []
        for second in range(40):
            fetching = Fetching(name="koi.mp4", done=second * speed, size=5_000_000_000)
            cache = CacheStatus(films=1, bytes=1, fetching=fetching, missing=1)
            raised += desk.lives(1, {"a": {"cache": cache, **ahead}})[0]
        assert [alarm.code for alarm in raised if alarm.code == "films"] == found


def ack(stage: Any, venue: str, **more: Any) -> Ack:
    return Ack(cue=CUE, venue=venue, boot=BOOT, stage=stage, time=T0, **more)


def cue(at_s: int = 10, **more: Any) -> Cue:
    fields = {
        "v": 1,
        "cue": CUE,
        "show": "demo",
        "venues": ["*"],
        "at": UtcUs(T0 + at_s * US_PER_S),
        "issued": T0,
        "expires": UtcUs(T0 + 86_400 * US_PER_S),
        "do": Play(action="play", program="reel", rev=1),
    }
    return Cue(**{**fields, **more})


def test_a_wall_that_misses_a_cue_is_named_until_it_has_joined() -> None:
    desk = Desk()
    desk.more = {"cues": {CUE: cue()}}
    desk.lives(11, {"a": {}, "b": {}})
    missed = ack("missed", "b", reason="film_missing", detail="koi.mp4 is not here")
    raised = desk.look([ack("started", "a"), missed]).raised
    assert [(alarm.code, alarm.venue, alarm.severity) for alarm in raised] == [("missed", "b", "critical")]
    assert "b MISSED play reel of 12:00:10Z (film_missing: koi.mp4 is not here)" in raised[0].text
    desk.lives(400, {"a": {"cue": CUE, "state": "playing"}, "b": {}})
    assert desk.codes == ["missed"]  # as long as it is not there
    desk.look([ack("started", "b", joined=True, observed=UtcUs(T0 + 420 * US_PER_S))])
    assert [(alarm.code, alarm.severity) for alarm in desk.alarms.current] == [("missed", "warning")]
    assert "joined 6 m 50 s later" in desk.alarms.current[0].text
    desk.lives(320, {"a": {}, "b": {}})
    assert desk.codes == []


def test_a_wall_that_says_nothing_of_a_cue_is_named_two_seconds_after_its_instant() -> None:
    desk = Desk()
    desk.more = {"cues": {CUE: cue(at_s=5)}}
    playing = {"cue": CUE, "state": "playing"}
    assert desk.lives(7, {"a": playing, "b": {}}) == ([], [])
    raised, _ = desk.lives(3, {"a": playing, "b": {}})
    assert [(alarm.code, alarm.venue) for alarm in raised] == [("not_started", "b")]
    # Another cue takes its place: that one is what counts.
    other = cue(at_s=20, cue=str(uuid.UUID(int=2)), do=Black(action="black"))
    desk.more = {"cues": {CUE: cue(at_s=5), other.cue: other}}
    black = {"cue": other.cue, "state": "black"}
    desk.lives(10, {"a": playing, "b": {}})
    _, cleared = desk.lives(20, {"a": black, "b": black})
    assert [alarm.code for alarm in cleared] == ["not_started"]


def test_a_wall_of_another_show_is_not_awaited() -> None:
    desk = Desk()
    desk.more = {"cues": {CUE: cue(at_s=5)}}
    desk.presences["b"] = presence("b").model_copy(update={"show": "another"})
    assert desk.lives(20, {"a": {"cue": CUE, "state": "playing"}, "b": {}}) == ([], [])


def test_a_warning_that_becomes_critical_is_told_again_and_not_when_it_eases() -> None:
    desk = Desk()
    stutters = {"state": "playing", "error_us": ErrorWindow(median=300, p99=48_500, window_s=60)}
    off = {"state": "playing", "error_us": ErrorWindow(median=12_000, p99=48_500, window_s=60)}
    told = [
        [(alarm.code, alarm.severity) for alarm in desk.lives(20, {"a": state})[0]]
        for state in (stutters, off, stutters)
    ]
    assert told == [[("sync", "warning")], [("sync", "critical")], []]


def test_what_several_venues_refuse_is_one_alarm() -> None:
    desk = Desk()
    desk.lives(2, {"a": {}, "b": {}})
    acks = [ack("refused", venue, reason="signature", detail="no key that counts") for venue in "ab"]
    raised = desk.look(acks).raised
    assert [(alarm.code, alarm.venue) for alarm in raised] == [("refused", None)]
    assert "a, b refused" in raised[0].text


def test_panic_unsigned_rival_and_what_is_odd() -> None:
    desk = Desk()
    desk.more = {"odd": {"panic is passed over: no signature": desk.s}}
    desk.presences["a"] = presence("a").model_copy(update={"rival": "?"})
    raised, _ = desk.lives(2, {"a": {"panic": CUE, "state": "panic", "unsigned": True}})
    assert {alarm.code for alarm in raised} == {"panic", "unsigned", "rival", "odd"}


def test_a_wall_that_somebody_there_has_black_is_one_alarm_with_the_name_and_the_remedy() -> None:
    desk = Desk()
    black = LocalBlack(by="alice (by sudo)", since=UtcUs(T0 - 60 * US_PER_S))
    short = Refusal(code="local_black", detail="alice has this wall black")
    dark = {"state": "black", "ready": False, "reasons": [short], "local_black": black}
    desk.more = {"cues": {CUE: cue(at_s=5)}}
    raised, _ = desk.lives(20, {"a": dark, "b": {"cue": CUE, "state": "playing"}})
    assert [(alarm.code, alarm.venue, alarm.severity) for alarm in raised] == [("local_black", "a", "critical")]
    assert "alice (by sudo) has the wall black" in raised[0].text
    assert raised[0].since == black.since, "since it is so, and not since this desk has seen it"
    assert "framezero local resume" in raised[0].remedy
    _, cleared = desk.lives(15, {"a": {"cue": CUE, "state": "playing"}, "b": {"cue": CUE, "state": "playing"}})
    assert [alarm.code for alarm in cleared] == ["local_black"]


def test_a_flood_of_what_nobody_has_signed_is_one_alarm() -> None:
    desk = Desk()
    raised: list[Alarm] = []
    for number in range(5):
        desk.more = {"odd": {f"cue/{one} is passed over: no signature": desk.s for one in range(number + 1)}}
        raised += desk.lives(2, {"a": {}})[0]
    assert [alarm.code for alarm in raised] == ["odd"]
    assert desk.alarms.current[0].text == "cue/4 is passed over: no signature (5 such messages)"
    desk.lives(320, {"a": {}})
    assert desk.codes == []
    desk.more = {"odd": {"cue/0 is passed over: no signature": desk.s}}
    assert [alarm.code for alarm in desk.lives(2, {"a": {}})[0]] == ["odd"], "the same again, later, is news"


@pytest.mark.parametrize(("show", "seen"), [(None, "abc"), ("demo", "ac"), ("other", "bc")])
def test_walls_of_another_show_are_nobodys_alarm_here_unless_they_are_expected(show: str | None, seen: str) -> None:
    view = View()
    for venue in "abc":
        here = presence(venue).model_copy(update={"show": "other" if venue == "b" else "demo"})
        view.take(Received(f"venue/{venue}/presence", encode(here), True, "mqtt://a"), 0.0)
        view.take(Received(f"venue/{venue}/ack", encode(ack("refused", venue)), False, "mqtt://a"), 0.0)
    facts = Lookout(view, show, ["c"]).facts(T0, 1.0, {}, {})
    assert "".join(sight.venue for sight in facts.sights) == seen
    assert "".join(found.venue for found in facts.acks) == seen


def test_acks_are_read_once_also_when_the_view_forgets_and_hears_again() -> None:
    view = View()
    lookout = Lookout(view, None)

    def stages() -> list[str]:
        return [found.stage for found in lookout.facts(T0, 1.0, {}, {}).acks]

    view.acks["x"] = [ack("accepted", "a")]
    assert (stages(), stages()) == (["accepted"], [])
    view.acks["x"] = [*view.acks["x"], ack("armed", "a"), ack("started", "a")]
    assert (stages(), stages()) == (["armed", "started"], [])
    view.acks["x"] = [ack("missed", "a")]
    assert stages() == ["missed"]
    del view.acks["x"]
    assert stages() == []
    view.acks["x"] = [ack("refused", "a")]
    assert stages() == ["refused"]


def test_what_is_switched_off_is_no_alarm() -> None:
    desk = Desk(Rules(off=["unsigned"]))
    assert desk.lives(5, {"a": {"unsigned": True}}) == ([], [])


def test_brokers_that_come_back_do_not_make_everybody_silent() -> None:
    desk = Desk(Rules(clear_after_s=0))
    desk.more = {"brokers": {"mqtt://a": True}}
    desk.lives(5, {"a": {}, "b": {}})
    desk.more = {"brokers": {"mqtt://a": False}}
    raised, _ = desk.lives(60, {})
    assert [alarm.code for alarm in raised] == ["broker"]
    desk.more = {"brokers": {"mqtt://a": True}}
    raised, cleared = desk.lives(5, {})
    assert (raised, [alarm.code for alarm in cleared]) == ([], ["broker"])
    assert desk.lives(20, {"a": {}, "b": {}}) == ([], [])


def test_a_second_agent_is_one_alarm() -> None:
    desk = Desk()
    desk.presences["a"] = presence("a").model_copy(update={"rival": "?"})
    raised, _ = desk.lives(60, {"a": {"ready": False, "reasons": [Refusal(code="identity", detail="two of them")]}})
    assert [alarm.code for alarm in raised] == ["rival"]


def test_a_critical_alarm_is_sent_again_as_long_as_it_stands() -> None:
    desk = Desk(Rules(remind_min=1))
    desk.lives(3, {"tokyo": {}, "paris": {}})
    reminders: list[Alarm] = []
    for _ in range(200):
        desk.tell("paris")
        reminders += desk.look().reminders
        desk.s += 1
    assert [(alarm.code, alarm.venue) for alarm in reminders] == [("silent", "tokyo")] * 3


DAYS = st.tuples(st.sampled_from(["well", "hot", "slow", "no_go", "away", "dark"]), st.integers(1, 30))


@settings(max_examples=30)
@given(st.lists(DAYS, max_size=12))
def test_whatever_happens_each_alarm_is_told_and_ended_in_turn_and_none_flaps(days: list[tuple[str, int]]) -> None:
    rules = Rules()
    desk = Desk(rules)
    desk.more = {"brokers": {"mqtt://a": True}}
    told: dict[Any, tuple[str, float]] = {}
    bad: dict[str, dict[str, Any]] = {
        "hot": {"host": HostStatus(cpu=0, mem_mb=1, disk_free_gb=50, temp_c=95)},
        "slow": {"state": "playing", "error_us": ErrorWindow(median=20_000, p99=40_000, window_s=60)},
        "no_go": {"ready": False, "reasons": [Refusal(code="display_absent", detail="none")]},
    }
    for what, seconds in days:
        desk.more["brokers"] = {"mqtt://a": what != "dark"}
        for _ in range(seconds):
            if what != "dark":
                desk.tell("b")
                if what != "away":
                    desk.tell("a", **bad.get(what, {}))
            changes = desk.look()
            for alarm in changes.raised:
                event, _ = told.get(alarm.key, ("cleared", 0.0))
                assert event == "cleared" or alarm.severity == "critical", "told twice"
                told[alarm.key] = ("raised", desk.s)
            for alarm in changes.cleared:
                event, since_s = told[alarm.key]
                assert event == "raised" and desk.s - since_s >= rules.clear_after_s
                told[alarm.key] = ("cleared", desk.s)
            standing = {key for key, (event, _) in told.items() if event == "raised"}
            assert {alarm.key for alarm in desk.alarms.current} <= standing
            assert all(alarm.text and alarm.remedy for alarm in desk.alarms.current)
            desk.s += 1
    desk.more["brokers"] = {"mqtt://a": True}
    desk.lives(90, {"a": {}, "b": {}})
    assert desk.alarms.current == ()
