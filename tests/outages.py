"""Walls whose brokers, lines and agents fail around a start: who starts on time, who joins, what is lost or done twice.

Real agents with their players (`display.output = "null"`), two real mosquittos, a relay for each line of each venue,
signed cues. The script tests/long/outages plays it with lines that are cut for ten minutes, many times over;
tests/broker/test_outages.py is its short form.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

from brokers import Mosquitto

from agent.access import Access, BrokerError
from agent.connection import connect
from agent.control import signing
from agent.lab import content, films, relay, timeservers
from agent.lab.processes import Child, Processes
from agent.units import UtcUs, format_utc, parse_utc

ROOT = "framezero/v1"
FPS = Fraction(30)
FILM_S = 20
READY_S = 40.0
HEARD_S = 25.0
"""A broker that came back is met again within the longest pause of agent.mqtt.backoff_s."""
EARLY_MOST_MS = 50.0
"""A start counts as on time within this: the machine may be busy, and the player stamps what it sees."""
PLACE_MOST_S = 1.5
"""A status tells where the film was at the player's last word, up to a second ago."""

VENUES = ("steady", "cut", "deaf", "away", "killed")
"""What happens to each in every round: nothing; its lines are cut around T0; they are cut from before the cue was sent
until after T0; its agent is down meanwhile; its agent is killed before T0 and once more after it."""

HAD_IT = ("steady", "cut", "killed")
"""Who has the cue at least two seconds before T0, and so has to start on time."""

Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Times:
    """When what happens, in seconds; the cue is sent `lead_s` before T0, and the round ends `tail_s` after it."""

    lead_s: float = 7.0
    cut_s: float = 3.0
    back_s: float = 2.0
    tail_s: float = 8.0


SHORT = Times()


def long_times(cut_s: float) -> Times:
    """Lines that are cut for so long, half of it before T0; then half a minute for those who come back."""
    return Times(lead_s=cut_s / 2 + 5, cut_s=cut_s / 2, back_s=cut_s / 2, tail_s=cut_s / 2 + 45)


ROUNDS = ("killed", "store lost", "alternating")
"""What happens to the brokers: both are killed just before T0 and come back after it; one loses its store and the other
is away over T0; they are away in turns, so that never both are there at one time."""


@dataclass(slots=True)
class Ear:
    """What the venues told, from both brokers; a message that both bring counts once."""

    told: dict[str, list[Told]] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)

    async def listen(self, broker: Mosquitto) -> None:
        """For ever, over all that happens to the broker."""
        while True:
            with contextlib.suppress(BrokerError):
                async with connect(
                    Access(broker.url), identifier="ear", clean_start=False, session_expiry_s=3600
                ) as connection:
                    await connection.subscribe([f"{ROOT}/venue/+/{kind}" for kind in ("ack", "asrun", "status")])
                    async for message in connection.messages():
                        if message.payload not in self._seen:
                            self._seen.add(message.payload)
                            kind = message.topic.rpartition("/")[2]
                            self.told.setdefault(kind, []).append(json.loads(message.payload))
            await asyncio.sleep(0.05)


@dataclass(slots=True)
class Player:
    """One venue's agent, through its lives."""

    venue: str
    folder: Path
    processes: Processes
    lives: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """A new life; what it says is in a log of its own."""
        argv = [sys.executable, "-m", "agent.cli", "agent", "--config", str(self.folder / "agent.toml")]
        self.lives.append(self.processes.start(f"{self.venue}-{len(self.lives)}", argv))

    def kill(self) -> None:
        """SIGKILL, to the agent and its player at once, as the end of a service takes all of it."""
        life = self.lives[-1]
        os.killpg(life.pid, signal.SIGKILL)
        life.process.wait()

    def said(self) -> list[Told]:
        """Every stage that this venue's agents have gone through with cues, by their own logs."""
        found = []
        for number, life in enumerate(self.lives):
            for line in life.log.read_text().splitlines():
                with contextlib.suppress(ValueError):
                    record = json.loads(line)
                    if record.get("event") == "cue":
                        found.append({**record, "life": number})
        return found


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that stands while rounds are played."""

    brokers: tuple[Mosquitto, Mosquitto]
    players: dict[str, Player]
    relay: relay.Relay
    pen: signing.Pen
    ear: Ear

    def cut(self, venue: str, cut: bool) -> None:
        """Cut both lines of a venue, or restore them."""
        for name in ("a", "b"):
            self.relay.cut(f"{venue}-{name}", cut)

    async def send(self, topic: str, body: bytes) -> None:
        """Retain at every broker that is there, as the operator's tool does."""
        taken = 0
        for broker in self.brokers:
            with contextlib.suppress(BrokerError):
                async with connect(Access(broker.url), identifier="operator") as connection:
                    taken += not await connection.send(f"{ROOT}/{topic}", body, retain=True)
        assert taken, f"no broker took {topic}"

    async def start_broker(self, broker: Mosquitto, *, empty: bool = False) -> None:
        """Start a broker, and leave the hello there, as set-up has systemd do; `empty`: its disk was lost."""
        if empty:
            (broker.directory / "mosquitto.db").unlink(missing_ok=True)
        await asyncio.to_thread(broker.start)
        async with connect(Access(broker.url), identifier="operator") as connection:
            await connection.send(f"{ROOT}/cue/_hello", b"{}", retain=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one venue took one round.

    `starts_ms` are the errors of its starts in their order, `joined` says of each whether it began late; `place_s` is
    how far its film was off in its statuses at the end; `lost` counts what it said and no broker brought, `twice` the
    starts that were told, or done, more than once in one life.
    """

    round: str
    venue: str
    starts_ms: tuple[float, ...]
    joined: tuple[bool, ...]
    place_s: float | None
    lost: int
    twice: int
    ready: bool = True
    """Whether the agent that was killed before T0 said, at least two seconds before T0, that it was ready again."""

    def faults(self) -> list[str]:
        """What is not as it must be."""
        name = f"{self.round}, {self.venue}"
        found = []
        if not self.starts_ms:
            found.append(f"{name}: never started")
        elif self.venue in HAD_IT and self.ready and self.joined[0]:
            found.append(f"{name}: had the cue, and started late all the same")
        elif self.venue not in HAD_IT and not self.joined[0]:
            found.append(f"{name}: could not have it in time, and says that it started on time")
        if len(self.starts_ms) > (2 if self.venue == "killed" else 1):
            found.append(f"{name}: started {len(self.starts_ms)} times")
        if self.venue == "killed" and self.joined[1 if self.ready else -1 :] != (True,):
            found.append(f"{name}: did not join after it was killed")
        found += [f"{name}: a start was {off:+.1f} ms off" for off in self.starts_ms if abs(off) > EARLY_MOST_MS]
        if self.place_s is None or self.place_s > PLACE_MOST_S:
            found.append(f"{name}: the film is not where it should be ({self.place_s} s off)")
        if self.lost and self.venue != "killed":  # what waits for a broker dies with the agent; the film goes on
            found.append(f"{name}: {self.lost} of its words were lost")
        if self.twice:
            found.append(f"{name}: {self.twice} starts were told twice")
        return found


def judge(played: str, venue: str, cue: str, t0_us: int, ear: Ear, said: Sequence[Told]) -> Outcome:
    """How a venue took a round, from what it told over the brokers and what its own log says."""
    mine = [line for line in said if line["cue"] == cue]
    started = [line for line in mine if line["stage"] == "started"]
    runs = [
        run for run in ear.told.get("asrun", []) if (run["venue"], run["cue"], run["kind"]) == (venue, cue, "start")
    ]
    return Outcome(
        round=played,
        venue=venue,
        starts_ms=tuple(line["error_us"] / 1000 for line in started),
        joined=tuple(bool(line["joined"]) for line in started),
        place_s=_place_s(venue, cue, t0_us, ear.told.get("status", [])),
        lost=len(unheard(venue, cue, ear, said)),
        twice=_more_than_once(line["life"] for line in started) + _more_than_once(run["due"] for run in runs),
        ready=venue != "killed" or any(_ready_again(line, t0_us) for line in mine),
    )


def unheard(venue: str, cue: str, ear: Ear, said: Sequence[Told]) -> Counter[tuple[Any, ...]]:
    """What a venue's agents have said of a cue, by their logs, and no broker has brought (yet)."""
    acks = (ack for ack in ear.told.get("ack", []) if (ack["venue"], ack["cue"]) == (venue, cue))
    return Counter(_word(line) for line in said if line["cue"] == cue) - Counter(_word(ack) for ack in acks)


def _ready_again(line: Told, t0_us: int) -> bool:
    """A later life's word before T0; a machine that others use as well may take longer to start it."""
    said_us = parse_utc(line["timestamp"])
    return bool(line["life"] and line["ready"]) and line["stage"] == "accepted" and said_us <= t0_us - 2_000_000


def _word(ack: Told) -> tuple[Any, ...]:
    return tuple(ack.get(key) for key in ("stage", "ready", "reason", "error_us", "joined"))


def _more_than_once(things: Iterable[str]) -> int:
    return sum(number - 1 for number in Counter(things).values())


def _place_s(venue: str, cue: str, t0_us: int, statuses: Sequence[Told]) -> float | None:
    """By how much the film was off in the last statuses; the loop's seam is no distance."""
    mine = [
        one
        for one in statuses
        if (one["venue"], one["cue"], one["state"]) == (venue, cue, "playing")
        and None not in (one["time"], one["frame"])
    ]
    offs = []
    for one in mine[-3:]:
        due_s = (parse_utc(one["time"]) - t0_us) / 1e6 % FILM_S
        off_s = (due_s - float(one["frame"] / FPS)) % FILM_S
        offs.append(min(off_s, FILM_S - off_s))
    return round(median(offs), 2) if offs else None


@contextmanager
def stage(folder: Path, brokers: tuple[Mosquitto, Mosquitto]) -> Iterator[Stage]:
    """Everything but the agents' lives; `brokers` have to run."""
    with Processes(folder / "logs") as processes:
        servers = timeservers.start(processes, 3, folder / "time")
        served = content.start(processes, folder / "web")
        links = [
            relay.Link(f"{venue}-{name}", broker.port, 10, 10)
            for venue in VENUES
            for name, broker in zip("ab", brokers, strict=True)
        ]
        lines = relay.start(processes, "tcp", links)
        made = (
            signing.make("show", "show", folder / "keys-show"),
            signing.make("films", "content", folder / "keys-show"),
        )
        keys = folder / "keys"
        keys.mkdir()
        for key in made:
            (keys / key.public.name).write_bytes(key.public.read_bytes())
        pen = signing.load([str(key.private) for key in made], lambda _: "")
        players = {}
        for venue in VENUES:
            home = folder / venue
            home.mkdir()
            urls = [f"mqtt://127.0.0.1:{lines.ports[f'{venue}-{name}']}" for name in "ab"]
            ntp = ", ".join(f'{{host = "127.0.0.1", port = {server.port}, ours = true}}' for server in servers)
            (home / "agent.toml").write_text(
                f'venue = "{venue}"\nshow = "lab"\ntimezone = "Asia/Tokyo"\nstate_dir = "{home}/state"\n'
                f"[broker]\nurls = {json.dumps(urls)}\n[clock]\nservers = [{ntp}]\nchrony = false\n"
                f'[display]\noutput = "null"\n[cache]\ndir = "{home}/cache"\nreserve_gb = 0\n'
                f'[trust]\nkeys = "{keys}"\n'
            )
            players[venue] = Player(venue, home, processes)
        film = films.make_film(folder / "web" / "a.mp4", clip=1, frames=FILM_S * 30, fps=FPS, width=320, height=180)
        (folder / "program.json").write_bytes(_program(film, f"http://127.0.0.1:{served.port}/a.mp4"))
        yield Stage(brokers, players, lines, pen, Ear())


def _program(film: films.Film, url: str) -> bytes:
    data = film.path.read_bytes()
    item = {
        "name": "a.mp4",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "codec": "h264",
        "width": film.width,
        "height": film.height,
        "fps": str(film.fps),
        "frames": film.frames,
        "sound": False,
        "urls": [url],
    }
    issued = format_utc(UtcUs(time.time_ns() // 1000))
    return json.dumps({"v": 1, "program": "reel", "rev": 1, "show": "lab", "issued": issued, "items": [item]}).encode()


async def play(
    folder: Path,
    brokers: tuple[Mosquitto, Mosquitto],
    rounds: Sequence[str],
    times: Times,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Play the rounds one after the other, and judge each venue in each of them."""
    outcomes = []
    with stage(folder, brokers) as on:
        listening = [asyncio.create_task(on.ear.listen(broker)) for broker in brokers]
        try:
            for broker in brokers:
                async with connect(Access(broker.url), identifier="operator") as connection:
                    await connection.send(f"{ROOT}/cue/_hello", b"{}", retain=True)
            await on.send("program/reel/1", on.pen.seal("program", (folder / "program.json").read_bytes()))
            for player in on.players.values():
                player.start()
            await _all_ready(on)
            for number, name in enumerate(rounds, start=1):
                cue, t0_us = await _play(on, name, times)
                said = await _heard_out(on, cue, t0_us)
                outcomes += [judge(name, venue, cue, t0_us, on.ear, said[venue]) for venue in VENUES]
                faults = sum(bool(outcome.faults()) for outcome in outcomes[-len(VENUES) :])
                say(f"round {number} of {len(rounds)}: {name}, {faults} of {len(VENUES)} venues at fault")
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    return outcomes


async def _all_ready(on: Stage) -> None:
    def ready(venue: str) -> bool:
        mine = [one for one in on.ear.told.get("status", []) if one["venue"] == venue]
        return bool(mine) and mine[-1]["ready"] and mine[-1]["cache"]["films"] == 1

    async with asyncio.timeout(READY_S):
        while not all(ready(venue) for venue in VENUES):  # noqa: ASYNC110 - looking is the only way to know
            await asyncio.sleep(0.1)


async def _heard_out(on: Stage, cue: str, t0_us: int) -> dict[str, list[Told]]:
    """Wait until the brokers have brought what was said of a cue; those who come back may take a while."""
    until_s = time.monotonic() + HEARD_S
    while True:
        said = {venue: player.said() for venue, player in on.players.items()}
        statuses = on.ear.told.get("status", [])
        due = any(unheard(venue, cue, on.ear, said[venue]) for venue in VENUES if venue != "killed")
        due = due or any(_place_s(venue, cue, t0_us, statuses) is None for venue in VENUES)
        if not due or time.monotonic() > until_s:
            return said
        await asyncio.sleep(0.2)


async def _play(on: Stage, name: str, times: Times) -> tuple[str, int]:
    """One round; returns the cue's id and T0."""
    t0_us = time.time_ns() // 1000 + round((times.lead_s + 1.5) * 1e6)
    cue, now = str(uuid.uuid4()), format_utc(UtcUs(time.time_ns() // 1000))
    body = {
        "v": 1,
        "cue": cue,
        "show": "lab",
        "venues": ["*"],
        "at": format_utc(UtcUs(t0_us)),
        "issued": now,
        "expires": format_utc(UtcUs(t0_us + 3_600_000_000)),
        "do": {"action": "play", "program": "reel", "rev": 1, "loop": True},
    }
    cut, deaf, away, killed = (on.players[venue] for venue in VENUES[1:])

    async def restart() -> None:
        killed.kill()
        killed.start()

    async def at(seconds: float, do: Callable[[], Any]) -> None:
        await asyncio.sleep(max(0.0, t0_us / 1e6 + seconds - time.time()))
        done = do()
        if asyncio.iscoroutine(done):
            await done

    lead = -times.lead_s
    script = [
        at(lead - 1.0, lambda: on.cut(deaf.venue, True)),
        at(lead - 0.5, away.kill),
        at(lead, lambda: on.send(f"cue/{cue}", on.pen.seal("cue", json.dumps(body).encode()))),
        at(-times.cut_s, lambda: on.cut(cut.venue, True)),
        at(-min(times.lead_s - 1.5, 10.0), restart),  # an agent needs a second or two, on a busy machine more
        at(times.back_s, lambda: on.cut(cut.venue, False)),
        at(times.back_s, lambda: on.cut(deaf.venue, False)),
        at(1.0, away.start),
        at(3.0, restart),
        at(times.tail_s, lambda: None),
        *(at(seconds, do) for seconds, do in _brokers(on, name)),
    ]
    async with asyncio.TaskGroup() as tasks:
        for step in script:
            tasks.create_task(step)
    return cue, t0_us


def _brokers(on: Stage, name: str) -> list[tuple[float, Callable[[], Any]]]:
    """What happens to the brokers in a round, in seconds from T0."""
    a, b = on.brokers

    def kill(broker: Mosquitto) -> Callable[[], Any]:
        return lambda: broker.stop(signal.SIGKILL)

    def back(broker: Mosquitto, *, empty: bool = False) -> Callable[[], Any]:
        return lambda: on.start_broker(broker, empty=empty)

    match name:
        case "killed":
            return [(-1.0, kill(a)), (-1.0, kill(b)), (1.5, back(a)), (1.8, back(b))]
        case "store lost":
            return [(-3.5, kill(b)), (-2.0, kill(a)), (-1.0, back(a, empty=True)), (2.5, back(b))]
        case "alternating":
            return [
                *((-5.0, kill(a)), (-3.0, back(a)), (-2.5, kill(b)), (0.5, back(b))),
                *((1.0, kill(a)), (3.0, back(a)), (3.5, kill(b)), (5.0, back(b))),
            ]
    raise AssertionError(name)
