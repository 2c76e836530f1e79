"""A live agent on a real broker, with all that a forger makes sent to it."""

import asyncio
import base64
import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from brokers import MosquittoFactory
from forger import EXPIRED, Forger, Made, keys_of
from live import LiveAgent, live_agent
from makers import S, private
from oracle import faults_of, ids_of

from agent.journal import Journal
from agent.lab.processes import Processes
from agent.messages import Refusal
from agent.trust import PublicKey, seal
from agent.units import UtcUs, format_utc

SHOW, VENUE = "bring-your-vision", "paris-opera"
BATCH = 250
"""After so many messages a good cue is sent, and its acknowledgement waited for."""
NOT_LOST = ("max_queued_messages 0", "max_queued_bytes 0", "max_inflight_messages 0")
UNSPEAKABLE = ("message dropped", "Traceback", "Unclosed", "never retrieved")


@dataclass
class Flooded:
    """What came of it. `rss_kb` is the agent's resident memory after each batch."""

    messages: int = 0
    seconds: float = 0.0
    acks: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    kept: int = 0
    rss_kb: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def write_keys(folder: Path, keys: tuple[PublicKey, ...]) -> Path:
    """The folder of public keys that an agent reads."""
    folder.mkdir()
    for key in keys:
        text = f'name = "{key.name}"\nrole = "{key.role}"\nkey = "{base64.b64encode(key.raw).decode()}"\n'
        end = f'not_after = "{format_utc(key.not_after)}"\n' if key.not_after is not None else ""
        (folder / f"{key.name}.toml").write_text(text + end)
    return folder


def rss_kb(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def clock_us() -> int:
    return time.time_ns() // 1000


class _Flood:
    def __init__(self, seed: int, threshold: int) -> None:
        self.found = Flooded()
        self._forger = Forger(seed, SHOW, VENUE, threshold)
        self._threshold = threshold
        self._began = clock_us()
        self.keys = keys_of(self._began)
        self._may: set[str] = set()
        self._asked: set[str] = set()
        self._bodies: set[tuple[str, bytes]] = set()

    async def send(self, agent: LiveAgent, first: int, count: int) -> None:
        """Send so many messages, and wait until the agent has seen them all."""
        for number in range(first, first + count):
            made = self._forger.make(number, clock_us())
            self._write_down(made)
            await agent.publish(made.topic, made.payload)
            self.found.messages += 1
        await self._mark(agent)
        self.found.rss_kb.append(rss_kb(agent.child.pid))

    def _write_down(self, made: Made) -> None:
        for good in made.good:
            if not faults_of(good.kind, good.body, made, self.keys, self._began, self._threshold):
                self._bodies.add((good.kind, good.body))
                self._may |= ids_of(good.body)
        if made.topic.startswith("ask/"):
            self._asked |= ids_of(made.payload)

    async def _mark(self, agent: LiveAgent) -> None:
        """A good cue in the midst of all that: it is taken, and whatever was sent before it has been seen."""
        cue, now = str(uuid.uuid4()), clock_us()
        ahead = {"at": 3600, "issued": 0, "expires": 3700}
        times = {name: format_utc(UtcUs(now + seconds * S)) for name, seconds in ahead.items()}
        tree = {"v": 1, "cue": cue, "show": SHOW, "venues": ["*"], **times, "do": {"action": "stop"}}
        body = json.dumps(tree).encode()
        self._may.add(cue)
        self._bodies.add(("cue", body))
        await agent.publish(f"cue/{cue}", seal("cue", body, [private(1), private(2)]))
        await agent.ack(cue, "accepted", 120)

    def judge(self, agent: LiveAgent) -> None:
        """What the agent has told, written and kept, against what was signed."""
        found = self.found
        for ack in agent.told.get("ack", []):
            found.acks[ack["stage"]] += 1
            if ack["stage"] != "refused" and ack["cue"] not in self._may:
                found.faults.append(f"acknowledged, and never signed: {ack}")
        for answer in agent.told.get("answer", []):
            found.answers += 1
            if answer["ask"] not in self._asked:
                found.faults.append(f"answered, and never asked: {answer}")
        log = agent.child.log.read_text(errors="replace")
        found.faults += [line[:2000] for line in log.splitlines() if any(word in line for word in UNSPEAKABLE)]
        journal = Journal.open(agent.folder / "state")
        assert not isinstance(journal, Refusal), journal
        rows = [("cue", row.payload) for row in journal.cues()]
        rows += [("program", row.payload) for row in journal.programs()]
        rows += [(row.kind, row.payload) for row in journal.panics()]
        journal.close()
        found.kept = len(rows)
        found.faults += [f"kept, and never signed: {row}" for row in rows if row not in self._bodies]


async def flood(
    folder: Path, mosquittos: MosquittoFactory, processes: Processes, *, seed: int, count: int, threshold: int
) -> Flooded:
    """Send an agent so many messages of a seed; it is still there, and takes good ones, after each batch."""
    made = _Flood(seed, threshold)
    keys = write_keys(folder / "keys", made.keys)
    assert any(key.name == f"show-{EXPIRED}" for key in made.keys)
    async with live_agent(folder, mosquittos(*NOT_LOST), processes, keys, threshold) as agent:
        began = time.monotonic()
        for first in range(1, count + 1, BATCH):
            await made.send(agent, first, min(BATCH, count + 1 - first))
        made.found.seconds = time.monotonic() - began
        await asyncio.sleep(1)  # for the last answers
        if not agent.child.running:
            made.found.faults.append(agent.child.obituary())
        processes.end(agent.child)
    made.judge(agent)
    return made.found
