"""The page of `framezero local status`, for a terminal of 80 columns at two in the morning. Pure but for Rich."""

from collections.abc import Iterator

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent.localwire import Reply
from agent.messages import Refusal
from agent.printable import printable
from agent.technician.local_words import both_times
from agent.technician.words import count, ms
from agent.told import Status
from agent.units import US_PER_S

_COLOURS = {"playing": "bold green", "armed": "bold green", "slate": "bold", "held": "bold yellow", "black": "bold"}
_MOST_FINDINGS = 8
_TEXT_CHARS = 600

Line = tuple[str, Text]


def page(reply: Reply) -> Group:
    """Everything about one wall: what it shows, what is next, its parts, and what is amiss with its remedy."""
    status = reply.status
    assert status is not None, "asked for with the order"
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, text in _lines(reply, status):
        grid.add_row(name, text)
    return Group(_title(reply, status), Text(""), grid, *_amiss(status))


def _title(reply: Reply, status: Status) -> Text:
    verdict = Text("READY", "bold green") if status.ready else Text("NOT READY", "bold red")
    return Text.assemble(
        (printable(reply.venue), "bold"), "   ", verdict, f"   {both_times(reply.time, reply.timezone)}"
    )


def _lines(reply: Reply, status: Status) -> Iterator[Line]:
    yield "wall", _wall(reply, status)
    yield "next", _next(reply, status)
    yield "clock", _clock(status)
    yield "display", _plain(status.display or "none", status.display is not None)
    if status.decoder:
        yield "decoder", Text(printable(status.decoder))
    for url, connected in status.brokers.items():
        fault = printable(status.broker_faults.get(url, ""))
        said = "connected" if connected and not fault else fault or "not connected"
        yield "broker", Text.assemble(f"{printable(url)}  ", _plain(said, connected and not fault))
    yield "films", _films(status)
    yield "machine", _machine(status)
    if status.self_test is not None:
        test = status.self_test
        when = both_times(test.time, reply.timezone)
        told = f"{test.good} good, {count(test.warnings, 'warning')}, {count(test.faults, 'fault')}; {when}"
        yield "self-test", _plain(told, not test.faults)


def _plain(text: str, good: bool) -> Text:
    return Text(text, "" if good else "red")


def _wall(reply: Reply, status: Status) -> Text:
    told = Text(status.state.upper(), _COLOURS.get(status.state, "bold red"))
    if status.local_black is not None:
        told.append(f"  by {printable(status.local_black.by)}, here at the wall")
    if status.panic is not None:
        told.append(f"  {printable(status.panic)}")
    if reply.film is not None:
        told.append(f"  {printable(reply.film)}")
    if status.program is not None:
        told.append(f"  ({status.program} rev {status.rev})")
    if status.frame is not None:
        told.append(f"  frame {status.frame}")
    if status.position_us is not None:
        told.append(f" at {_clockface(status.position_us)}")
    if status.error_us is not None:
        told.append(
            f"\n{ms(status.error_us.median)} ms off its instants in the median, p99 {ms(status.error_us.p99)} ms"
        )
    return told


def _next(reply: Reply, status: Status) -> Text:
    if status.next is None:
        return Text("nothing is cued here")
    what = status.next.action + (f" {reply.next_program}" if reply.next_program else "")
    if reply.time is not None:
        what += f" in {_countdown(status.next.at - reply.time)}"
    more = f", and {status.pending - 1} more" if status.pending > 1 else ""
    return Text(f"{printable(what)}{more}\n{both_times(status.next.at, reply.timezone)}")


def _clock(status: Status) -> Text:
    clock = status.clock
    good = clock.state in ("SYNC", "HOLDOVER")
    bound = f", at most {ms(clock.bound_us)} ms wrong" if clock.bound_us is not None else ", nobody vouches for it"
    return _plain(f"{clock.state}{bound}; {clock.agreeing} of {clock.sources} time servers agree", good)


def _films(status: Status) -> Text:
    cache = status.cache
    told = _plain(f"{count(cache.films, 'film')} here, {count(cache.missing, 'film')} missing", not cache.missing)
    if cache.fetching is not None:
        done = cache.fetching.done * 100 // max(1, cache.fetching.size)
        told.append(f"; fetching {printable(cache.fetching.name)}, {done} %")
    return told


def _machine(status: Status) -> Text:
    host = status.host
    facts = [f"load {host.cpu * 100:.0f} %", f"{host.mem_mb} MB taken"]
    if host.disk_free_gb is not None:
        facts.append(f"{host.disk_free_gb:.1f} GB of disk free")
    if host.temp_c is not None:
        facts.append(f"{host.temp_c:.0f} °C")
    if host.throttled:
        facts.append("HELD BACK: too little voltage, or too hot")
    return _plain(", ".join(facts), not host.throttled)


def _amiss(status: Status) -> Iterator[Text | Padding]:
    """Each fault with its remedy, then each warning: the agent's sentences end with what to do."""
    yield from _listed("what keeps it from being ready", status.reasons, "bold red", "✗")
    yield from _listed("what is amiss besides", status.warnings, "yellow", "!")
    found = status.self_test.findings[:_MOST_FINDINGS] if status.self_test is not None else []
    if found:
        yield Text("\nwhat the self-test found", "yellow")
    for finding in found:
        told = Text(f"{'✗' if finding.verdict == 'fault' else '!'} {printable(finding.what, _TEXT_CHARS)}")
        if finding.mend:
            told.append(f"\n→ {printable(finding.mend, _TEXT_CHARS)}", "cyan")
        yield Padding(told, (0, 0, 0, 2))


def _listed(title: str, refusals: list[Refusal], style: str, sign: str) -> Iterator[Text | Padding]:
    if refusals:
        yield Text(f"\n{title}", style)
    for refusal in refusals:
        detail = printable(refusal.detail, _TEXT_CHARS)
        yield Padding(Text(f"{sign} {printable(refusal.code, 40)}: {detail}"), (0, 0, 0, 2))


def _countdown(us: int) -> str:
    """How long until then: the two largest units."""
    seconds = max(0, us) // US_PER_S
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def _clockface(us: int) -> str:
    seconds, rest = divmod(max(0, us), US_PER_S)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest // 100_000}"
