"""A proof on a terminal: the walls, the starts with each wall's error, and what is missing."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent.control.options import shown
from agent.control.proof import Proof, Start, Wall
from agent.control.proof_words import amiss, film_of, instant, ms, percent, verdict
from agent.control.tables import few, fitting

MOST_STARTS = 40
_WALLS = (
    (
        "wall",
        "starts",
        "late",
        "missed",
        "minutes",
        "frames",
        "dropped",
        "late frames",
        "median",
        "99 %",
        "worst",
        "clock",
        "within",
    ),
    ("wall", "starts", "late", "missed", "minutes", "frames", "dropped", "median", "99 %", "clock", "within"),
    ("wall", "starts", "late", "missed", "minutes", "median", "99 %", "clock", "within"),
    ("wall", "starts", "late", "missed", "median", "99 %", "clock"),
    ("wall", "starts", "median", "99 %", "clock"),
    ("wall", "starts", "99 %"),
)


def page(proof: Proof, width: int) -> Group:
    """The walls, the starts, what is missing, and what it comes to."""
    parts: list[Text | Table] = [
        Text(f"{instant(proof.since)} – {instant(proof.until)} UTC", "dim"),
        fitting(
            [_wall(wall, proof) for wall in proof.walls], _WALLS, {"within": f"≤ {proof.within_us / 1000:g} ms"}, width
        ),
    ]
    if proof.starts:
        odd = [start for start in proof.starts if start.missing]
        drawn = proof.starts if len(proof.starts) <= MOST_STARTS else [*odd[:MOST_STARTS], *_last(proof, odd)]
        parts += [Text(""), _starts(proof, drawn, width)]
        if len(drawn) < len(proof.starts):
            parts.append(Text(f"and {len(proof.starts) - len(drawn)} more starts; --csv has all", "dim"))
    parts += [Text.from_markup(f"[red]·[/] {shown(sentence)}", emoji=False) for sentence in amiss(proof)]
    return Group(*parts, sum_up(proof))


def sum_up(proof: Proof) -> Text:
    """The whole in a sentence."""
    good = proof.clean and proof.complete and bool(proof.records)
    return Text.assemble(
        ("complete: " if proof.complete and proof.records else "INCOMPLETE: ", "green" if good else "bold red"),
        " ".join(verdict(proof)),
    )


def _last(proof: Proof, odd: list[Start]) -> list[Start]:
    room = max(0, MOST_STARTS - len(odd))
    return [start for start in proof.starts if not start.missing][-room:] if room else []


def _wall(wall: Wall, proof: Proof) -> dict[str, str]:
    def red(count: int) -> str:
        return f"[red]{count}[/]" if count else "0"

    return {
        "wall": f"[bold]{shown(wall.source.venue)}[/]" + (" [red]incomplete[/]" if wall.source.fault else ""),
        "starts": str(wall.starts),
        "late": red(wall.joined),
        "missed": red(wall.missed),
        "minutes": str(wall.minutes),
        "frames": str(wall.frames),
        "dropped": red(wall.dropped),
        "late frames": str(wall.late),
        "median": f"{ms(wall.median_us, sign=True)} ms",
        "99 %": f"{ms(wall.p99_us)} ms",
        "worst": f"{ms(wall.max_us, 1)} ms",
        "clock": "[red]unvouched[/]" if wall.unvouched else f"±{ms(wall.bound_us, 1)} ms",
        "within": percent(wall.within / wall.minutes) if wall.minutes else "–",
    }


def _starts(proof: Proof, starts: list[Start], width: int) -> Table:
    venues = [wall.source.venue for wall in proof.walls]
    rows = []
    for start in sorted(starts, key=lambda start: (start.due, start.cue)):
        row = {
            "due (UTC)": instant(start.due, fine=True),
            "what": shown(film_of(start, proof))[:40],
            "walls": f"{len(start.seen)}/{len(start.seen) + len(start.missing)}",
            "apart": f"{ms(start.skew_us)} ms" if start.skew_us is not None else "–",
            "at most": f"{ms(start.at_most_us, 1)} ms" if start.at_most_us is not None else "–",
            "missing": f"[red]{shown(few(start.missing))}[/]" if start.missing else "",
        }
        for venue in venues:
            seen = start.seen.get(venue)
            row[f"@{venue}"] = (
                "[red]none[/]" if venue in start.missing else ms(seen.median_us, sign=True) if seen else "·"
            )
        rows.append(row)
    each = tuple(f"@{venue}" for venue in venues)
    layouts = (
        ("due (UTC)", "what", *each, "apart", "at most"),
        ("due (UTC)", *each, "apart", "at most"),
        ("due (UTC)", "what", "walls", "apart", "at most", "missing"),
        ("due (UTC)", "what", "walls", "apart", "at most"),
        ("due (UTC)", "walls", "apart"),
    )
    return fitting(rows, layouts, {f"@{venue}": shown(venue) for venue in venues}, width)
