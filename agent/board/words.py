"""How the page says things: pure. Short words first, and a shape beside each, for eyes that see no colour."""

from typing import Literal, NamedTuple

from agent.board.snapshot import Card, Coming, Row, StartPoint, Told
from agent.units import US_PER_S, UtcUs, format_utc

Kind = Literal["good", "warn", "bad", "info", "dim"]


class Mark(NamedTuple):
    """A state: how it is coloured, its shape, its word."""

    kind: Kind
    shape: str
    word: str


def verdict(row: Row) -> Mark:
    """Go or no-go, or why nobody knows."""
    if row.panic:
        return Mark("bad", "■", "PANIC")
    if row.presence == "offline":
        return Mark("bad", "✕", "OFFLINE")
    if row.presence == "silent":
        return Mark("bad", "✕", "SILENT")
    if row.ready is None:
        return Mark("warn", "?", "UNKNOWN")
    return Mark("good", "●", "GO") if row.ready else Mark("warn", "▲", "NO-GO")


def good(row: Row) -> bool:
    """Whether nothing about a venue asks for an operator's eye."""
    return row.ready is True and not row.alarm and not row.panic


def ms(value: float | None, signed: bool = True) -> str:
    """Milliseconds with as many digits as they are worth: `+0.21 ms`, `−12 ms`."""
    if value is None:
        return "–"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    text = f"{abs(value):,.{digits}f}".replace(",", " ")
    return f"{('−' if value < 0 else '+') if signed else ''}{text} ms"


def bound(value: float | None) -> str:
    """A clock's bound: `±8.2 ms`; nobody's word is a dash."""
    return "nobody vouches" if value is None else f"±{ms(value, signed=False)}"


def start(found: StartPoint | None) -> str:
    """A start, with the clock's bound at it: `+0.21 ±8.2 ms`; `joined` where it began after its instant."""
    if found is None:
        return "–"
    if found.error_ms is None:
        return "not seen"
    joined = "joined " if found.joined else ""
    if found.bound_ms is None:
        return f"{joined}{ms(found.error_ms)}"
    return f"{joined}{ms(found.error_ms).removesuffix(' ms')} {bound(found.bound_ms)}"


def clock(card: Card) -> str:
    """State and bound of the clock, in ms and in frames."""
    if card.clock is None:
        return "–"
    frames = "" if card.clock.frames is None else f" · {card.clock.frames:.2f} f"
    return f"{card.clock.state} {bound(card.clock.bound_ms)}{frames}"


def shows(row: Row) -> str:
    """The program on the wall, with its revision and item."""
    if not row.program:
        return "–"
    item = "" if row.item is None else f" · film {row.item + 1}"
    return f"{row.program} r{row.rev}{item}"


def cache(card: Card) -> str:
    """How many films are there, what is missing, what is under way."""
    found = card.cache
    if found is None:
        return "–"
    films = f"{found.films} film{'' if found.films == 1 else 's'}"
    if found.fetching is not None:
        return f"{found.films} · {found.fetching.fraction:.0%} of {found.fetching.name}"
    if found.missing:
        return f"{films} · {found.missing} missing"
    return films


def machine(card: Card) -> str:
    """Decoder, display, temperature, disk, in a line."""
    parts = [f"decoder {card.decoder}"] if card.decoder else []
    parts += [card.display] if card.display else []
    if card.host is not None:
        if card.host.temp_c is not None:
            parts.append(f"{card.host.temp_c:.0f} °C")
        if card.host.disk_free_gb is not None:
            parts.append(f"{card.host.disk_free_gb:.0f} GB")
        if card.host.throttled:
            parts.append("▲ undervoltage or too hot")
    return " · ".join(parts)


def clock_time(utc: UtcUs) -> str:
    """`12:00:00`, of UTC."""
    return format_utc(utc)[11:19]


def span(us: int) -> str:
    """A length of time for people: `14 s`, `3 min`, `2.5 h`."""
    seconds = abs(us) / US_PER_S
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


_STAGES: dict[str, Mark] = {
    "": Mark("dim", "○", "no answer yet"),
    "accepted": Mark("info", "◐", "has it"),
    "armed": Mark("info", "◕", "armed"),
    "started": Mark("good", "●", "started"),
    "missed": Mark("bad", "✕", "MISSED"),
    "cancelled": Mark("dim", "–", "cancelled"),
    "superseded": Mark("dim", "–", "superseded"),
    "refused": Mark("bad", "✕", "REFUSED"),
}


def stage(told: Told) -> Mark:
    """How far a venue is with a cue."""
    if told.stage == "accepted" and told.ready is False:
        return Mark("warn", "▲", "NO-GO")
    if told.stage == "started" and told.joined:
        return Mark("warn", "◒", "joined late")
    return _STAGES.get(told.stage, Mark("dim", "?", told.stage))


def outcome(cue: Coming) -> str:
    """What became of a cue: `5/5 started, 0.84 ms apart`."""
    started = [told for told in cue.told if told.stage == "started"]
    errors = [told.error_ms for told in started if told.error_ms is not None and not told.joined]
    if started:
        apart = f", {ms(max(errors) - min(errors), signed=False)} apart" if len(errors) > 1 else ""
        return f"{len(started)}/{len(cue.told)} started{apart}"
    armed = sum(told.stage == "armed" for told in cue.told)
    return f"{armed}/{len(cue.told)} armed" if armed else f"{cue.ready}/{len(cue.told)} ready"


def missed(cue: Coming) -> list[str]:
    """The walls that miss a cue or refuse it, each with why, in words."""
    return [
        f"{told.venue} {'MISSED' if told.stage == 'missed' else 'REFUSED'} {cue.label or cue.what}"
        + (f": {told.detail or told.reason}" if told.detail or told.reason else "")
        for told in cue.told
        if told.stage in ("missed", "refused")
    ]
