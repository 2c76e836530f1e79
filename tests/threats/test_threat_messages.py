"""Attacks with messages alone: one fleet, of a whole wall and of walls that each lack one control, hears them all.

Every wall asks for two show signatures. After each attack only those walls may have taken the cue that lack what keeps
it out; that all others refuse shows that each removal removes one control and no more.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from brokers import Mosquitto
from makers import key_of
from sabotaged import REMOVALS
from yard import (
    CONTENT,
    FIRST,
    PANIC,
    SECOND,
    STRANGER,
    Told,
    Wall,
    Watch,
    cue_body,
    from_now,
    ground,
    signed,
    start,
    write_key,
)

pytestmark = [pytest.mark.needs("mosquitto", "chronyd"), pytest.mark.timeout(120)]

REMOVED = (
    "unsigned_taken",
    "signature_unchecked",
    "role_ignored",
    "threshold_ignored",
    "key_counted_by_name",
    "expiry_ignored",
    "ids_forgotten",
    "show_ignored",
    "venues_ignored",
    "topic_ignored",
    "payload_type_ignored",
    "fields_tolerated",
    "parser_lenient",
    "cap_lifted",
)


class Fleet:
    """The walls on their broker; `strike` sends all of them the same."""

    def __init__(self, broker: Mosquitto, walls: list[Wall]) -> None:
        self.broker = broker
        self.walls = walls

    async def strike(self, cue: str, *messages: tuple[str, bytes]) -> dict[str, list[str]]:
        """What each wall says of the cue once it has heard the messages; '' is the whole one."""
        async with Watch(self.broker) as watch:
            for message in messages:  # one by one: what is replaced before it is on the disk is not acknowledged
                await watch.send(message)
                await watch.fence(self.walls, FIRST, SECOND)
            return {wall.removed: watch.stages(wall, cue) for wall in self.walls}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with ground(tmp_path_factory.mktemp("fleet")) as (site, broker):
        write_key(site.keys, "show-1-again", FIRST, "show")
        yield Fleet(broker, start(replace(site, threshold=2), *REMOVED))


@pytest.fixture(autouse=True)
async def ready(fleet: Fleet) -> None:
    async with Watch(fleet.broker) as watch:
        await watch.hello()
        await watch.ready(*fleet.walls)


def taken_by(verdicts: dict[str, list[str]]) -> set[str]:
    return {removed for removed, stages in verdicts.items() if "accepted" in stages}


def at(cue: Told) -> str:
    return f"cue/{cue['cue']}"


async def test_forged_unsigned(fleet: Fleet) -> None:
    cue = cue_body()
    verdicts = await fleet.strike(cue["cue"], (at(cue), json.dumps(cue).encode()))
    assert taken_by(verdicts) == {"unsigned_taken"}
    assert verdicts[""] == ["refused:signature"]


async def test_forged_with_a_signature_that_is_none(fleet: Fleet) -> None:
    """An envelope that names both show keys, over signatures that are a stranger's."""
    cue = cue_body()
    envelope = json.loads(signed(cue, STRANGER, STRANGER))
    for signature, number in zip(envelope["signatures"], (FIRST, SECOND), strict=True):
        signature["keyid"] = key_of(number).id
    verdicts = await fleet.strike(cue["cue"], (at(cue), json.dumps(envelope).encode()))
    assert taken_by(verdicts) == {"signature_unchecked"}
    assert verdicts[""] == ["refused:signature"]


async def test_forged_by_changing_what_was_signed(fleet: Fleet) -> None:
    cue = cue_body()
    envelope, other = json.loads(signed(cue, FIRST, SECOND)), json.loads(signed({**cue, "at": from_now(1)}))
    verdicts = await fleet.strike(cue["cue"], (at(cue), json.dumps({**envelope, "payload": other["payload"]}).encode()))
    assert taken_by(verdicts) == {"signature_unchecked"}
    assert verdicts[""] == ["refused:signature"]


async def test_forged_in_a_wrong_role(fleet: Fleet) -> None:
    for number in (CONTENT, PANIC):
        cue = cue_body()
        verdicts = await fleet.strike(cue["cue"], (at(cue), signed(cue, FIRST, number)))
        assert taken_by(verdicts) == {"role_ignored", "threshold_ignored", "key_counted_by_name"}
        assert verdicts[""] == ["refused:signature"]
        cue = cue_body()
        verdicts = await fleet.strike(cue["cue"], (at(cue), signed(cue, CONTENT, PANIC)))
        assert taken_by(verdicts) == {"role_ignored"}
        assert verdicts[""] == ["refused:role"]


async def test_forged_by_one_of_two(fleet: Fleet) -> None:
    """One person's signature, and the same one twice in an envelope."""
    for keys in ((SECOND,), (SECOND, SECOND), (SECOND, STRANGER)):
        cue = cue_body()
        verdicts = await fleet.strike(cue["cue"], (at(cue), signed(cue, *keys)))
        assert taken_by(verdicts) == {"threshold_ignored"}
        assert verdicts[""] == ["refused:signature"]


async def test_forged_with_one_key_that_lies_there_twice(fleet: Fleet) -> None:
    cue = cue_body()
    verdicts = await fleet.strike(cue["cue"], (at(cue), signed(cue, FIRST)))
    assert taken_by(verdicts) == {"threshold_ignored", "key_counted_by_name"}
    assert verdicts[""] == ["refused:signature"]


async def test_forged_from_what_was_signed_as_something_else(fleet: Fleet) -> None:
    """A body that both show keys have signed, as a panic: it is no cue, whatever stands in it."""
    cue = cue_body()
    verdicts = await fleet.strike(cue["cue"], (at(cue), signed(cue, FIRST, SECOND, kind="panic")))
    assert taken_by(verdicts) == {"payload_type_ignored"}
    assert verdicts[""] == ["refused:schema"]


async def test_replayed_within_its_time(fleet: Fleet) -> None:
    """A cue that comes again, by another topic too, is acknowledged once."""
    cue = cue_body()
    message = signed(cue, FIRST, SECOND)
    verdicts = await fleet.strike(cue["cue"], (at(cue), message), ("cue", message), (at(cue), message))
    # Once more where readiness changes just then; three times only if it is taken three times.
    assert {removed for removed, stages in verdicts.items() if stages.count("accepted") >= 3} == {"ids_forgotten"}


async def test_replayed_after_its_time(fleet: Fleet) -> None:
    cue = cue_body(-7200, issued=from_now(-9000), expires=from_now(-3600))
    verdicts = await fleet.strike(cue["cue"], (at(cue), signed(cue, FIRST, SECOND)))
    assert taken_by(verdicts) == {"expiry_ignored"}
    assert verdicts[""] == ["refused:expired"]


async def test_sent_to_a_wrong_show(fleet: Fleet) -> None:
    """Signed by the right people, for their rehearsal, and repeated on the topics of the show."""
    cue = cue_body(show="rehearsal")
    verdicts = await fleet.strike(cue["cue"], (at(cue), signed(cue, FIRST, SECOND)))
    assert taken_by(verdicts) == {"show_ignored"}
    assert verdicts[""] == ["refused:show"]


async def test_sent_to_a_wrong_venue(fleet: Fleet) -> None:
    cue = cue_body(venues=["elsewhere", "@nobody"])
    verdicts = await fleet.strike(cue["cue"], (at(cue), signed(cue, FIRST, SECOND)))
    assert taken_by(verdicts) == {"venues_ignored"}
    assert verdicts[""] == []


async def test_published_on_another_topic(fleet: Fleet) -> None:
    """A cue in the place of another: a broker that keeps it there would keep both, or drop the wrong one."""
    cue, other = cue_body(), cue_body()
    verdicts = await fleet.strike(cue["cue"], (at(other), signed(cue, FIRST, SECOND)))
    assert taken_by(verdicts) == {"topic_ignored"}
    assert verdicts[""] == ["refused:schema"]


@pytest.mark.parametrize(
    ("oddity", "taken", "code"),
    [
        ("twice", {"parser_lenient"}, "schema"),
        ("unknown", {"fields_tolerated"}, "schema"),
        ("large", {"cap_lifted"}, "size"),
        ("deep", set(), "schema"),
        ("utf-16", set(), "schema"),
        ("number", set(), "schema"),
        ("long", set(), "schema"),
    ],
)
async def test_odd_json(fleet: Fleet, oddity: str, taken: set[str], code: str) -> None:
    """Signed as it should be, so that the parser alone stands between it and the wall."""
    cue = cue_body()
    text = json.dumps(cue)
    odd = {
        "twice": text[:-1].encode() + b', "show": "bring-your-vision"}',
        "unknown": json.dumps({**cue, "colour": "red"}).encode(),
        "large": text.encode() + b" " * 60_000,
        "deep": b"[" * 20_000 + b"]" * 20_000,
        "utf-16": text.encode("utf-16"),
        "number": text.replace('"v": 1', '"v": 1.0').encode(),
        "long": json.dumps({**cue, "venues": ["*", "a" * 64]}).encode(),
    }
    verdicts = await fleet.strike(cue["cue"], (at(cue), signed(odd[oddity], FIRST, SECOND)))
    assert taken_by(verdicts) == taken
    assert verdicts[""] == [f"refused:{code}"]


async def test_nothing_of_it_has_shaken_a_wall(fleet: Fleet) -> None:
    """Run last: each agent is the process that was started, and none has had a fault of its own."""
    for wall in fleet.walls:
        assert wall.child is not None
        assert wall.child.running
        assert "Traceback" not in wall.log


def test_every_wall_of_the_fleet_lacks_a_control_that_there_is() -> None:
    assert set(REMOVED) <= set(REMOVALS)
