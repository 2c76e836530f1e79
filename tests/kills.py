"""SIGKILL of a real agent, again and again, while cues, programs and films come: what was promised must be there.

After each death a copy of the journal is opened, as the next agent would, and every film that stands in its place is
hashed. Everything around the agent lives on: mosquitto, a time server and a web server. The films are noise: all that
is looked at is whether they are whole.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
from brokers import Mosquitto
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.cache.disk import place_of
from agent.cache.seal import films_in, read_seal
from agent.journal import Journal
from agent.lab import content, timeservers
from agent.lab.processes import Processes
from agent.messages import Refusal
from agent.units import UtcUs, format_utc

ROOT = "framezero/v1"
FILMS, FILM_BYTES, PROGRAMS, FILMS_EACH = 12, 2_000_000, 24, 3
QUOTA_GB = 0.013
"""Room for half of the films, so that each new cue has some go and others come."""
RATE_MBPS = 160
"""A film takes a tenth of a second, so that many deaths come in the middle of one."""
MOST_LIFE_S = 2.5
SIGNS, SHARES = (b"", b"agent starts", b"broker_connected"), (15, 20, 65)
"""From what line of its log on the instant of a death is drawn, and how often; none: from its very beginning."""
BLIND = 0.7
"""So many lives have no ffprobe: on a busy machine a look into a film takes longer than they last."""
BIRTH_S = 20.0
CUE_EVERY_S = 0.2
CUE_LIFE_S = 40
TURN_S = 15
"""Cues begin so far apart, for downloads rest around each; all of one turn name two programs, which just fit."""
LEFT_S = 30.0


@dataclass
class Figures:
    """What a run has counted; `faults` is empty where all is as it must be."""

    kills: int = 0
    sent: int = 0
    accepted: int = 0
    checked: int = 0
    cues_lost: int = 0
    cues_absent: int = 0
    films_checked: int = 0
    parts_seen: int = 0
    fetched: int = 0
    evicted: int = 0
    most_files: int = 0
    most_state_files: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass
class Place:
    """Where the agent lives, and what is around it."""

    folder: Path
    broker: Mosquitto
    config: Path
    films: dict[str, bytes]

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"


def prepare(processes: Processes, broker: Mosquitto, folder: Path) -> tuple[Place, list[bytes]]:
    """Make films, servers and configuration; returns the programs' bodies too."""
    [server] = timeservers.start(processes, 1, folder / "ntp")
    web = content.start(processes, folder / "web")
    films = {hashlib.sha256(noise).hexdigest(): noise for noise in (_noise(number) for number in range(FILMS))}
    for sha256, noise in films.items():
        (folder / "web" / sha256).write_bytes(noise)
    config = folder / "agent.toml"
    config.write_text(
        f'venue = "paris"\nshow = "lab"\ntimezone = "Europe/Paris"\nstate_dir = "{folder / "state"}"\n'
        f'[broker]\nurls = ["{broker.url}"]\n'
        f'[clock]\nservers = [{{host = "127.0.0.1", port = {server.port}, ours = true}}]\n'
        f'[display]\noutput = "null"\n[trust]\nrequire = false\n'
        f'[cache]\ndir = "{folder / "cache"}"\nreserve_gb = 0\nquota_gb = {QUOTA_GB}\nrate_mbps = {RATE_MBPS}\n'
    )
    draw = random.Random(7)
    programs = [
        _program(number, draw.sample(sorted(films), FILMS_EACH), f"http://127.0.0.1:{web.port}")
        for number in range(PROGRAMS)
    ]
    return Place(folder, broker, config, films), programs


def _noise(number: int) -> bytes:
    return random.Random(number).randbytes(FILM_BYTES + number)


def _program(number: int, films: list[str], url: str) -> bytes:
    items = [
        {"name": f"{sha256[:6]}.mp4", "sha256": sha256, "size": FILM_BYTES + int(_number(sha256)), "codec": "h264"}
        | {"width": 320, "height": 180, "fps": "30", "frames": 90, "sound": False, "urls": [f"{url}/{sha256}"]}
        for sha256 in films
    ]
    body = {"v": 1, "program": f"p{number}", "rev": 1, "show": "lab", "issued": format_utc(_utc()), "items": items}
    return json.dumps(body).encode()


def _number(sha256: str) -> int:
    return next(n for n in range(FILMS) if hashlib.sha256(_noise(n)).hexdigest() == sha256)


def _utc() -> UtcUs:
    return UtcUs(time.time_ns() // 1000)


class Run:
    """One run: `kill` makes one life and its end."""

    def __init__(self, place: Place, programs: list[bytes], seed: int) -> None:
        self.figures = Figures()
        self._place = place
        self._programs = programs
        self._draw = random.Random(seed)
        self._expires: dict[str, int] = {}
        self._accepted: set[str] = set()

    async def go(self, kills: int, told: Callable[[Figures], None]) -> Figures:
        """Kill so often, then let the agent live until it has everything."""
        began = time.monotonic()
        host, port = "127.0.0.1", self._place.broker.port
        async with aiomqtt.Client(host, port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.subscribe(f"{ROOT}/venue/paris/ack", qos=1)
            for number, body in enumerate(self._programs):
                await client.publish(f"{ROOT}/program/p{number}/1", body, qos=1, retain=True)
            work = [asyncio.create_task(self._listen(client)), asyncio.create_task(self._send(client))]
            try:
                while self.figures.kills < kills and not self.figures.faults:
                    await self._kill()
                    self._judge()
                    self._take_away()
                    self.figures.seconds = time.monotonic() - began
                    told(self.figures)
                work.pop().cancel()
                if not self.figures.faults:
                    await self._last_life()
            finally:
                for task in work:
                    task.cancel()
        self._count_log()
        return self.figures

    # --- what goes on around it ---------------------------------------------------------------

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            cue = str(uuid.UUID(int=self._draw.getrandbits(128), version=4))
            now = _utc()
            expires = now + CUE_LIFE_S * 1_000_000
            turn = now // (TURN_S * 1_000_000) + 1
            program = f"p{(turn * 7 + self._draw.randrange(2)) % PROGRAMS}"
            body = {
                "v": 1,
                "cue": cue,
                "show": "lab",
                "venues": ["*"],
                "at": format_utc(UtcUs(turn * TURN_S * 1_000_000)),
                "issued": format_utc(now),
                "expires": format_utc(UtcUs(expires)),
                "do": {"action": "play", "program": program, "rev": 1, "loop": True},
            }
            self._expires[cue] = expires
            self.figures.sent += 1
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types
            properties.MessageExpiryInterval = CUE_LIFE_S
            payload = json.dumps(body).encode()
            await client.publish(f"{ROOT}/cue/{cue}", payload, qos=1, retain=True, properties=properties)
            await asyncio.sleep(CUE_EVERY_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            ack = json.loads(bytes(message.payload))
            if ack["stage"] == "accepted" and ack["cue"] not in self._accepted:
                self._accepted.add(ack["cue"])
                self.figures.accepted += 1
            elif ack["stage"] == "refused" and self._expires[ack["cue"]] > _utc() + 1_000_000:
                self.figures.faults.append(f"cue {ack['cue']} was refused: {ack['detail']}")

    # --- lives and deaths ---------------------------------------------------------------------

    async def _start(self) -> asyncio.subprocess.Process:
        with self._place.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "agent.cli", "agent", "--config", str(self._place.config)),
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | ({"PATH": ""} if self._draw.random() < BLIND else {}),
            )

    async def _kill(self) -> None:
        begun = self._place.log.stat().st_size if self._place.log.exists() else 0
        process = await self._start()
        # Mostly from when cues and films come: before that there is less to be lost, and it takes long.
        sign = self._draw.choices(SIGNS, SHARES)[0]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BIRTH_S):
                while not self._logs(sign, begun) and process.returncode is None:  # noqa: ASYNC110  a file tells nobody
                    await asyncio.sleep(0.02)
        await asyncio.sleep(self._draw.uniform(0.0, MOST_LIFE_S))
        if process.returncode is not None:
            self.figures.faults.append(f"the agent ended by itself with status {process.returncode}: {self._tail()}")
            return
        process.send_signal(signal.SIGKILL)
        await process.wait()
        self.figures.kills += 1
        await self._nobody_left(process.pid)
        await asyncio.sleep(0.05)  # what the broker still had on its way to us counts too

    def _logs(self, sign: bytes, begun: int) -> bool:
        with self._place.log.open("rb") as log:
            log.seek(begun)
            return sign in log.read()

    async def _nobody_left(self, group: int) -> None:
        """Its player and whatever else it started has to notice and to go."""
        until = time.monotonic() + LEFT_S
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.killpg(group, 0)
                if time.monotonic() > until:
                    os.killpg(group, signal.SIGKILL)
                    self.figures.faults.append(f"processes of agent {group} were still there {LEFT_S:g} s after it")
                    return
                await asyncio.sleep(0.01)

    async def _last_life(self) -> None:
        """Nothing is sent any more: every cue that still counts has to be there then, whatever died when it came."""
        process = await self._start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while self._unanswered():  # noqa: ASYNC110  they expire too
                    await asyncio.sleep(0.1)
        process.terminate()
        try:
            async with asyncio.timeout(15):
                await process.wait()
        except TimeoutError:
            process.kill()
            self.figures.faults.append("the agent does not end when it is told to")
        await self._nobody_left(process.pid)
        kept = self._judge()
        # An answer may have died with its agent; the cue itself was retained, and must not have.
        self.figures.cues_absent = len([cue for cue in self._unanswered() if cue not in kept])
        if self.figures.cues_absent:
            self.figures.faults.append(f"{self.figures.cues_absent} cues that the broker keeps never came in")

    def _unanswered(self) -> list[str]:
        """Cues without an answer that still count for some time; for some the answer died with its agent."""
        later = _utc() + 5_000_000
        return [cue for cue, expires in self._expires.items() if expires > later and cue not in self._accepted]

    # --- judging ------------------------------------------------------------------------------

    def _judge(self) -> set[str]:
        """Look at what an agent has left; the cues that its journal has."""
        figures = self.figures
        copy = self._place.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        if self._place.state.is_dir():
            shutil.copytree(
                self._place.state, copy, ignore=shutil.ignore_patterns("local.sock")
            )  # a socket has no copy
        journal = Journal.open(copy)
        if isinstance(journal, Refusal):
            figures.faults.append(f"the journal does not open: {journal.detail}")
            return set()
        kept = {row.cue for row in journal.cues()}
        journal.close()
        now = _utc()
        promised = {cue for cue in self._accepted if self._expires[cue] > now}
        lost = promised - kept
        figures.checked += len(promised)
        figures.cues_lost += len(lost)
        if lost:
            figures.faults.append(f"{len(lost)} accepted cues are not in the journal, such as {min(lost)}")
        state = [path.name for path in copy.iterdir()]
        if any("corrupt" in name for name in state):
            figures.faults.append(f"the journal was damaged: {state}")
        figures.most_state_files = max(figures.most_state_files, len(state))
        self._judge_films()
        return kept

    def _judge_films(self) -> None:
        figures, cache = self.figures, self._place.cache
        for path in films_in(cache):
            figures.films_checked += 1
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
                figures.faults.append(f"{path} stands in its place and is not whole")
            elif not read_seal(path).fits(path):
                figures.faults.append(f"{path} has no fitting seal")
        files = [path for path in cache.rglob("*") if path.is_file()]
        figures.parts_seen += sum(path.suffix == ".part" for path in files)
        figures.most_files = max(figures.most_files, len(files))
        # Each film with its seal, or its part with what it knows of its source; and the store's own two.
        known = {place_of(cache, sha256).name for sha256 in self._place.films}
        strange = [path.name for path in files if path.stem not in known and not path.name.startswith(".")]
        if strange or len(files) > 4 * FILMS + 4:
            figures.faults.append(f"the cache grows: {len(files)} files, among them {strange[:5]}")

    def _take_away(self) -> None:
        """A film vanishes, so that in every life one has to come."""
        films = list(films_in(self._place.cache))
        for path in self._draw.sample(films, min(1, len(films))):
            path.unlink()

    def _count_log(self) -> None:
        text = self._place.log.read_text(errors="replace")
        self.figures.fetched = text.count("film is there")
        self.figures.evicted = text.count("evicted from the cache")
        for word in ("Traceback", '"critical"', "broke the agent's reading"):
            if word in text:
                at = text.index(word)
                self.figures.faults.append(f"the agent's log has {word}: {text[at - 200 : at + 800]}")

    def _tail(self) -> str:
        return self._place.log.read_text(errors="replace")[-600:]
