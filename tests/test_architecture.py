"""Imports point from the shell to the core, never back, and the core touches nothing outside itself.

The layers stand as data below. A module is placed by its name, or by its package with `.*`; a name counts before a
package. A module that is placed nowhere fails the test: decide where it belongs first.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

CORE = {
    "agent",
    "agent.alarm",
    "agent.asks",
    "agent.asrun",
    "agent.cache.room",
    "agent.clock",
    "agent.clock.envelope",
    "agent.clock.estimate",
    "agent.clock.history",
    "agent.clock.keeper",
    "agent.clock.leap",
    "agent.clock.mapping",
    "agent.clock.orders",
    "agent.clock.pace",
    "agent.clock.report",
    "agent.clock.sample",
    "agent.clock.servers",
    "agent.clock.stamp",
    "agent.clock.trend",
    "agent.clock.vote",
    "agent.conductor",
    "agent.contents",
    "agent.effects",
    "agent.figures",
    "agent.glyphs",
    "agent.identify",
    "agent.intake",
    "agent.ledger",
    "agent.library",
    "agent.liveness",
    "agent.localblack",
    "agent.localwire",
    "agent.messages",
    "agent.outbox",
    "agent.pages",
    "agent.panic",
    "agent.planner",
    "agent.printable",
    "agent.player",
    "agent.player.camera_wire",
    "agent.player.fitting",
    "agent.player.layout",
    "agent.player.raster",
    "agent.player.slate",
    "agent.player.capacity",
    "agent.player.profile",
    "agent.player.refresh",
    "agent.player.servo",
    "agent.player.showing",
    "agent.player.trim",
    "agent.player.turns",
    "agent.player.watch",
    "agent.player.wire",
    "agent.player.wording",
    "agent.promises",
    "agent.quiet",
    "agent.received",
    "agent.reception",
    "agent.refusals",
    "agent.revocation",
    "agent.rivals",
    "agent.scene",
    "agent.schedule",
    "agent.shots",
    "agent.stages",
    "agent.status",
    "agent.tally",
    "agent.teller",
    "agent.timeline",
    "agent.answered",
    "agent.programs",
    "agent.told",
    "agent.trust",
    "agent.units",
    "agent.wall",
    "agent.wishes",
}
LAYERS = {
    "core": CORE,
    "config": {"agent.config"},
    "counter": {"agent.clock.kernel"},
    "machine": {"agent.host", "agent.loading", "agent.player.machine", "agent.player.randr"},
    "state": {"agent.book", "agent.journal"},
    "keys": {"agent.keyring"},
    "clock": {"agent.clock.*"},
    "cache": {"agent.cache.*"},
    "player child": {"agent.player.*"},
    "player parent": {
        "agent.player.away",
        "agent.player.benchmark",
        "agent.player.camera",
        "agent.player.floor",
        "agent.player.proxy",
    },
    "channel": {"agent.access", "agent.connection", "agent.journald", "agent.localsocket", "agent.log"},
    "daemon": {
        "agent.beside",
        "agent.commits",
        "agent.daemon",
        "agent.display",
        "agent.keywatch",
        "agent.local",
        "agent.localdesk",
        "agent.metrics",
        "agent.mqtt",
        "agent.present",
        "agent.scribe",
        "agent.selftest",
        "agent.systemd",
        "agent.ticker",
        "agent.voice",
    },
    # What an operator's tools conclude from what they have heard: pure, as the core is.
    "operator core": {
        "agent.control.addresses",
        "agent.control.alarm_causes",
        "agent.control.alarm_cues",
        "agent.control.alarm_facts",
        "agent.control.alarm_rules",
        "agent.control.alarm_walls",
        "agent.control.alarm_words",
        "agent.control.alarms",
        "agent.control.awaited",
        "agent.control.claims",
        "agent.control.desk",
        "agent.control.once",
        "agent.control.presences",
        "agent.control.proof",
        "agent.control.proof_document",
        "agent.control.proof_files",
        "agent.control.proof_plots",
        "agent.control.proof_record",
        "agent.control.proof_fixed",
        "agent.control.proof_words",
        "agent.control.replies",
        "agent.control.showfile",
        "agent.control.draft",
        "agent.control.houseclock",
        "agent.control.kept",
        "agent.control.landing",
        "agent.control.moves",
        "agent.control.notice",
        "agent.control.spans",
        "agent.control.times",
        "agent.control.verdict",
        "agent.control.view",
    },
    "control": {"agent.control.*"},
    # What the board is made of that needs no broker, no page and no clock.
    "board core": {
        "agent.board",
        "agent.board.desks",
        "agent.board.engine",
        "agent.board.history",
        "agent.board.palette",
        "agent.board.plots",
        "agent.board.room",
        "agent.board.snapshot",
        "agent.board.tokens",
        "agent.board.venues",
        "agent.board.words",
    },
    "board": {"agent.board.*"},
    "technician": {"agent.technician.*"},
    "judgement": {
        "agent.lab.analysis",
        "agent.lab.barcode",
        "agent.lab.programme",
        "agent.lab.signatures",
        "agent.lab.skew",
    },
    "lab": {"agent.lab.*"},
    "entry": {"agent.cli"},
}
MAY_IMPORT = {
    "core": {"core"},
    "config": {"core"},
    "counter": {"core"},
    # What can be read of the machine: of its load, its graphics, its display.
    "machine": {"core", "machine"},
    "state": {"core", "state"},
    "keys": {"core"},
    "clock": {"core", "config", "counter", "clock"},
    "cache": {"core", "config", "cache"},
    # A process of its own: a stalled daemon must not be able to delay a start, so it shares no machinery with it.
    "player child": {"core", "counter", "machine", "player child"},
    "player parent": {"core", "player parent"},
    "channel": {"core", "channel"},
    "daemon": {
        "core",
        "config",
        "counter",
        "clock",
        "cache",
        "state",
        "keys",
        "machine",
        "player parent",
        "channel",
        "daemon",
    },
    "operator core": {"core", "operator core"},
    # An operator's laptop has no player, no cache and no clock of ours.
    "control": {"core", "channel", "keys", "operator core", "control"},
    "board core": {"core", "operator core", "board core"},
    # The only part that knows of a web page, and of the library that draws it.
    "board": {"core", "channel", "keys", "operator core", "control", "board core", "board"},
    # The technician's commands run on the player, beside the agent and not in it: they read what it has written down.
    "technician": {
        "core",
        "config",
        "counter",
        "clock",
        "state",
        "keys",
        "machine",
        "channel",
        "technician",
        "agent.cache.disk",
        "agent.cache.probe",
        "agent.cache.seal",
        "agent.cache.shelf",
        "agent.cache.store",
        "agent.player.benchmark",
        "agent.player.stage",
    },
    # What judges the agent by the pixels shares no code with it, but for the units.
    "judgement": {"agent", "agent.units", "agent.lab", "agent.lab.readings", "judgement"},
    # The lab asks each agent's clock over NTP, as anybody could; its liar answers with the agent's own code.
    "lab": {
        "core",
        "config",
        "counter",
        "channel",
        "operator core",
        "control",
        "judgement",
        "lab",
        "agent.clock.ntp",
        "agent.clock.serve",
    },
    "entry": set(LAYERS),
}
PLANNED: set[str] = set()
"""Named by the design's map, and not built yet."""

PURE_LAYERS = {"core", "operator core", "board core", "judgement"}
PURE_LIBRARIES = {
    "array",
    "base64",
    "binascii",
    "bisect",
    "collections",
    "csv",
    "cryptography",
    "dataclasses",
    "datetime",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "itertools",
    "json",
    "math",
    "numpy",
    "operator",
    "pydantic",
    "re",
    "statistics",
    "tomllib",
    "types",
    "typing",
    "unicodedata",
    "zlib",
    "zoneinfo",
}
"""All that a pure module may import from outside: nothing that does IO, reads a clock, draws numbers, logs or waits."""

IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "__import__", "exec", "eval", "fromfile", "load"}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "agent").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def layer_of(module: str) -> str | None:
    """The layer in which a module is placed by its name, else by its package."""
    for name in (module, f"{module.rpartition('.')[0]}.*", f"{module}.*"):
        for layer, members in LAYERS.items():
            if name in members:
                return layer
    return None


@dataclass(frozen=True)
class Source:
    """A module's imports of ours and of others, and the names that it calls."""

    ours: set[str]
    others: set[str]
    calls: set[str]


def read(text: str, known: set[str]) -> Source:
    ours: set[str] = set()
    others: set[str] = set()
    calls: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where an arrow points"
            base = node.module or ""
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names]
        elif isinstance(node, ast.Call):
            function = node.func
            calls.add(function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""))
        ours.update(name for name in names if name.split(".")[0] == "agent")
        others.update(name.split(".")[0] for name in names if name.split(".")[0] != "agent")
    return Source(ours, others, calls)


def faults(module: str, text: str, known: set[str]) -> list[str]:
    """What a module with this text does that its layer may not."""
    layer = layer_of(module)
    if layer is None:
        return [f"{module} is placed in no layer"]
    source = read(text, known)
    allowed = MAY_IMPORT[layer]
    found = [
        f"{module} ({layer}) imports {name} ({layer_of(name)})"
        for name in sorted(source.ours)
        if layer_of(name) not in allowed and name not in allowed
    ]
    # Commands are the outermost skin: only the entry point knows them.
    found += [
        f"{module} imports {name}, a command line"
        for name in sorted(source.ours)
        if name.rpartition(".")[2].endswith("cli")
        and not (module == "agent.cli" or module.rpartition(".")[2].endswith("cli"))
    ]
    if layer in PURE_LAYERS:
        found += [f"{module} ({layer}) imports {name}" for name in sorted(source.others - PURE_LIBRARIES)]
        found += [f"{module} ({layer}) calls {name}()" for name in sorted(source.calls & IMPURE_CALLS)]
    return found


KNOWN = set(modules())


@pytest.mark.parametrize("module", sorted(KNOWN))
def test_a_module_keeps_to_its_layer(module: str) -> None:
    assert faults(module, modules()[module].read_text(encoding="utf-8"), KNOWN) == []


def test_the_table_names_only_what_exists_or_is_planned() -> None:
    named = {name for members in LAYERS.values() for name in members if not name.endswith(".*")}
    assert named - KNOWN <= PLANNED
    packages = {name.removesuffix(".*") for members in LAYERS.values() for name in members if name.endswith(".*")}
    assert packages <= KNOWN


def test_no_arrow_leads_back() -> None:
    """Layers that import each other would be one layer."""
    for layer, others in MAY_IMPORT.items():
        for other in others & set(LAYERS) - {layer}:
            assert layer not in MAY_IMPORT[other], f"{layer} ↔ {other}"
    assert not any(
        "lab" in MAY_IMPORT[layer] or "control" in MAY_IMPORT[layer] for layer in ("daemon", "cache", "clock")
    )


@pytest.mark.parametrize(
    ("module", "text", "named"),
    [
        ("agent.schedule", "import time", "imports time"),
        ("agent.schedule", "import os.path", "imports os"),
        ("agent.schedule", "from random import Random", "imports random"),
        ("agent.timeline", "def f():\n    import asyncio", "imports asyncio"),
        ("agent.conductor", "import structlog", "imports structlog"),
        ("agent.conductor", "from pathlib import Path", "imports pathlib"),
        ("agent.units", "from datetime import datetime\nx = datetime.now()", "calls now()"),
        ("agent.ledger", "open('/etc/passwd')", "calls open()"),
        ("agent.schedule", "from agent import journal", "imports agent.journal"),
        ("agent.schedule", "import agent.config", "imports agent.config"),
        ("agent.clock.estimate", "from agent.clock.kernel import raw_now_ns", "imports agent.clock.kernel"),
        ("agent.player.watch", "from agent.player import deck", "imports agent.player.deck"),
        ("agent.player.process", "from agent.daemon import Daemon", "imports agent.daemon"),
        ("agent.player.deck", "from agent.mqtt import Sessions", "imports agent.mqtt"),
        ("agent.daemon", "from agent.lab import run", "imports agent.lab.run"),
        ("agent.daemon", "from agent.control.link import Link", "imports agent.control.link"),
        ("agent.control.link", "from agent.player.proxy import PlayerProxy", "imports agent.player.proxy"),
        ("agent.control.link", "from agent.daemon import Daemon", "imports agent.daemon"),
        ("agent.lab.analysis", "from agent.timeline import Timeline", "imports agent.timeline"),
        ("agent.lab.analysis", "import time", "imports time"),
        ("agent.lab.world", "from agent.cli import main", "a command line"),
        ("agent.nowhere", "", "placed in no layer"),
    ],
)
def test_this_test_can_fail(module: str, text: str, named: str) -> None:
    found = faults(module, text, KNOWN | {"agent.journal", "agent.lab.run"})
    assert any(named in fault for fault in found), found


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("agent.schedule", "from collections.abc import Iterable\nfrom agent.messages import Cue"),
        ("agent.daemon", "import asyncio, time\nfrom agent.journal import Journal\nfrom agent import schedule"),
        ("agent.lab.world", "from agent.control.link import Link"),
        ("agent.player.process", "import socket\nfrom agent.clock.kernel import raw_now_ns"),
    ],
)
def test_what_is_allowed_passes(module: str, text: str) -> None:
    assert faults(module, text, KNOWN) == []
