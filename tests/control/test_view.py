import json
import uuid
from base64 import b64encode
from hashlib import sha256

import pytest
from fake_venue import BOOT, presence, status
from makers import cue_body, item_body, key_of, lift_body, panic_body, private, program_body, uuid_of

from agent.answered import Answer
from agent.control.awaited import Awaited
from agent.control.cue import build
from agent.control.draft import Draft
from agent.control.verdict import Count, judge
from agent.control.view import FEWEST_RECORDS, MOST_RECORDS, ODD_KEPT, View, covers
from agent.messages import Cue, Stop, decode, encode
from agent.received import Received
from agent.told import Ack, AsRun, Stage
from agent.trust import Trust, seal
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
    ):
        assert judge("a", acks, wanted).verdict == verdict, (acks, wanted)


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
        answer = judge("a", acks, "cancelled")
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


def test_panics_under_topics_of_their_own_do_not_replace_each_other() -> None:
    view = View()
    for topic, body, held in (
        (f"panic/{uuid_of(1)}", panic_body(1), [1]),
        ("panic", panic_body(1), [1]),
        (f"panic/{uuid_of(2)}", panic_body(2), [1, 2]),
        ("panic", panic_body(2), [1, 2]),
        (f"panic/{uuid_of(2)}-1", lift_body(2, venues=["a"]), [1, 2]),  # at one venue only
        (f"panic/{uuid_of(1)}", lift_body(1), [2]),
        (f"panic/{uuid_of(2)}", lift_body(2), []),
    ):
        view.take(Received(topic, body, True, "mqtt://a:1"), 0.0)
        assert sorted(view.panics) == [uuid_of(number) for number in held], topic


def test_who_speaks_is_said_by_the_topic_and_by_nobody_else() -> None:
    view = View()
    lie, url = encode(ack("accepted", True, venue="b")), "mqtt://a:1"
    told = Answer(ask=uuid_of(1), venue="b", boot=CUE.cue, time=NOW, want="poll")
    for topic, body in (
        ("ack", lie),
        ("presence", encode(presence("b"))),
        ("status", encode(status("b"))),
        ("answer", encode(told)),
    ):
        for _ in range(2):
            view.take(Received(f"venue/a/{topic}", body, True, url), 0.0)
        assert f"venue/a/{topic} speaks as 'b'" in view.odd[-1]
    assert (view.acks, view.answers, view.venues, len(view.odd)) == ({}, {}, [], 4)
    view.take(Received("venue/b/ack", lie, False, url), 0.0)
    view.take(Received("venue/b/answer", encode(told), False, url), 0.0)
    assert (len(view.acks[CUE.cue]), view.answers) == (1, {uuid_of(1): {"b": told}})


def test_what_is_odd_is_said_once_and_the_newest_of_much_and_fit_for_a_terminal() -> None:
    view = View()
    for number in [*range(100), 90]:
        view.take(Received(f"venue/\x1b[2J{number}/presence", b"{", False, "mqtt://a:1"), float(number))
    assert len(view.odd) == ODD_KEPT + 1 and view.odd[-1] == "and more before that"
    assert view.odd[0].startswith("venue/80/presence cannot be read"), (
        "a flood makes nobody deaf to what comes after it"
    )
    assert view.odd[-2].startswith("venue/90/presence cannot be read")
    assert list(view.odd_at.values())[-2:] == [99.0, 90.0]


def test_a_cue_by_a_stranger_is_said_until_every_broker_has_let_it_go() -> None:
    view = View(Trust((key_of(1),)))
    topic, forged = f"cue/{uuid_of(1)}", seal("cue", cue_body(1), [private(9)])
    for url in ("mqtt://a", "mqtt://b"):
        view.back(url)
        view.recounted(url)
        view.take(Received(topic, forged, True, url), 0.0)
    view.take(Received("cue", forged, False, "mqtt://a"), 0.0)  # said, and kept nowhere
    view.take(Received(topic, b"", False, "mqtt://a"), 1.0)
    assert "1 cue that brokers keep is passed over" in view.warnings[-1]
    view.lost("mqtt://b")
    view.back("mqtt://b")  # which has lost it, or forgot it when it expired
    view.recounted("mqtt://b")
    assert [text.partition(":")[0] for text in view.warnings] == ["cue is passed over"]


def test_a_revision_that_no_number_is_means_nothing() -> None:
    view = View()
    for rev in ("9" * 5000, "x", "-1", "1" * 16):
        view.take(Received(f"program/p/{rev}", b"{}", True, "mqtt://a:1"), 0.0)
    assert view.programs == {}


def test_where_a_cue_is_kept_and_with_which_keys() -> None:
    view = View()
    envelope = json.dumps(
        {
            "payloadType": "application/vnd.framezero.cue.v1+json",
            "payload": b64encode(cue_body(1)).decode(),
            "signatures": [{"keyid": "ab12", "sig": ""}],
        }
    ).encode()
    for url in ("mqtt://a:1", "mqtt://b:1"):
        view.take(Received(f"cue/{uuid_of(1)}", envelope, True, url), 0.0)
    kept = view.kept[uuid_of(1)]
    assert (kept.keyids, kept.proved) == (("ab12",), False)
    assert kept.where == {("mqtt://a:1", f"cue/{uuid_of(1)}"), ("mqtt://b:1", f"cue/{uuid_of(1)}")}
    view.take(Received(f"cue/{uuid_of(1)}", b"", False, "mqtt://a:1"), 0.0)
    assert [url for url, _ in view.kept[uuid_of(1)].where] == ["mqtt://b:1"]
    view.take(Received(f"cue/{uuid_of(1)}", b"", False, "mqtt://b:1"), 0.0)
    assert view.kept == {} == view.cues


def test_venues_that_read_other_messages_are_named() -> None:
    view = View()
    for venue, versions in (("a", [1]), ("b", [1, 2]), ("c", [2]), ("d", [])):
        body = encode(presence(venue).model_copy(update={"messages": versions}))
        view.take(Received(f"venue/{venue}/presence", body, True, "mqtt://a:1"), 0.0)
    newer, none = view.other_versions()
    assert newer.startswith("c: its agent reads messages of version 2, this tool writes 1")
    assert none.startswith("d: its agent reads messages of version none")


def test_a_count_looks_at_each_ack_once_and_sees_who_comes_late() -> None:
    view = View()
    count = Count(view, CUE.cue, ["*"], "accepted")
    assert not count.settled() and count.outcomes == []

    def hear(venue: str, what: str, body: bytes) -> None:
        view.take(Received(f"venue/{venue}/{what}", body, False, "mqtt://a:1"), 0.0)

    hear("a", "presence", encode(presence("a")))
    assert not count.settled() and [found.verdict for found in count.outcomes] == ["silent"]
    hear("a", "ack", encode(ack("accepted", False)))
    assert count.settled() and [found.verdict for found in count.outcomes] == ["no-go"]
    hear("b", "presence", encode(presence("b")))
    assert not count.settled()
    hear("b", "ack", encode(ack("refused", venue="b")))
    hear("c", "ack", encode(ack("accepted", True, venue="c")))
    hear("a", "ack", encode(ack("accepted", True)))
    assert count.settled()
    assert [(found.venue, found.verdict) for found in count.outcomes] == [("a", "ok"), ("b", "bad"), ("c", "ok")]


def test_what_covers_what() -> None:
    assert covers(["*"], ["a", "@b"]) and covers(["a", "@b"], ["@b"]) and covers(["*"], ["*"])
    assert not covers(["a"], ["*"]) and not covers(["a"], ["a", "b"]) and not covers([], ["a"])


def test_an_ack_from_two_brokers_counts_once() -> None:
    view = View()
    for url in ("mqtt://a:1", "mqtt://b:1"):
        view.take(Received("venue/a/ack", encode(ack("armed")), False, url), 0.0)
    assert len(view.acks[CUE.cue]) == 1


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


def test_what_no_trusted_key_has_signed_is_passed_over_and_said() -> None:
    view = View(Trust((key_of(1), key_of(3, "content"))))
    forged = [
        ("program/reel/9", program_body(rev=9)),
        ("program/reel/8", seal("program", program_body(rev=8), [private(1)])),
        (f"cue/{uuid_of(1)}", cue_body(1)),
        ("panic", seal("panic", panic_body(50), [private(9)])),
    ]
    good = [
        ("program/reel/1", seal("program", program_body(), [private(3)])),
        (f"cue/{uuid_of(2)}", seal("cue", cue_body(2), [private(1)])),
    ]
    for topic, payload in [*forged, *good]:
        view.take(Received(topic, payload, True, "mqtt://a"), 0.0)
    assert (view.newest_rev("reel"), list(view.cues), view.panics) == (1, [uuid_of(2)], {})
    assert (view.kept[uuid_of(2)].keyids, view.kept[uuid_of(2)].proved) == ((key_of(1).id,), True)
    assert [text.partition(":")[0] for text in view.odd] == [f"{topic} is passed over" for topic, _ in forged]
    by_another = seal("cue", cue_body(4), [private(9)])
    for topic, payload in ((f"cue/{uuid_of(3)}", cue_body(3)), (f"cue/{uuid_of(4)}", by_another)):
        view.take(Received(topic, payload, True, "mqtt://a"), 0.0)
    assert view.unsigned == {f"cue/{uuid_of(number)}": {"mqtt://a"} for number in (1, 3)}
    assert [text.partition(",")[0] for text in view.warnings if "cue" in text] == [
        "3 cues that brokers keep are passed over"
    ]
    assert "cue list --clean" in view.warnings[-1] and len(view.warnings) == 4
    for number in (1, 3):
        view.take(Received(f"cue/{uuid_of(number)}", b"", True, "mqtt://a"), 0.0)
    assert view.warnings[-1].startswith("1 cue that") and "--clean" not in view.warnings[-1], "signed by a stranger"


def test_another_body_under_a_revision_is_passed_over_and_said() -> None:
    bodies = [program_body(), program_body([item_body("c")])]
    for first, second in (bodies, bodies[::-1]):
        view = View()
        view.take(Received("program/reel/1", first, True, "mqtt://a"), 0.0)
        view.take(Received("program/reel/1", second, True, "mqtt://b"), 0.0)
        assert view.program_body("reel", 1) == first
        assert ["another program at mqtt://b" in text for text in view.odd] == [True]


def test_whoever_is_awaited_is_looked_at_until_it_has_told_and_newcomers_count() -> None:
    view = View()
    told: set[str] = set()
    looked: list[str] = []

    def has_told(venue: str) -> bool:
        looked.append(venue)
        return venue in told

    awaited = Awaited(view, lambda: view.expected(["*"]), has_told)
    assert not awaited.all_told(), "nobody there is no answer"
    for venue in ("a", "b", "c"):
        view.take(Received(f"venue/{venue}/presence", encode(presence(venue)), True, "mqtt://a:1"), 0.0)
    told |= {"a"}
    assert not awaited.all_told()
    assert not awaited.all_told()
    assert looked == ["a", "b", "b"], "one question, one venue"
    told |= {"b", "c"}
    assert awaited.all_told()
    view.take(Received("venue/d/presence", encode(presence("d")), True, "mqtt://a:1"), 0.0)
    assert not awaited.all_told()


def minute(number: int, venue: str = "a") -> AsRun:
    return AsRun(
        venue=venue,
        kind="minute",
        cue=CUE.cue,
        program="reel",
        rev=1,
        item=0,
        sha256=None,
        due=UtcUs(NOW + number * 60 * US_PER_S),
        observed=None,
        error_us=None,
        bound_us=8000,
        clock="SYNC",
        book=CUE.cue,
        seq=number + 1,
    )


def test_live_records_are_kept_once_each_in_the_order_of_their_instants_and_the_oldest_go() -> None:
    view = View()
    records = [minute(number) for number in range(5)]
    for url, order in (("mqtt://a:1", records[2:]), ("mqtt://b:1", records), ("mqtt://a:1", records[::-1])):
        for record in order:
            view.take(Received("venue/a/asrun", encode(record), False, url), 0.0)
    view.take(Received("venue/b/asrun", encode(records[0]), False, "mqtt://a:1"), 0.0)
    assert view.asruns == {"a": records}
    assert "speaks as 'a'" in view.odd[0]
    for number in range(MOST_RECORDS + 10):
        view.take(Received("venue/a/asrun", encode(minute(number)), False, "mqtt://a:1"), 0.0)
    assert view.asruns["a"] == [minute(number) for number in range(10, MOST_RECORDS + 10)]


def test_the_records_of_many_venues_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.control.view.ALL_RECORDS", 20 * FEWEST_RECORDS)
    view = View()
    for number in range(FEWEST_RECORDS + 5):
        for venue in range(30):
            view.take(Received(f"venue/v{venue}/asrun", encode(minute(number, f"v{venue}")), False, "mqtt://a:1"), 0.0)
    assert {len(kept) for kept in view.asruns.values()} == {FEWEST_RECORDS}


def test_a_broker_that_comes_back_is_recounted() -> None:
    """What it does not bring again was taken away while the line was gone."""
    view = View()
    for venue in ("paris", "tokyo"):
        view.take(Received(f"venue/{venue}/presence", encode(presence(venue)), True, "a"), 0)
        view.take(Received(f"venue/{venue}/status", encode(status(venue)), True, "a"), 0)
    view.lost("a")
    view.back("a")
    view.take(Received("venue/tokyo/presence", encode(presence("tokyo")), True, "a"), 1)
    assert view.venues == ["paris", "tokyo"]
    view.recounted("a")
    assert view.venues == ["tokyo"]
    view.recounted("a")
    assert view.venues == ["tokyo"]


def test_a_venue_that_is_forgotten_at_every_broker_is_forgotten() -> None:
    view = View()
    for url in ("a", "b"):
        view.take(Received("venue/paris/presence", encode(presence("paris")), True, url), 0)
    view.take(Received("venue/paris/status", encode(status("paris")), False, "a"), 0)
    view.take(Received("venue/paris/presence", b"", False, "a"), 1)
    assert view.venues == ["paris"]
    view.take(Received("venue/paris/presence", b"", False, "b"), 1)
    assert view.venues == []


def test_a_lost_broker_s_word_is_old() -> None:
    """What it last said was 'online'; the one that is here knows better, but an old word is better than none."""
    view = View()
    view.take(Received("venue/paris/presence", encode(presence("paris")), True, "a"), 0)
    view.take(Received("venue/paris/presence", encode(presence("paris", online=False)), True, "b"), 0)
    assert view.presences["paris"].online
    view.lost("a")
    assert not view.presences["paris"].online
    view.lost("b")
    assert view.presences["paris"].online
    view.back("b")
    assert not view.presences["paris"].online


def test_a_tool_that_listens_for_weeks_keeps_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.control.view.MOST_ACKS", 10)
    monkeypatch.setattr("agent.control.replies.MOST_ANSWERS", 8)
    monkeypatch.setattr("agent.control.view.SEEN_KEPT", 20)
    view = View()
    cues = [str(uuid.UUID(int=number)) for number in range(12)]
    for cue in cues:
        for venue in ("paris", "tokyo"):
            told = Ack(cue=cue, venue=venue, boot=BOOT, stage="accepted", time=None)
            view.take(Received(f"venue/{venue}/ack", encode(told), False, "a"), 0)
            answer = Answer(ask=cue, venue=venue, boot=BOOT, time=None, want="poll")
            view.take(Received(f"venue/{venue}/answer", encode(answer), False, "a"), 0)
    assert list(view.acks) == cues[-5:]
    assert list(view.answers) == cues[-len(view.answers) :]
    assert sum(map(len, view.answers.values())) <= 8
    assert len(view._told_before._known) == 20
