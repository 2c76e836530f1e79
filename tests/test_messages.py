"""Every message of the contracts is read; everything else is refused with the field named, and nothing ever raises."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import cue_body
from pydantic import BaseModel

from agent.control.claims import Claim
from agent.messages import (
    MAX_BODY_BYTES,
    MAX_DETAIL_CHARS,
    Ask,
    Cancel,
    Cue,
    Lift,
    Panic,
    Play,
    Refusal,
    decode,
    decode_often,
    encode,
)
from agent.programs import Item, Program
from agent.told import Ack, Presence, Status, Told
from agent.units import UtcUs, format_utc

CUE_ID = "0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11"
SHA256 = "ab12" * 16

# As in the contracts, with the places that they leave open filled in.
CUE: dict[str, Any] = {
    "v": 1,
    "cue": CUE_ID,
    "show": "bring-your-vision",
    "venues": ["*"],
    "at": "2025-06-02T12:00:00.000000Z",
    "issued": "2025-06-02T11:58:00Z",
    "expires": "2025-06-09T00:00:00Z",
    "do": {"action": "play", "program": "winners-reel", "rev": 3, "loop": True, "from_us": 0, "held": False},
}
ITEM: dict[str, Any] = {
    "name": "koi.mp4",
    "sha256": SHA256,
    "size": 41231231,
    "codec": "h264",
    "width": 1920,
    "height": 1080,
    "fps": "30000/1001",
    "frames": 1798,
    "sound": True,
    "urls": ["https://films.example/ab/ab12.mp4"],
    "variants": {
        "toronto-dundas": {
            "sha256": SHA256,
            "size": 1,
            "width": 1080,
            "height": 1920,
            "urls": ["https://films.example/ab/ab13.mp4"],
        }
    },
}
PROGRAM: dict[str, Any] = {
    "v": 1,
    "program": "winners-reel",
    "rev": 3,
    "show": "bring-your-vision",
    "issued": "2025-06-01T09:00:00Z",
    "items": [ITEM],
}
ACK: dict[str, Any] = {
    "v": 1,
    "cue": CUE_ID,
    "venue": "tokyo-shibuya",
    "boot": CUE_ID,
    "stage": "started",
    "time": "2025-06-02T12:00:00.100000Z",
    "ready": True,
    "reason": None,
    "due": "2025-06-02T12:00:00.000000Z",
    "observed": "2025-06-02T12:00:00.000900Z",
    "error_us": 900,
    "bound_us": 8200,
}
PRESENCE: dict[str, Any] = {
    "v": 1,
    "venue": "tokyo-shibuya",
    "online": True,
    "boot": CUE_ID,
    "agent": "1.2.0",
    "messages": [1],
    "groups": ["asia"],
    "show": "bring-your-vision",
    "timezone": "Asia/Tokyo",
    "unsigned": False,
}
STATUS: dict[str, Any] = {
    "v": 1,
    "venue": "tokyo-shibuya",
    "boot": CUE_ID,
    "time": "2025-06-02T12:00:12.345678Z",
    "state": "playing",
    "cue": CUE_ID,
    "program": "winners-reel",
    "rev": 3,
    "item": 2,
    "position_us": 12345678,
    "frame": 370,
    "error_us": {"median": 180, "p99": 900, "window_s": 60},
    "dropped": 0,
    "late": 1,
    "reanchors": 0,
    "clock": {
        "state": "SYNC",
        "bound_us": 8200,
        "frames": 0.25,
        "sources": 5,
        "agreeing": 5,
        "offset_host_us": -1200,
    },
    "latency_us": 0,
    "ready": True,
    "reasons": [],
    "next": {"cue": CUE_ID, "at": "2025-06-02T13:00:00.000000Z", "action": "play"},
    "pending": 3,
    "panic": None,
    "cache": {"films": 12, "bytes": 48318382080, "fetching": {"name": "koi.mp4", "done": 1, "size": 2}, "missing": 0},
    "decoder": "vaapi",
    "display": "1920x1080@60",
    "host": {"cpu": 0.21, "mem_mb": 180, "disk_free_gb": 88, "temp_c": 51.0, "throttled": False},
    "brokers": {"mqtts://cue-a.example:8883": True},
}
ASRUN: dict[str, Any] = {
    "v": 1,
    "venue": "tokyo-shibuya",
    "kind": "minute",
    "cue": CUE_ID,
    "program": "winners-reel",
    "rev": 3,
    "item": 2,
    "sha256": SHA256,
    "due": "2025-06-02T12:00:00.000000Z",
    "observed": None,
    "error_us": {"median": 180, "p95": 700, "p99": 900, "max": 1200},
    "frames": 1798,
    "dropped": 0,
    "late": 1,
    "trims": 3,
    "reanchors": 0,
    "bound_us": 8200,
    "clock": "SYNC",
    "joined": False,
}
EXAMPLES = [
    pytest.param(Cue, CUE, id="cue"),
    pytest.param(Program, PROGRAM, id="program"),
    pytest.param(Ack, ACK, id="ack"),
    pytest.param(Presence, PRESENCE, id="presence"),
    pytest.param(Status, STATUS, id="status"),
]


def changed(tree: dict[str, Any], path: str, value: Any) -> bytes:
    """The tree as bytes, with `path` (steps joined by dots) set to a value."""
    tree = copy.deepcopy(tree)
    place: Any = tree
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return json.dumps(tree).encode()


def refusal(model: type[BaseModel], data: bytes) -> Refusal:
    outcome = decode(model, data)
    assert isinstance(outcome, Refusal), outcome
    return outcome


@pytest.mark.parametrize(("model", "tree"), EXAMPLES)
def test_every_example_of_the_contracts_is_read_and_written_again(model: type[BaseModel], tree: dict[str, Any]) -> None:
    message = decode(model, json.dumps(tree).encode())
    assert isinstance(message, model), message
    assert decode(model, encode(message)) == message


CUE_BYTES = (
    b'{"v":1,"cue":"0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11","show":"bring-your-vision","venues":["*"],'
    b'"at":"2025-06-02T12:00:00.000000Z","issued":"2025-06-02T11:58:00.000000Z","expires":"2025-06-09T00:00:00.000000Z",'
    b'"do":{"action":"stop"}}'
)
HEAD: dict[str, Any] = {"v": 1, "show": "demo", "venues": ["*"], "issued": "2025-06-02T11:58:00.000000Z"}


def test_what_a_message_of_an_operator_does_not_say_is_not_in_its_bytes() -> None:
    cue = decode(Cue, CUE_BYTES)
    assert isinstance(cue, Cue)
    assert encode(cue) == CUE_BYTES
    signed = cue.model_copy(update={"by": "anna@hk", "label": "1 Stop"})
    assert encode(signed) == CUE_BYTES[:-1] + b',"by":"anna@hk","label":"1 Stop"}'
    assert encode(signed.model_copy(update={"by": None, "label": None})) == CUE_BYTES


@pytest.mark.parametrize(
    ("model", "tree"),
    [
        (Panic, HEAD | {"panic": CUE_ID, "to": "black"}),
        (Lift, HEAD | {"lift": CUE_ID}),
        (Claim, {"v": 1, "claim": CUE_ID, "show": "demo", "issued": HEAD["issued"], "by": "anna"}),
        (Ask, {"v": 1, "ask": CUE_ID, "want": "poll", "after": 0, "pages": 1}),
    ],
)
def test_no_other_message_of_an_operator_has_a_null_either(model: type[BaseModel], tree: dict[str, Any]) -> None:
    message = decode(model, json.dumps(tree).encode())
    assert isinstance(message, model), message
    assert json.loads(encode(message)) == tree


@pytest.mark.parametrize(("model", "tree"), EXAMPLES)
def test_an_unknown_field_is_named_but_what_a_newer_venue_tells_of_itself_is_passed_over(
    model: type[BaseModel], tree: dict[str, Any]
) -> None:
    if issubclass(model, Told):
        assert decode(model, changed(tree, "surprise", 1)) == decode(model, json.dumps(tree).encode())
        return
    assert "surprise: " in refusal(model, changed(tree, "surprise", 1)).detail


@pytest.mark.parametrize("field", sorted(CUE))
def test_every_field_of_a_cue_is_required(field: str) -> None:
    tree = {key: value for key, value in CUE.items() if key != field}
    assert f"{field}: " in refusal(Cue, json.dumps(tree).encode()).detail


@pytest.mark.parametrize(
    "do",
    [
        {"action": "play", "program": "reel", "rev": 1},
        {"action": "stop"},
        {"action": "black"},
        {"action": "cancel", "cue": CUE_ID},
        {"action": "identify", "seconds": 10},
    ],
)
def test_every_action_of_this_version_is_read(do: dict[str, Any]) -> None:
    cue = decode(Cue, changed(CUE, "do", do))
    assert isinstance(cue, Cue)
    assert cue.do.action == do["action"]


def test_what_a_play_leaves_out_has_its_default() -> None:
    cue = decode(Cue, changed(CUE, "do", {"action": "play", "program": "reel", "rev": 1}))
    assert isinstance(cue, Cue)
    assert cue.do == Play(action="play", program="reel", rev=1, loop=False, from_us=0, held=False)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("v", "1"),
        ("v", True),
        ("v", 1.0),
        ("cue", "not-a-uuid"),
        ("cue", CUE_ID.upper()),
        ("cue", CUE_ID + "\n"),
        ("show", ""),
        ("show", "Bring Your Vision"),
        ("show", "a" * 64),
        ("venues", []),
        ("venues", "*"),
        ("venues", ["tokyo/shibuya"]),
        ("venues", ["**"]),
        ("venues", ["@"]),
        ("venues", ["*"] * 1001),
        ("at", 1_748_865_600_000_000),
        ("at", None),
        ("at", "2025-06-02T12:00:00"),
        ("at", "2025-06-02T12:00:00+09:00"),
        ("at", "tomorrow"),
        ("issued", True),
        ("do", None),
        ("do", {"action": "dance"}),
        ("do", {"action": "identify"}),
        ("do", {"action": "identify", "seconds": 0}),
        ("do", {"action": "identify", "seconds": 601}),
        ("do", {"action": "identify", "seconds": 1.5}),
        ("do", {"program": "reel", "rev": 1}),
        ("do.rev", 0),
        ("do.rev", "3"),
        ("do.rev", 3.0),
        ("do.rev", 2**53),
        ("do.from_us", -1),
        ("do.loop", 1),
        ("do.loop", "yes"),
        ("do.program", "no/slash"),
        ("do.extra", 1),
    ],
)
def test_a_wrong_value_in_a_cue_is_refused_with_its_field(path: str, value: Any) -> None:
    reason = refusal(Cue, changed(CUE, path, value))
    assert reason.code == "schema"
    assert path.split(".")[-1] in reason.detail


@pytest.mark.parametrize(
    ("issued", "expires", "good"),
    [
        ("2025-06-01T00:00:00Z", "2025-07-02T00:00:00Z", True),
        ("2025-06-01T00:00:00Z", "2025-07-02T00:00:00.000001Z", False),
        ("2025-06-01T00:00:00Z", "2025-06-01T00:00:00Z", False),
        ("2025-06-01T00:00:00Z", "2025-05-31T00:00:00Z", False),
    ],
)
def test_a_cue_lives_at_most_31_days(issued: str, expires: str, good: bool) -> None:
    outcome = decode(Cue, json.dumps({**CUE, "issued": issued, "expires": expires}).encode())
    assert isinstance(outcome, Cue) is good
    if isinstance(outcome, Refusal):
        assert "expires" in outcome.detail


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("items", []),
        ("items.0.name", ""),
        ("items.0.sha256", "AB" * 32),
        ("items.0.sha256", "ab"),
        ("items.0.size", 0),
        ("items.0.size", -5),
        ("items.0.fps", 30),
        ("items.0.fps", "29.97"),
        ("items.0.fps", "30/0"),
        ("items.0.fps", "1000000000000/1"),
        ("items.0.frames", 0),
        ("items.0.urls", []),
        ("items.0.urls", ["file:///etc/passwd"]),
        ("items.0.urls", ["https://films.example/a b"]),
        ("items.0.urls", ["https://films.example/" + "a" * 2000]),
        ("items.0.variants.toronto-dundas.size", 0),
        ("items.0.variants.Toronto", {}),
        ("items.0.sound", "yes"),
        ("rev", 0),
    ],
)
def test_a_wrong_value_in_a_program_is_refused_with_its_field(path: str, value: Any) -> None:
    reason = refusal(Program, changed(PROGRAM, path, value))
    assert reason.code == "schema"
    assert path.split(".")[-1] in reason.detail


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({"duration_us": 2_000_000, "fps": None, "frames": None}, True),
        ({"duration_us": 1_999_999, "fps": None, "frames": None}, False),
        ({"duration_us": 2_000_000}, False),
        ({"fps": None}, False),
        ({"frames": None}, False),
        ({"fps": None, "frames": None}, False),
        ({"fps": "30", "frames": 60}, True),
        ({"fps": "30", "frames": 59}, False),
    ],
)
def test_an_item_has_one_length_of_at_least_two_seconds(change: dict[str, Any], good: bool) -> None:
    data = json.dumps({**PROGRAM, "items": [{**ITEM, **change}]}).encode()
    assert isinstance(decode(Program, data), Program) is good


def test_the_length_of_an_item() -> None:
    assert Item.model_validate(ITEM).length_us == 59_993_267
    still = {**ITEM, "fps": None, "frames": None, "duration_us": 5_000_000}
    assert Item.model_validate(still).length_us == 5_000_000


def test_a_venue_plays_its_variant_else_its_groups_else_the_item() -> None:
    variant = ITEM["variants"]["toronto-dundas"]
    item = Item.model_validate({**ITEM, "variants": {"toronto-dundas": variant, "@asia": {**variant, "size": 2}}})
    assert item.for_venue("toronto-dundas", ("asia",)).size == 1
    assert item.for_venue("tokyo-shibuya", ("europe", "asia")).size == 2
    assert item.for_venue("paris-opera", ("europe",)) is item


@pytest.mark.parametrize(
    ("venues", "meant"),
    [
        (["*"], True),
        (["tokyo-shibuya"], True),
        (["@asia"], True),
        (["paris-opera", "@europe"], False),
        (["asia"], False),
    ],
)
def test_whom_a_cue_is_meant_for(venues: list[str], meant: bool) -> None:
    cue = decode(Cue, changed(CUE, "venues", venues))
    assert isinstance(cue, Cue)
    assert cue.names("tokyo-shibuya", ("asia",)) is meant


GOOD = json.dumps(CUE)


@pytest.mark.parametrize(
    ("data", "code", "named"),
    [
        (b"", "schema", "not JSON"),
        (b"{", "schema", "not JSON"),
        (b"\xff\xfe", "schema", "not JSON"),
        (GOOD.encode("utf-16"), "schema", "not JSON"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "schema", "not JSON"),
        (GOOD.encode() + b"{}", "schema", "not JSON"),
        (b"null", "schema", "message"),
        (b"[]", "schema", "message"),
        (b'"text"', "schema", "message"),
        (GOOD.replace('"v": 1', '"v": 1, "v": 1').encode(), "schema", "'v' stands twice"),
        (GOOD.replace('"rev": 3', '"rev": 3, "rev": 4').encode(), "schema", "'rev' stands twice"),
        (GOOD.replace('"rev": 3', '"rev": NaN').encode(), "schema", "NaN"),
        (GOOD.replace('"rev": 3', '"rev": -Infinity').encode(), "schema", "-Infinity"),
        (GOOD.replace('"rev": 3', '"rev": 1e999').encode(), "schema", "rev"),
        (GOOD.replace('"rev": 3', '"rev": ' + "9" * 5000).encode(), "schema", "not JSON"),
        (b"[" * MAX_BODY_BYTES, "schema", "not JSON"),
        (b'{"a":' * 10_000, "schema", "not JSON"),
        (GOOD.encode() + b" " * MAX_BODY_BYTES, "size", str(MAX_BODY_BYTES)),
    ],
)
def test_odd_bytes_are_a_refusal_that_says_what_is_wrong(data: bytes, code: str, named: str) -> None:
    reason = refusal(Cue, data)
    assert reason.code == code
    assert named in reason.detail


def test_the_largest_body_is_still_read() -> None:
    data = GOOD.encode()
    assert isinstance(decode(Cue, data + b" " * (MAX_BODY_BYTES - len(data))), Cue)


@pytest.mark.parametrize(
    "tree",
    [
        {**CUE, **{f"field{number}": 1 for number in range(3000)}},
        {**CUE, "x" * 50_000: 1},
        {**CUE, "venues": ["no venue"] * 900},
        {**CUE, "\ud800": 1},
        {**CUE, "show": "\ud800"},
        {**CUE, "do": {"action": "x" * 50_000}},
    ],
)
def test_a_refusal_fits_into_an_ack_whatever_was_sent(tree: dict[str, Any]) -> None:
    reason = refusal(Cue, json.dumps(tree).encode())
    assert 0 < len(reason.detail) <= MAX_DETAIL_CHARS
    encode(reason)


def test_a_key_that_stands_twice_does_not_blow_up_the_refusal() -> None:
    key = "x" * 30_000
    assert len(refusal(Cue, f'{{"{key}": 1, "{key}": 2}}'.encode()).detail) <= MAX_DETAIL_CHARS


def test_several_faults_are_told_at_once() -> None:
    detail = refusal(Cue, json.dumps({**CUE, "at": "x", "show": "NO", "surprise": 1}).encode()).detail
    assert all(field in detail for field in ("at: ", "show: ", "surprise: "))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(st.binary() | JSON.map(lambda tree: json.dumps(tree).encode()))
def test_no_bytes_raise(data: bytes) -> None:
    for model in (Cue, Program, Status):
        assert isinstance(decode(model, data), Refusal)


@settings(max_examples=300)
@given(st.sampled_from(sorted(CUE)), st.sampled_from(sorted(ITEM)), JSON)
def test_no_value_in_any_field_raises(cue_field: str, item_field: str, value: Any) -> None:
    assert isinstance(decode(Cue, json.dumps({**CUE, cue_field: value}).encode()), Cue | Refusal)
    assert isinstance(
        decode(Program, json.dumps({**PROGRAM, "items": [{**ITEM, item_field: value}]}).encode()), Program | Refusal
    )


NAMES = st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True)
UUIDS = st.uuids().map(str)


@given(
    st.builds(
        lambda do, cue, venues, at, issued, life: Cue(
            v=1,
            cue=cue,
            show="s",
            venues=venues,
            at=UtcUs(min(at, issued + life - 1)),
            issued=issued,
            expires=UtcUs(issued + life),
            do=do,
        ),
        st.builds(
            Play,
            action=st.just("play"),
            program=NAMES,
            rev=st.integers(1, 2**53 - 1),
            loop=st.booleans(),
            from_us=st.integers(0, 2**53 - 1),
            held=st.booleans(),
        )
        | st.builds(Cancel, action=st.just("cancel"), cue=UUIDS),
        UUIDS,
        st.lists(NAMES | NAMES.map(lambda name: f"@{name[:62]}") | st.just("*"), min_size=1, max_size=9),
        st.integers(0, 4 * 10**15).map(UtcUs),
        st.integers(0, 4 * 10**15).map(UtcUs),
        st.integers(1, 31 * 86_400_000_000),
    )
)
def test_any_cue_survives_the_wire(cue: Cue) -> None:
    assert decode(Cue, encode(cue)) == cue
    assert json.loads(encode(cue))["at"] == format_utc(cue.at)


@pytest.mark.parametrize("v", [0, 2, 10**30])
def test_another_version_is_named_as_such_whatever_else_it_holds(v: int) -> None:
    refused = decode(Cue, json.dumps({"v": v, "cue": 5, "colours": True}).encode())
    assert isinstance(refused, Refusal)
    assert refused.code == "version"
    assert "only 1; bring agent and sender to the same version" in refused.detail


@pytest.mark.parametrize("v", ["1", None, [1]])
def test_what_is_no_version_is_a_fault_of_the_form(v: object) -> None:
    refused = decode(Cue, json.dumps({"v": v}).encode())
    assert isinstance(refused, Refusal)
    assert refused.code == "schema"
    assert "v: " in refused.detail


def test_what_is_read_often_is_read_alike() -> None:
    """The quick reading takes and refuses what the careful one does, with the same words."""
    good = Refusal(code="late", detail="x")
    for model, data in (
        (Refusal, encode(good)),
        (Refusal, b'{"code": "late", "detail": 5}'),
        (Refusal, b'{"code": "late"'),
        (Refusal, b'{"code": "late", "detail": "\xff"}'),
        (Refusal, b'{"code": "late", "detail": "x", "more": NaN}'),
        (Refusal, b'{"code": "late", "detail": "x", "more": ' + b"9" * 400 + b"}"),
        (Cue, cue_body()),
        (Cue, b'{"v": 2}'),
        (Cue, b" " * (64 * 1024 + 1)),
    ):
        assert decode_often(model, data) == decode(model, data), data[:60]
