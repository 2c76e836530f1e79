"""Desks on real brokers: what goes, what is refused, and of two that press at once exactly one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from brokers import Mosquitto, MosquittoFactory
from fake_venue import ROOT, connected, retained, venue
from makers import key_of, private
from test_control_cue import keep_program, program

from agent.access import Access
from agent.control import claims, operate
from agent.control import cue as cues
from agent.control.desk import Desk, Refused
from agent.control.link import Link, utc_now
from agent.control.operate import Gone
from agent.control.showfile import parse_show
from agent.control.signing import UNSIGNED, Pen, SigningKey
from agent.control.view import ANYBODY
from agent.messages import Cancel, Cue, Lift, Panic, Play, decode, encode
from agent.trust import Trust
from agent.units import US_PER_S, UtcUs

LIST = b"""
show = "demo"
min_gap = "2s"
lead = "2s"
[[cue]]
id = "1"
name = "Black"
action = "black"
[[cue]]
id = "2"
name = "Reel"
action = "play"
program = "reel"
loop = true
[[cue]]
id = "3"
name = "Spot"
action = "play"
program = "reel"
lasts = "program"
[[cue]]
id = "4"
name = "Later"
action = "stop"
at = "23:59:59 -12:00"
[[cue]]
id = "5"
name = "Unknown"
action = "play"
program = "nothing"
"""


def desk(me: str = "anna", text: bytes = LIST) -> Desk:
    return Desk(parse_show(text, "show.toml"), me)


@asynccontextmanager
async def opened(*urls: str, pen: Pen = UNSIGNED, trust: Trust = ANYBODY) -> AsyncIterator[Link]:
    accesses = [Access(url) for url in urls]
    async with Link(accesses, "framezero/v1", operate.topics("demo"), pen=pen, trust=trust) as link:
        await link.settle()
        yield link


async def heard(link: Link, of: Desk, orders: int) -> None:
    """Wait until the desk has taken in so many orders."""
    seen = 0

    def there() -> bool:
        nonlocal seen
        seen = operate.listen(link, of, seen)
        return len(of.history) >= orders

    assert await link.wait(there, 5), [order.label for order in of.history]


def cue_of(outcome: Gone | Refused) -> Cue:
    assert isinstance(outcome, Gone), outcome
    assert isinstance(outcome.message, Cue)
    return outcome.message


async def test_go_sends_the_line_that_stands_by_with_who_and_what(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 2, 3)
    async with venue(mosquitto, "tokyo") as got, opened(mosquitto.url) as link:
        one = desk("anna@control-hk")
        one.stand_by("2")
        went = cue_of(await operate.go(link, one))
        assert (went.by, went.label) == ("anna@control-hk", "2 Reel")
        assert isinstance(went.do, Play) and (went.do.rev, went.do.loop) == (3, True)
        assert 1.9 * US_PER_S < went.at - went.issued <= 2 * US_PER_S
        assert one.standby is not None and one.standby.id == "3"
        await heard(link, one, 1)
        assert await link.wait(lambda: bool(link.view.acks.get(went.cue)), 5)
    assert got == [went]


async def test_a_wall_of_an_older_agent_gets_nothing_that_it_would_refuse(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 2)
    new, old = venue(mosquitto, "new-wall", groups=("new",)), venue(mosquitto, "old-wall", remarks=False)
    async with new, old, opened(mosquitto.url) as link:
        one = desk("anna")
        for outcome in (
            await operate.go(link, one),
            await operate.black(link, one),
            await operate.panic(link, one),
            await operate.lift(link, one),
        ):
            assert isinstance(outcome, Gone), outcome
            assert b"anna" not in encode(outcome.message)
            assert [text for text in outcome.warnings if "older agents refuse: old-wall" in text], outcome
        went = cue_of(await operate.black(link, one, ["@new"]))
        assert went.by == "anna", "of those who are meant only"


async def test_a_second_go_inside_the_gap_is_refused_on_both_desks_with_whom(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with opened(mosquitto.url) as here, opened(mosquitto.url) as there:
        anna, ben = desk("anna@control-hk"), desk("ben@paris")
        cue_of(await operate.go(here, anna))
        await heard(there, ben, 1)
        assert ben.standby is not None and ben.standby.id == "2", "its standby follows"
        for link, one in ((here, anna), (there, ben)):
            refused = await operate.go(link, one)
            assert isinstance(refused, Refused)
            assert (refused.reason, refused.by) == ("gap", "anna@control-hk")
            who = "you" if one is anna else "anna@control-hk"
            assert refused.detail.startswith(f"{who} pressed GO '1 Black'")


async def press_together(one: tuple[Link, Desk], two: tuple[Link, Desk]) -> tuple[Gone | Refused, Gone | Refused]:
    return await asyncio.gather(operate.go(*one), operate.go(*two))


async def test_of_two_desks_that_press_at_once_exactly_one_goes_thirty_times(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    quick = LIST.replace(b'min_gap = "2s"', b'min_gap = "40ms"')
    rivals = 0
    async with opened(mosquitto.url) as here, opened(mosquitto.url) as there:
        anna, ben = desk("anna", quick), desk("ben", quick)
        for number in range(30):
            anna.stand_by("1")
            ben.stand_by("1")
            found = await press_together((here, anna), (there, ben))
            went = [outcome for outcome in found if isinstance(outcome, Gone)]
            refused = [outcome for outcome in found if isinstance(outcome, Refused)]
            assert (len(went), len(refused)) == (1, 1), (number, found)
            assert refused[0].by == cue_of(went[0]).by and refused[0].reason in ("rival", "gap")
            rivals += refused[0].reason == "rival"
            await asyncio.sleep(0.05)
            operate.listen(here, anna, 0)
            operate.listen(there, ben, 0)
    assert rivals > 0, "the presses never met, so nothing was tried"
    kept = [topic for topic, _, _ in await retained(mosquitto, "cue/+") if "_hello" not in topic]
    assert len(kept) == 30, "a broker has one cue for each time"


async def test_over_two_brokers_exactly_one_goes_too(mosquittos: MosquittoFactory) -> None:
    brokers = [mosquittos(), mosquittos()]
    for broker in brokers:
        broker.hello()
    quick = LIST.replace(b'min_gap = "2s"', b'min_gap = "40ms"')
    urls = [broker.url for broker in brokers]
    async with opened(*urls) as here, opened(*reversed(urls)) as there:
        anna, ben = desk("anna", quick), desk("ben", quick)
        for number in range(10):
            anna.stand_by("1")
            ben.stand_by("1")
            found = await press_together((here, anna), (there, ben))
            assert sum(isinstance(outcome, Gone) for outcome in found) == 1, (number, found)
            await asyncio.sleep(0.05)


async def test_a_broker_that_hangs_is_named_and_go_goes_all_the_same(mosquittos: MosquittoFactory) -> None:
    good, bad = mosquittos(), mosquittos()
    good.hello()
    bad.hello()
    async with opened(good.url, bad.url) as link:
        one = desk()
        bad.pause(True)
        try:
            async with asyncio.timeout(30):
                outcome = await operate.go(link, one)
            assert isinstance(outcome, Gone)
            assert any(bad.url in warning and "another desk" in warning for warning in outcome.warnings)
            assert isinstance(outcome.message, Cue) and outcome.message.at - outcome.message.issued == 2 * US_PER_S
        finally:
            bad.pause(False)


async def test_a_panic_waits_for_no_go_that_waits_for_a_broker(
    mosquittos: MosquittoFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "PATIENCE_S", 300.0)
    good, bad = mosquittos(), mosquittos()
    good.hello()
    bad.hello()
    async with opened(good.url, bad.url) as link:
        one = desk()
        bad.pause(True)
        try:
            going = asyncio.create_task(operate.go(link, one))
            assert await link.wait(lambda: bool(link.view.contest("demo").claims), 10)
            raised = await operate.panic(link, one)
            assert isinstance(raised, Gone) and any(bad.url in warning for warning in raised.warnings)
            assert await link.wait(lambda: bool(link.view.panics), 10)
            assert isinstance(await operate.lift(link, one), Gone)
            assert one.busy and not going.done(), "GO still waits for the broker that hangs"
            going.cancel()
        finally:
            bad.pause(False)


async def test_without_a_broker_nothing_is_sent_and_that_is_said(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with opened(mosquitto.url) as link:
        one = desk()
        mosquitto.stop()
        await link.wait(lambda: False, 1)
        for outcome in (await operate.go(link, one), await operate.panic(link, one), await operate.stop(link, one)):
            assert isinstance(outcome, Refused) and outcome.reason == "no_broker"
        assert one.standby is not None and one.standby.id == "1"


async def test_a_line_that_cannot_be_sent_is_refused_before_anybody_is_asked(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with opened(mosquitto.url) as link:
        one = desk()
        for line, word in (("5", "nothing"), ("3", "publish")):
            refused = await operate.go(link, one, line)
            assert isinstance(refused, Refused) and refused.reason == "cue" and word in refused.detail
        assert not one.busy and not link.view.contest("demo").claims
        assert isinstance(await operate.go(link, one), Gone), "and that was no GO"


async def test_a_spot_lasts_as_long_as_its_program(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 1)
    async with opened(mosquitto.url) as link:
        spot = cue_of(await operate.go(link, desk(), "3"))
        assert spot.expires - spot.at == program().items[0].length_us


async def test_timed_cues_are_sent_ahead_once(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with opened(mosquitto.url) as link:
        one = desk()
        (sent,) = await operate.send_timed(link, one)
        assert cue_of(sent).label == "4 Later"
        assert one.standby is not None and one.standby.id == "1"
        assert await operate.send_timed(link, one) == []
        refused = await operate.go(link, one, "4")
        assert isinstance(refused, Refused) and refused.reason == "sent"
        assert isinstance(await operate.go(link, one), Gone), "no GO waits for it"


async def test_of_two_desks_that_send_the_timed_cues_at_once_one_does(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with opened(mosquitto.url) as here, opened(mosquitto.url) as there:
        anna, ben = desk("anna"), desk("ben")
        one, two, again = await asyncio.gather(
            operate.send_timed(here, anna), operate.send_timed(there, ben), operate.send_timed(here, anna)
        )
        assert isinstance(again[0], Refused) and again[0].reason == "busy"
        (went,) = [found for found in (*one, *two) if isinstance(found, Gone)]
        (refused,) = [found for found in (*one, *two) if isinstance(found, Refused)]
        assert refused.by == cue_of(went).by and refused.reason in ("rival", "gap")
        for link, each in ((here, anna), (there, ben)):
            await heard(link, each, 1)
            assert await operate.send_timed(link, each) == []
    kept = [topic for topic, _, _ in await retained(mosquitto, "cue/+") if "_hello" not in topic]
    assert kept == [f"cue/{cue_of(went).cue}"]


async def test_a_timed_cue_that_the_file_has_otherwise_by_now_is_replaced(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with opened(mosquitto.url) as link:
        (sent,) = await operate.send_timed(link, desk())
        old = cue_of(sent)
    async with opened(mosquitto.url) as link:
        one = desk("ben", LIST.replace(b"23:59:59", b"23:59:58"))
        operate.listen(link, one, 0)
        assert one.otherwise(one.lines[3], old.issued) == old
        (sent,) = await operate.send_timed(link, one)
        new = cue_of(sent)
        assert old.at - new.at == US_PER_S
        assert await operate.send_timed(link, one) == []
        await heard(link, one, 3)
        (cancel,) = [order.message for order in one.history if order.id not in (old.cue, new.cue)]
        assert isinstance(cancel, Cue) and isinstance(cancel.do, Cancel) and cancel.do.cue == old.cue
        assert (cancel.by, cancel.venues) == ("ben", old.venues) and cancel.expires > old.expires


async def test_hold_and_resume_are_reckoned_from_what_runs_and_wait_for_no_gap(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 1)
    async with venue(mosquitto, "tokyo"), opened(mosquitto.url) as link:
        one = desk()
        refused = await operate.hold(link, one)
        assert isinstance(refused, Refused) and "nothing plays" in refused.detail
        cue_of(await operate.go(link, one, "2"))
        await heard(link, one, 1)
        held = cue_of(await operate.hold(link, one))
        assert isinstance(held.do, Play) and held.do.held and (held.by, held.label) == ("anna", "hold")
        assert await link.wait(lambda: held.cue in link.view.cues, 5)
        assert isinstance(await operate.resume(link, one), Gone)
        for sent in (
            await operate.black(link, one),
            await operate.stop(link, one),
            await operate.identify(link, one, 5),
        ):
            assert isinstance(sent, Gone)


async def test_panic_and_lift_carry_who_raised_them(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with venue(mosquitto, "tokyo"), opened(mosquitto.url) as link:
        one = desk("ben@paris")
        raised = await operate.panic(link, one, "slate")
        assert isinstance(raised, Gone) and isinstance(raised.message, Panic)
        assert (raised.message.by, raised.message.to) == ("ben@paris", "slate")
        assert await link.wait(lambda: bool(link.view.panics), 5)
        lifted = await operate.lift(link, one)
        assert isinstance(lifted, Gone) and isinstance(lifted.message, Lift)
        assert (lifted.message.lift, lifted.message.by) == (raised.message.panic, "ben@paris")
        assert await link.wait(lambda: not link.view.panics, 5)
        refused = await operate.lift(link, one)
        assert isinstance(refused, Refused) and "no panic holds" in refused.detail


async def test_a_desk_with_trust_hears_no_claim_of_a_stranger_and_keeps_to_those_of_its_own(
    mosquitto: Mosquitto,
) -> None:
    mosquitto.hello()
    show, stranger = SigningKey("show", "show", private(1)), SigningKey("show", "show", private(9))
    trust = Trust((key_of(1),))
    async with (
        opened(mosquitto.url, pen=Pen((show,)), trust=trust) as here,
        opened(mosquitto.url, pen=Pen((stranger,))) as there,
    ):
        anna = desk("anna")
        assert isinstance(await operate.go(there, desk("mallory")), Gone)
        await asyncio.sleep(0.3)
        operate.listen(here, anna, 0)
        assert not anna.history and not here.view.contest("demo").claims
        assert isinstance(await operate.go(here, anna), Gone)


async def test_what_strangers_claim_and_what_is_sent_again_later_blocks_no_go(mosquitto: Mosquitto) -> None:
    """A thousand unsigned claims, claims by a key without that right, and a recorded one: GO goes, and that is said."""
    mosquitto.hello()
    show, panic_key = SigningKey("show", "show", private(1)), SigningKey("button", "panic", private(2))
    trust = Trust((key_of(1), key_of(2, "panic")))
    now = utc_now()

    def claim(by: str, age_s: int = 0) -> bytes:
        issued = UtcUs(now - age_s * US_PER_S)
        made = claims.Claim(v=1, claim=cues.cue_id(issued), show="demo", issued=issued, by=by, label="1 Black")
        return encode(made)

    where = f"{ROOT}/{claims.topic('demo')}"
    async with opened(mosquitto.url, pen=Pen((show,)), trust=trust) as link, connected(mosquitto) as enemy:
        one = desk("anna")
        for _ in range(1000):
            await enemy.publish(where, claim("mallory"))
        for body in (
            Pen((panic_key,)).seal("claim", claim("button")),
            Pen((show,)).seal("claim", claim("ben", age_s=7200)),
            Pen((show,)).seal("panic", claim("ben")),
            claim("mallory").replace(b"mallory", b"\\u001b[2J"),
            b"\xff" * 100,
        ):
            await enemy.publish(where, body, qos=1)
        assert await link.wait(lambda: len(link.view.odd) >= 4, 10)
        assert not link.view.contest("demo").claims
        assert isinstance(await operate.go(link, one), Gone)
        assert any("an old one that was sent again" in text for text in link.view.odd)
        assert len(link.view.odd) < 30 and all(text.isprintable() for text in link.view.odd)
        await enemy.publish(where, Pen((show,)).seal("claim", claim("ben")), qos=1)
        assert await link.wait(lambda: "ben" in [found.by for found in link.view.contest("demo").claims.values()], 5)


async def test_claims_are_not_kept_and_cues_are(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with opened(mosquitto.url) as link:
        went = cue_of(await operate.go(link, desk()))
    assert await retained(mosquitto, "desk/#") == []
    ((topic, payload, _),) = [kept for kept in await retained(mosquitto, "cue/+") if "_hello" not in kept[0]]
    assert (topic, decode(Cue, payload)) == (f"cue/{went.cue}", went)


async def test_a_desk_opened_later_stands_where_the_show_is(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with opened(mosquitto.url) as link:
        cue_of(await operate.go(link, desk()))
    async with opened(mosquitto.url) as link:
        late = desk("carl")
        operate.listen(link, late, 0)
        late.placed()
        assert late.standby is not None and late.standby.id == "2"
        assert isinstance(await operate.go(link, late, "1"), Gone), "what was kept from before keeps nobody waiting"


def test_a_show_file_is_read_from_disk(tmp_path: Path) -> None:
    (tmp_path / "show.toml").write_bytes(LIST)
    assert operate.load_show(tmp_path / "show.toml").show == "demo"
