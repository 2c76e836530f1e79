"""`framezero asrun` and a real broker: every record once, whatever is lost or comes twice, and silence is named."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from asruns import MINUTE, record
from brokers import Mosquitto, MosquittoFactory
from fake_venue import BOOT, ROOT, connected, framezero, now_us, presence, retain, told
from test_json_shapes import same

from agent.access import Access
from agent.answered import Answer
from agent.book import Book
from agent.control import collect
from agent.control.link import Link
from agent.messages import Ask, Refusal, decode, encode
from agent.told import AsRun
from agent.units import UtcUs

pytestmark = pytest.mark.needs("mosquitto")

Mishap = Callable[[int, list[Answer]], Sequence[Answer]]


def well(_: int, answers: list[Answer]) -> list[Answer]:
    return answers


def filled(folder: Path, venue: str, count: int, ago_us: int = 30 * MINUTE, without: int = -1) -> Book:
    """A book with a start and a minute each minute, the first so long ago; of one there is no record."""
    book = Book(folder / venue)
    first = UtcUs(now_us() - ago_us)
    records: list[tuple[AsRun, bool]] = []
    for number in range(count):
        if number == without:
            continue
        due = UtcUs(first + number * MINUTE)
        records.append((record(number, "start", venue=venue, due=due, observed=UtcUs(due + 500)), True))
        records.append((record(number, venue=venue, due=due), True))
    assert book.write(records) is not None
    return book


@asynccontextmanager
async def wall(
    brokers: Sequence[Mosquitto], name: str, book: Book | Refusal, mishap: Mishap = well
) -> AsyncIterator[list[Ask]]:
    """A venue that answers asks from a book, at all of its brokers; yields what it was asked."""
    asked: list[Ask] = []

    async def serve(broker: Mosquitto) -> None:
        async with connected(broker) as client:
            await client.publish(f"{ROOT}/cue/_hello", b"{}", qos=1, retain=True)
            await client.publish(f"{ROOT}/venue/{name}/presence", encode(presence(name)), qos=1, retain=True)
            await client.subscribe(f"{ROOT}/ask/{name}", qos=1)
            serving.append(broker)
            async for message in client.messages:
                ask = decode(Ask, message.payload)
                assert isinstance(ask, Ask), ask
                asked.append(ask)
                head = Answer(ask=ask.ask, venue=name, boot=BOOT, time=now_us(), want="asrun")
                found = book if isinstance(book, Refusal) else book.pages(ask)
                if isinstance(found, Refusal):
                    answers = [head.model_copy(update={"refused": found})]
                else:
                    answers = [head.model_copy(update={"asrun": page}) for page in found]
                # The same burst is lost at every broker: what only one had lost, the other would have brought.
                for answer in mishap(len({one.ask for one in asked}), answers):
                    await client.publish(f"{ROOT}/venue/{name}/answer", encode(answer), qos=1)

    serving: list[Mosquitto] = []
    tasks = [asyncio.create_task(serve(broker)) for broker in brokers]
    async with asyncio.timeout(10):
        while len(serving) < len(brokers):  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.01)
    try:
        yield asked
    finally:
        # Again and again: aiomqtt loses a cancellation that comes together with the broker's answer to a publish.
        while left := [task for task in tasks if not task.done()]:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=1)
        await asyncio.gather(*tasks, return_exceptions=True)


def lossy(number: int, answers: list[Answer]) -> list[Answer]:
    """The second page of the first burst is lost, and of the second one the last."""
    return [answers[:1] + answers[2:], answers[:-1]][number - 1] if number < 3 else answers


def doubled(_: int, answers: list[Answer]) -> list[Answer]:
    """All come twice, the second time backwards."""
    return [*answers, *(answer.model_copy(update={"time": None}) for answer in reversed(answers))]


async def fetched(
    brokers: Sequence[Mosquitto], venues: Sequence[str], patience_s: float = 0.5
) -> dict[str, collect.Fetched]:
    async with Link([Access(url=broker.url) for broker in brokers], ROOT, collect.TOPICS) as link:
        await link.settle()
        now = now_us()
        return await collect.fetch(link, venues, UtcUs(now - 100_000 * MINUTE), now, patience_s, lambda *_: None)


@pytest.mark.parametrize("mishap", [well, lossy, doubled])
async def test_every_record_comes_once_whatever_is_lost_or_doubled(
    mosquittos: MosquittoFactory, tmp_path: Path, mishap: Mishap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.pages.PAGE_CHARS", 900)
    brokers = [mosquittos(), mosquittos()]
    book = filled(tmp_path, "paris", 700, 800 * MINUTE)
    async with wall(brokers, "paris", book, mishap) as asked:
        found = (await fetched(brokers, ["paris"], 2.0))["paris"]
    assert (found.fault, found.left) == ("", 0)
    assert [one.seq for one in found.records] == list(range(1, 1401))
    assert len({ask.ask for ask in asked}) > 2


async def test_one_that_stays_silent_or_refuses_costs_the_others_nothing(mosquitto: Mosquitto, tmp_path: Path) -> None:
    refusal = Refusal(code="unserved", detail="this version does not answer 'asrun' yet")
    async with wall([mosquitto], "paris", filled(tmp_path, "paris", 3)), wall([mosquitto], "tokyo", refusal):
        await retain(mosquitto, "venue/gone/presence", encode(presence("gone", online=False)))
        found = await fetched([mosquitto], ["gone", "paris", "tokyo", "toronto"])
    assert len(found["paris"].records) == 6
    assert "offline" in found["gone"].fault
    assert "older" in found["tokyo"].fault
    assert "silent" in found["toronto"].fault


async def test_the_command_tells_by_its_exit_what_is_missing_and_its_files_belong_together(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async def run(*arguments: str) -> tuple[int, str, str]:
        return await framezero("asrun", "--broker", mosquitto.url, "--timeout", "1s", *arguments)

    period = ("--since", "26m", "--until", "3m")
    walls = [
        ("paris", filled(tmp_path, "paris", 26, 25 * MINUTE)),
        ("tokyo", filled(tmp_path, "tokyo", 26, 25 * MINUTE, without=9)),
    ]
    async with wall([mosquitto], *walls[0]), wall([mosquitto], *walls[1]):
        code, out, err = await run(*period, "--json")
        found = same("asrun", out)
        assert (code, found["complete"], found["clean"]) == (1, False, False), "their starts are at different instants"
        assert [gap["venue"] for gap in found["gaps"]] == ["tokyo"]
        assert len(found["records"]) == 90
        csv_file, html_file = tmp_path / "a.csv", tmp_path / "a.html"
        fixed = ("--since", "2020-01-01T00:00:00Z", "--until", "3m")
        code, out, err = await run(*fixed, "--csv", "--out", str(csv_file))
        assert (code, out) == (1, "")
        code, out, err = await run(*fixed, "--html", "--out", str(html_file))
        assert sha256(csv_file.read_bytes()).hexdigest() in html_file.read_text()
        rows = list(csv.DictReader(io.StringIO(csv_file.read_text(), newline="")))
        assert {row["venue"] for row in rows} == {"paris", "tokyo"}
        code, out, err = await run(*period, "--venues", "paris")
        assert code == 0, out + err
        assert re.search(r"paris +23 ", out)
        code, out, err = await run(*period, "--venues", "paris,nowhere")
        assert code == 3
        assert "nowhere: silent" in out
        code, out, err = await run(*period, "--venues", "paris", "--within", "0.4")
        assert code == 1
        code, out, err = await run(*period, "--venues", "paris", "--cue", "ffff", "--json")
        assert (code, told(out)["records"]) == (0, [])
        nowhere = str(tmp_path / "none" / "proof.csv")
        usage = (
            ("--csv", "--html"),
            ("--since", "tomorrow"),
            ("--since", "1h", "--until", "2h"),
            ("--out", str(tmp_path / "proof.csv")),
            ("--csv", "--out", nowhere),
            ("--csv", "--out", str(tmp_path)),
        )
        for wrong, (code, _, err) in zip(usage, await asyncio.gather(*(run(*each) for each in usage)), strict=True):
            assert (code, "error:" in err) == (2, True), wrong
