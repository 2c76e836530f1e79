"""`framezero shot` against a real mosquitto and venues that are only messages."""

import asyncio
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, free_port
from fake_venue import BOOT, ROOT, connected, framezero, now_us, presence, retain, retained
from test_json_shapes import same

from agent.access import Access
from agent.answered import Answer, Shot
from agent.control import shot as shots
from agent.control.draft import CueError
from agent.control.link import Link
from agent.control.shot import Picture, Row
from agent.control.shot_cli import exit_code, on_wall, page, place_of
from agent.control.view import View
from agent.messages import MAX_ANSWER_BYTES, Ask, Refusal, decode, encode
from agent.received import Received
from agent.units import UtcUs

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300
NO_DISPLAY = Refusal(code="no_display", detail="this venue drives no display")


def shot(**more: Any) -> Shot:
    fields: dict[str, Any] = {
        "jpeg": b64encode(JPEG).decode(),
        "width": 1280,
        "height": 720,
        "wall_width": 1920,
        "wall_height": 1080,
        "taken": UtcUs(1_748_865_600_000_000),
        "age_ms": 90,
        "bound_us": 8200,
        "state": "playing",
        "cue": "0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11",
        "program": "winners-reel",
        "rev": 3,
        "item": 1,
        "film": "koi.mp4",
        "position_us": 12_345_678,
        "frame": 370,
        "panic": None,
        "identifying": False,
    }
    return Shot(**{**fields, **more})


def answer(ask: str, venue: str, outcome: Shot | Refusal) -> Answer:
    found: dict[str, Any] = {"refused" if isinstance(outcome, Refusal) else "shot": outcome}
    return Answer(ask=ask, venue=venue, boot=BOOT, time=now_us(), want="shot", **found)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@asynccontextmanager
async def venue(broker: Mosquitto, name: str, outcome: Shot | Refusal | None) -> AsyncIterator[list[Ask]]:
    """A venue that is online, and answers each ask with this; yields the asks."""
    asks: list[Ask] = []

    async def listen() -> None:
        async for message in client.messages:
            ask = decode(Ask, bytes(message.payload))
            assert isinstance(ask, Ask)
            asks.append(ask)
            if outcome is not None:
                await client.publish(f"{ROOT}/venue/{name}/answer", encode(answer(ask.ask, name, outcome)), qos=1)

    async with connected(broker) as client:
        await client.publish(f"{ROOT}/cue/_hello", b"{}", qos=1, retain=True)
        await client.publish(f"{ROOT}/venue/{name}/presence", encode(presence(name)), qos=1, retain=True)
        await client.subscribe([(f"{ROOT}/ask/all", 1), (f"{ROOT}/ask/{name}", 1)])
        task = asyncio.create_task(listen())
        try:
            yield asks
        finally:
            task.cancel()


async def test_the_picture_is_written_and_told_with_its_time_there_and_here(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    file = tmp_path / "tokyo.jpg"
    async with venue(mosquitto, "tokyo", shot()) as asks:
        code, out, err = await framezero(
            "shot", "tokyo", "--out", str(file), "--width", "640", "--broker", mosquitto.url
        )
    assert (code, err) == (0, ""), out + err
    assert file.read_bytes() == JPEG
    assert "2025-06-02T12:00:00.000Z" in out and "21:00:00 JST" in out
    assert "playing winners-reel r3, 2: koi.mp4 frame 370" in out and "1280×720 77 kB" in out
    assert "1 picture in" in out and "tokyo.jpg" in out
    (ask,) = asks
    assert (ask.want, ask.width) == ("shot", 640) and ask.issued is not None
    assert [name for name in names(tmp_path) if "tokyo" in name] == ["tokyo.jpg"]
    assert await retained(mosquitto, "ask/+") == []


async def test_several_go_into_a_folder_and_each_that_fails_is_named(mosquitto: Mosquitto, tmp_path: Path) -> None:
    folder = tmp_path / "walls"
    await retain(mosquitto, "venue/oslo/presence", encode(presence("oslo", online=False)))
    async with venue(mosquitto, "tokyo", shot()), venue(mosquitto, "paris", NO_DISPLAY), venue(mosquitto, "rome", None):
        arguments = ("shot", "*", "--out", str(folder), "--timeout", "2s", "--broker", mosquitto.url)
        code, out, _ = await framezero(*arguments, "--json")
        assert code == 1, "a refusal outranks a silence"
        found = {row["venue"]: row for row in same("shot", out)["venues"]}
        assert {name: (row["refused"] or {}).get("code") for name, row in found.items()} == {
            "oslo": "offline",
            "paris": "no_display",
            "rome": "silent",
            "tokyo": None,
        }
        assert found["tokyo"]["file"] == str(folder / "tokyo.jpg") and found["tokyo"]["bytes"] == len(JPEG)
        assert found["tokyo"]["shot"]["frame"] == 370 and "jpeg" not in found["tokyo"]["shot"]
        code, out, _ = await framezero(*arguments)
    assert "paris: no_display – this venue drives no display" in out
    assert "rome: silent – no answer within 2 s" in out and "oslo: offline" in out
    assert names(folder) == ["tokyo.jpg"]


async def test_silence_alone_is_exit_3(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    async with venue(mosquitto, "tokyo", None):
        options = ("--out", str(file), "--timeout", "300ms", "--broker", mosquitto.url)
        code, out, _ = await framezero("shot", "tokyo", *options)
        assert (code, "tokyo: silent" in out) == (3, True)
        code, _, err = await framezero("shot", "tokio", *options)
    assert (code, "no venue matches 'tokio'; known: tokyo" in err) == (3, True)
    assert not file.exists()


async def test_to_standard_output_goes_the_picture_and_nothing_else(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo", shot()):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.cli", "shot", "tokyo", "--out", "-", "--broker", mosquitto.url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert (process.returncode, out) == (0, JPEG) and b"koi.mp4" in err


@pytest.mark.parametrize(
    ("out", "several", "as_json", "said"),
    [
        ("/nowhere/at/all.jpg", False, False, "there is no folder /nowhere/at; make it first"),
        ("-", True, False, "several pictures go into a folder"),
        ("/dev/null/x", True, False, "cannot be a folder"),
        ("-", False, True, "cannot both go to standard output"),
    ],
)
def test_where_no_picture_can_go_is_said_before_anybody_is_asked(
    out: str, several: bool, as_json: bool, said: str
) -> None:
    with pytest.raises(CueError, match=said) as told_why:
        place_of(Path(out), several, as_json)
    assert told_why.value.usage


async def test_what_is_no_venue_or_no_time_is_usage() -> None:
    for arguments, said in (
        (["To kyo", "--out", "x.jpg"], "VENUE 'To kyo': a venue or an @group has"),
        (["tokyo", "--out", "x.jpg", "--timeout", "0s"], "--timeout '0s': is nothing"),
    ):
        code, _, err = await framezero("shot", *arguments, "--broker", f"mqtt://127.0.0.1:{free_port()}")
        assert code == 2 and said in err


async def test_without_a_broker_it_is_4(tmp_path: Path) -> None:
    code, _, err = await framezero(
        "shot", "tokyo", "--out", str(tmp_path / "x.jpg"), "--broker", f"mqtt://127.0.0.1:{free_port()}"
    )
    assert (code, "nobody listens" in err) == (4, True)


async def test_a_file_that_cannot_be_replaced_is_told(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Whole or not at all: what stood there before stays."""
    (tmp_path / "walls" / "tokyo.jpg").mkdir(parents=True)
    async with venue(mosquitto, "tokyo", shot()):
        code, out, _ = await framezero("shot", "tokyo", "--out", str(tmp_path / "walls"), "--broker", mosquitto.url)
    assert code == 1 and "tokyo.jpg cannot be written" in out
    assert names(tmp_path / "walls") == ["tokyo.jpg"]


async def test_the_board_takes_one_without_what_others_say(mosquitto: Mosquitto) -> None:
    """Another venue that has seen the ask may answer it; that is not taken for the answer of the one that was asked."""
    async with venue(mosquitto, "tokyo", shot(frame=7)), Link([Access(mosquitto.url)], ROOT, shots.TOPICS) as link:
        await link.settle()

        async def forge() -> None:
            async with connected(mosquitto) as client:
                await client.subscribe(f"{ROOT}/ask/tokyo", qos=1)
                async for message in client.messages:
                    ask = decode(Ask, bytes(message.payload))
                    assert isinstance(ask, Ask)
                    forged = answer(ask.ask, "aachen", shot(frame=8))
                    await client.publish(f"{ROOT}/venue/aachen/answer", encode(forged), qos=1)

        forger = asyncio.create_task(forge())
        await asyncio.sleep(0.1)
        taken = await shots.take(link, "tokyo")
        gone = await shots.take(link, "nobody", timeout_s=0.2)
        forger.cancel()
        assert isinstance(taken, Picture) and (taken.venue, taken.shot.frame, taken.jpeg) == ("tokyo", 7, JPEG)
        assert isinstance(gone, Refusal) and gone.code == "silent"
        # What comes after the answer was taken stays until newer ones push it out (see Replies); ours does not.
        assert all(set(told) <= {"aachen"} for told in link.view.answers.values())


@pytest.mark.parametrize("jpeg", ["", "?", b64encode(b"GIF89a").decode()])
async def test_what_is_no_jpeg_is_not_kept(mosquitto: Mosquitto, jpeg: str) -> None:
    async with venue(mosquitto, "tokyo", shot(jpeg=jpeg)), Link([Access(mosquitto.url)], ROOT, shots.TOPICS) as link:
        await link.settle()
        found = await shots.take(link, "tokyo")
    assert isinstance(found, Refusal) and found.code == "damaged"


def row(outcome: Shot | Refusal) -> Row:
    if isinstance(outcome, Refusal):
        return Row("tokyo", None, outcome)
    made = Picture("tokyo", JPEG, outcome, answer(BOOT, "tokyo", outcome), presence("tokyo"), 0.1)
    return Row("tokyo", made.presence, made)


def test_exit_codes() -> None:
    good, silent = row(shot()), row(Refusal(code="silent", detail=""))
    offline, refused = row(Refusal(code="offline", detail="")), row(NO_DISPLAY)
    for rows, code in (
        ([good], 0),
        ([good, silent], 3),
        ([offline], 3),
        ([good, silent, refused], 1),
        ([], 3),
        ([row(Refusal(code="no_broker", detail=""))], 1),
    ):
        assert exit_code(rows, {}) == code, rows
    assert exit_code([good], {"tokyo": "cannot be written"}) == 1


def test_what_was_on_the_wall_in_a_few_words() -> None:
    for changes, said in (
        ({}, "playing winners-reel r3, 2: koi.mp4 frame 370"),
        ({"frame": None, "identifying": True}, "playing winners-reel r3, 2: koi.mp4 + identify"),
        ({"state": "slate", "program": None, "item": None, "film": None}, "slate"),
        ({"state": "panic", "panic": BOOT, "program": None, "item": None}, "PANIC"),
    ):
        made = row(shot(**changes)).outcome
        assert isinstance(made, Picture) and on_wall(made) == said


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_is_never_cut(width: int) -> None:
    from io import StringIO

    from rich.console import Console

    console = Console(width=width, file=StringIO())
    console.print(page([row(shot()), row(NO_DISPLAY)], {"tokyo": Path("x.jpg")}, Path("x.jpg"), width))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "…" not in text and "koi.mp4 frame 370" in text and "no_display" in text
    assert "2025-06-02T12:00:00.000Z" in text and "Mon 21:00:00 JST" in text and "1280×720 77 kB" in text


def test_a_view_that_listens_for_weeks_keeps_no_more_pictures_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.control.replies.MOST_SHOT_BYTES", 1_000_000)
    view = View()
    refused = answer(f"{99:08x}-0000-4000-8000-000000000000", "tokyo", NO_DISPLAY)
    view.take(Received("venue/tokyo/answer", encode(refused), False, "mqtt://a"), 0.0)
    for number in range(30):
        body = encode(answer(f"{number:08x}-0000-4000-8000-000000000000", "tokyo", shot(frame=number)))
        view.take(Received("venue/tokyo/answer", body, False, "mqtt://a"), 0.0)
    kept = [found["tokyo"].shot for found in view.answers.values()]
    assert [made.frame for made in kept if made is not None] == list(range(21, 30))
    assert refused.ask in view.answers, "answers of other kinds are left alone"
    for ask in list(view.answers):
        view.forget_answers(ask)
    assert view._replies._shot_bytes == 0
    for venue_name in ("a", "b", "c"):  # a fleet's answers to one ask are all kept
        body = encode(answer(BOOT, venue_name, shot(jpeg="/9j/" + "A" * 133_000)))
        view.take(Received(f"venue/{venue_name}/answer", body, False, "mqtt://a"), 0.0)
    assert len(view.answers[BOOT]) == 3


def test_no_answer_is_larger_than_a_message_may_be() -> None:
    view = View()
    body = encode(answer(BOOT, "tokyo", shot())) + b" " * MAX_ANSWER_BYTES
    view.take(Received("venue/tokyo/answer", body, False, "mqtt://a"), time.monotonic())
    assert view.answers == {} and "at most 262144" in view.odd[0]
