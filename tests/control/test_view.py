from hashlib import sha256

from fake_venue import presence, status
from makers import cue_body, lift_body, panic_body, uuid_of

from agent.connection import Received
from agent.control.cue import Draft, build
from agent.control.view import View, judge
from agent.messages import Cue, Stop, decode, encode
from agent.told import Ack, Stage
from agent.units import US_PER_S, UtcUs

NOW = UtcUs(1_700_000_000 * US_PER_S)
CUE = build(Draft(Stop(action="stop")), show="demo", venues=["*"], at=UtcUs(NOW + 1), now=NOW)


def ack(stage: Stage, ready: bool | None = None, venue: str = "a") -> Ack:
    return Ack(cue=CUE.cue, venue=venue, boot=CUE.cue, stage=stage, time=NOW, ready=ready)


def test_verdicts_by_what_was_wanted() -> None:
    ready, not_ready = ack("accepted", True), ack("accepted", False)
    armed, started, missed = ack("armed"), ack("started"), ack("missed")
    for acks, wanted, verdict in (
        ([], "accepted", "silent"),
        ([ready], "accepted", "ok"),
        ([not_ready], "accepted", "no-go"),
        ([not_ready, ready], "accepted", "ok"),
        ([ready, not_ready], "accepted", "no-go"),
        ([ready], "armed", "late"),
        ([not_ready], "armed", "no-go"),
        ([ready, armed], "armed", "ok"),
        ([armed, ready], "armed", "ok"),
        ([not_ready, armed], "armed", "no-go"),
        ([armed, not_ready], "armed", "no-go"),
        ([not_ready, armed, ready], "armed", "ok"),
        ([not_ready, armed], "started", "no-go"),
        ([not_ready, armed, started], "started", "ok"),
        ([ready, missed, started], "started", "bad"),
        ([ready, started, ack("superseded")], "started", "ok"),
        ([ack("superseded")], "accepted", "bad"),
        ([ack("refused")], "accepted", "bad"),
        ([ack("accepted", True, "b")], "accepted", "silent"),
    ):
        assert judge(CUE.cue, "a", acks, wanted).verdict == verdict, (acks, wanted)


def test_of_a_lift_its_own_stage_is_wanted() -> None:
    held = ack("cancelled", False)
    for acks, verdict, reached in (
        ([], "silent", False),
        ([ack("started")], "silent", False),
        ([ack("cancelled", True)], "ok", True),
        ([held], "no-go", True),
        ([held, ack("cancelled", True)], "ok", True),
        ([ack("refused")], "bad", False),
    ):
        answer = judge(CUE.cue, "a", acks, "cancelled")
        assert (answer.verdict, answer.reached) == (verdict, reached), acks


def test_the_cues_that_are_kept_are_known_as_the_venues_know_them() -> None:
    view = View()
    bodies = [cue_body(1), cue_body(1, do={"action": "black"}), cue_body(2)]
    for body in [*bodies, *reversed(bodies)]:
        view.take(Received("cue/x", body, True, "mqtt://a:1"), 0.0)
    smaller = min(bodies[:2], key=lambda body: sha256(body).hexdigest())
    assert view.cues.keys() == {uuid_of(1), uuid_of(2)}
    assert decode(Cue, smaller) == view.cues[uuid_of(1)]
    view.take(Received("cue/x", b"{", True, "mqtt://a:1"), 0.0)
    assert "cue/x cannot be read" in view.odd[0]


def test_a_panic_is_kept_until_any_broker_has_its_lift() -> None:
    view = View()
    for url, body, held in (
        ("mqtt://a:1", panic_body(1), [1]),
        ("mqtt://b:1", panic_body(2), [1, 2]),
        ("mqtt://b:1", lift_body(1), []),
        ("mqtt://b:1", panic_body(3), [1, 3]),
        ("mqtt://a:1", panic_body(4), [3, 4]),
    ):
        view.take(Received("panic", body, True, url), 0.0)
        assert sorted(view.panics) == [uuid_of(number) for number in held]


def test_an_ack_from_two_brokers_counts_once() -> None:
    view = View()
    for url in ("mqtt://a:1", "mqtt://b:1"):
        view.take(Received("venue/a/ack", encode(ack("armed")), False, url), 0.0)
    assert len(view.acks) == 1


def test_a_venue_is_online_if_it_is_at_any_broker() -> None:
    view = View()
    for url, online in (("mqtt://a:1", True), ("mqtt://b:1", False)):
        view.take(Received("venue/a/presence", encode(presence("a", online=online)), True, url), 0.0)
    assert view.presences["a"].online
    view.take(Received("venue/a/presence", encode(presence("a", online=False)), False, "mqtt://a:1"), 0.0)
    assert not view.presences["a"].online


def test_what_nobody_matches() -> None:
    view = View()
    assert view.unmatched(["*", "a", "@east"]) == ["*", "a", "@east"]
    view.take(Received("venue/a/presence", encode(presence("a", groups=("east",))), True, "mqtt://a:1"), 0.0)
    assert view.unmatched(["*", "a", "@east"]) == []
    assert view.unmatched(["mars", "a", "@a", "east", "mars"]) == ["mars", "@a", "east"]


def test_an_older_status_from_a_slower_broker_changes_nothing() -> None:
    view = View()
    for at, retained in ((NOW, False), (UtcUs(NOW - 5), False), (UtcUs(NOW - 9), True)):
        view.take(Received("venue/a/status", encode(status("a", at=at)), retained, "mqtt://a:1"), 1.0)
    assert view.statuses["a"].status.time == NOW
    assert not view.silent("a", NOW, 12.9)
    assert view.silent("a", NOW, 13.1)


def test_a_venue_that_has_said_goodbye_is_silent_at_once_but_not_by_a_will_of_its_life_before() -> None:
    view = View()
    view.take(Received("venue/a/status", encode(status("a", at=NOW)), False, "mqtt://a:1"), 1.0)
    boot = view.statuses["a"].status.boot
    for its_boot, gone in (("00000000-0000-4000-8000-00000000dead", False), (boot, True)):
        goodbye = presence("a", online=False).model_copy(update={"boot": its_boot})
        view.take(Received("venue/a/presence", encode(goodbye), False, "mqtt://a:1"), 1.5)
        assert (view.gone("a"), view.silent("a", NOW, 2.0)) == (gone, gone)


def test_empty_and_broken_messages_mean_nothing_or_are_said() -> None:
    view = View()
    for topic, payload in (("venue/a/presence", b""), ("program/p/1", b""), ("program/p/x", b"1"), ("other", b"1")):
        view.take(Received(topic, payload, True, "mqtt://a:1"), 0.0)
    assert (view.venues, view.programs, view.odd) == ([], {}, [])
    view.take(Received("venue/a/ack", b"\xff{", False, "mqtt://a:1"), 0.0)
    assert "venue/a/ack cannot be read" in view.odd[0]
