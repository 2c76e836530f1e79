"""Figures for a monitoring system: served to Prometheus over HTTP, or written for node_exporter's textfile collector.

Neither can hold up the show. A scrape gets a text that is made at most once for each status; whoever reads slowly, or
connects too often, is cut off. What goes wrong here is a warning in the status, and nothing else.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from agent.config import Metrics as Settings
from agent.config import host_and_port
from agent.figures import Family, Figure
from agent.messages import Refusal

PREFIX = "framezero_"
PATH = "/metrics"
WRITE_S = 15.0
AGAIN_S = 30.0
CLIENT_S = 5.0
"""A client has so long to ask, and as long again to take the answer."""
CLIENTS = 8
_HEAD_BYTES = 8192

log = structlog.get_logger()

Source = Callable[[], Iterable[Family]]


class _Collected(Collector):
    def __init__(self, venue: str, source: Source) -> None:
        self._venue = venue
        self._source = source

    def collect(self) -> Iterator[Metric]:
        for family in self._source():
            yield _metric(family, self._venue)


def _metric(family: Family, venue: str) -> Metric:
    name = PREFIX + family.name
    if not isinstance(family, Figure):
        found = HistogramMetricFamily(name, family.help, labels=["venue"])
        found.add_metric([venue], buckets=[(limit, count) for limit, count in family.buckets], sum_value=family.total)
        return found
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    figure = kind(name, family.help, labels=["venue", *family.labels])
    for labels, value in family.values:
        figure.add_metric([venue, *labels], value)
    return figure


class Metrics:
    """Serves and writes what `source` tells, while `run` runs; `faults` is what goes wrong with that."""

    def __init__(self, settings: Settings, venue: str, source: Source) -> None:
        self._settings = settings
        # A registry of our own: the library's global one has figures of the interpreter that say nothing of a wall.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collected(venue, source))
        self._text: bytes | None = None
        self._clients: set[asyncio.WriteTransport] = set()
        self._ended = False
        self._faults: dict[str, Refusal] = {}

    @property
    def faults(self) -> list[Refusal]:
        """What is amiss, with the remedy; no reason not to go."""
        return list(self._faults.values())

    def refresh(self) -> None:
        """There is a new status: the next scrape gets a new text."""
        self._text = None

    def text(self) -> bytes:
        """All figures in Prometheus' text format, version 0.0.4."""
        if self._text is None:
            self._text = generate_latest(self._registry)
        return self._text

    async def run(self) -> None:
        """Serve and write until cancelled; nothing to do is fine, too."""
        async with asyncio.TaskGroup() as tasks:
            if self._settings.listen:
                tasks.create_task(self._serve(self._settings.listen), name="metrics")
            if self._settings.textfile is not None:
                tasks.create_task(self._keep_writing(self._settings.textfile), name="metrics file")

    async def _serve(self, listen: str) -> None:
        host, port = host_and_port(listen)
        while True:
            try:
                server = await asyncio.start_server(self._client, host, port, limit=_HEAD_BYTES, backlog=CLIENTS)
            except OSError as error:
                why = error.strerror or error
                self._tell(
                    "listen", f"metrics.listen {listen} cannot be used ({why}); name a free address of this host"
                )
                await asyncio.sleep(AGAIN_S)
                continue
            self._tell("listen", "")
            try:
                await asyncio.get_running_loop().create_future()  # it serves by itself
            finally:
                # Newer Pythons' own end waits for the clients, and the wall for the agent that comes next.
                server.close()
                for transport in self._clients:
                    transport.abort()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS:
            writer.transport.abort()
            return
        self._clients.add(writer.transport)
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(CLIENT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                async with asyncio.timeout(CLIENT_S):
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            self._clients.discard(writer.transport)
            writer.transport.abort()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        target = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            status, kind, body = "405 Method Not Allowed", "text/plain", b"only GET and HEAD\n"
        elif target != PATH.encode():
            status, kind, body = "404 Not Found", "text/plain", f"the figures are at {PATH}\n".encode()
        else:
            status, kind, body = "200 OK", CONTENT_TYPE_PLAIN_0_0_4, self.text()
        said = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return said.encode() + (b"" if method == b"HEAD" else body)

    async def _keep_writing(self, path: Path) -> None:
        try:
            while True:
                # In a thread: a disk that hangs holds up nobody but this task.
                fault = await asyncio.to_thread(self._write, path, self.text())
                self._tell("textfile", fault)
                await asyncio.sleep(WRITE_S)
        finally:
            # node_exporter would tell the last figures for ever.
            self._ended = True
            _remove(path)

    def _write(self, path: Path, text: bytes) -> str:
        """Put the file into place whole; returns what is wrong, with the remedy. Called in a thread."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(text)
            temporary.chmod(0o644)
            temporary.replace(path)
        except OSError as error:
            _remove(temporary)
            why = error.strerror or error
            return f"metrics.textfile {path} cannot be written ({why}); let the agent's user write in its folder"
        if self._ended:
            _remove(path)
        return ""

    def _tell(self, key: str, fault: str) -> None:
        had = self._faults.pop(key, None)
        if fault:
            self._faults[key] = Refusal(code="metrics", detail=fault)
            if had is None or had.detail != fault:
                log.warning("metrics", detail=fault)
        elif had is not None:
            log.info("metrics work again", setting=key)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
