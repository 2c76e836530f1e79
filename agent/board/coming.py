"""What comes next, large; what runs; and what came of the last GO, wall by wall."""

from agent.board import words
from agent.board.parts import Bit, Countdown
from agent.board.snapshot import Board, Coming
from agent.units import US_PER_S, UtcUs

NOT_YET = object()
MOST_ZONES = 8
ANSWERED_US = 3 * US_PER_S
"""So long after its instant a cue's walls have told that they started; who has not is no longer just awaited."""

MOST_WALLS = 40


class NextCue:
    """The next cue with its countdown, in UTC and in the time of every venue."""

    def __init__(self) -> None:
        self._drawn: object = NOT_YET
        self._cities: tuple[tuple[str, str], ...] = ()
        self._places: list[Bit] = []
        self._panel = Bit("fz-panel fz-next", tag="section", aria_label="next cue")
        with self._panel:
            with Bit("fz-panel-head"):
                self._head = Bit("fz-label", "NEXT", "h2")
                self._ready = Bit("fz-pill", tag="span")
            self.countdown = Countdown("fz-big", idle="––:––:––")
            self._what = Bit("fz-what")
            self._at = Bit("fz-at")
            self._times = Bit("fz-times")
            self._wrong = Bit("fz-wrong", role="status")
            self._running = Bit("fz-running")

    def draw(self, board: Board) -> None:
        """Show the first cue that is to come, and the last one that has."""
        ahead = [cue for cue in board.coming if cue.at_us > board.now_us]
        begun = [cue for cue in board.coming if cue.at_us <= board.now_us]
        cue = ahead[0] if ahead else None
        key = (cue, begun[-1] if begun else None, len(ahead))
        if key == self._drawn:
            return
        self._drawn = key
        self._running.say(_running(begun) if ahead else "")
        shown = ahead[0] if ahead else begun[-1] if begun else None
        self.countdown.to(shown.at_us if shown else None)
        self._panel.kind("" if ahead else "running" if begun else "idle")
        self._head.say(f"NEXT of {len(ahead)}" if len(ahead) > 1 else "RUNNING" if begun and not ahead else "NEXT")
        self._ready.shown(cue is not None)
        self._times.shown(cue is not None)
        self._at.shown(shown is not None)
        self._what.say((shown.label or shown.what) if shown else "nothing is to come, and nothing runs")
        if shown is not None:
            self._at.say(_when(shown))
        if cue is None:
            self._wrong.say("")
            return
        all_ready = cue.ready == len(cue.told)
        self._ready.say(f"{'●' if all_ready else '▲'} {cue.ready}/{len(cue.told)} ready")
        self._ready.kind("good" if all_ready else "warn")
        self._draw_times(board, cue.at_us)
        wrong = [told for told in cue.told if told.ready is False or told.stage in ("refused", "missed")]
        named = [f"{told.venue}: {words.stage(told).word} {told.reason}".strip() for told in wrong[:4]]
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        self._wrong.say("▲ " + " · ".join(named) + more if named else "")

    def _draw_times(self, board: Board, at_us: UtcUs) -> None:
        zones = list(dict.fromkeys(row.zone for row in board.rows if row.zone))[:MOST_ZONES]
        cities = tuple((zone, zone.rpartition("/")[2].replace("_", " ")) for zone in zones)
        if cities != self._cities:
            self._cities = cities
            self._times.clear()
            with self._times:
                self._places = []
                for zone, city in cities:
                    with Bit("fz-city", f"{city} ", "span"):
                        self._places.append(Bit("", "", "b", data_zone=zone))
        for place in self._places:
            place.attribute("data-at", str(at_us))


def _when(cue: Coming) -> str:
    by = f" · {cue.by}" if cue.by else ""
    return f"{words.clock_time(cue.at_us)} UTC · {cue.what}{by}"


def _running(begun: list[Coming]) -> str:
    if not begun:
        return ""
    cue = begun[-1]
    return f"since {words.clock_time(cue.at_us)}: {cue.label or cue.what}"


class LastGo:
    """What came of the last GO: each wall with its error; one that misses is named in large words."""

    def __init__(self) -> None:
        self._drawn: object = NOT_YET
        self._shown: tuple[str, ...] = ()
        self._walls: list[_Wall] = []
        with Bit("fz-panel fz-last", tag="section", aria_label="the last GO"):
            with Bit("fz-panel-head"):
                Bit("fz-label", "LAST GO", "h2")
                self._outcome = Bit("fz-pill", tag="span", role="status", aria_live="polite")
            self._what = Bit("fz-last-what")
            self._missed = Bit("fz-missed", role="alert")
            self._list = Bit("fz-walls", tag="ul")

    def draw(self, board: Board) -> None:
        """Show the newest cue that somebody sent: what runs, or what is armed."""
        cue = _last(board)
        overdue = cue is not None and board.now_us - cue.at_us > ANSWERED_US
        if (cue, overdue) == self._drawn:
            return
        self._drawn = (cue, overdue)
        self._outcome.shown(cue is not None)
        if cue is None:
            self._what.say("nothing has been sent")
            self._missed.shown(False)
            self._list.clear()
            self._shown, self._walls = (), []
            return
        by = f" · {cue.by}" if cue.by else ""
        self._what.say(f"{cue.label or cue.what} · due {words.clock_time(cue.at_us)} UTC{by}")
        self._outcome.say(words.outcome(cue))
        started = sum(told.stage == "started" for told in cue.told)
        missed = words.missed(cue)
        waiting = "warn" if overdue else "info"
        self._outcome.kind("bad" if missed else "good" if started == len(cue.told) else waiting)
        self._missed.shown(bool(missed))
        self._missed.say("✕ " + " — ".join(missed[:3]) + (f" — and {len(missed) - 3} more" if len(missed) > 3 else ""))
        self._draw_walls(cue)

    def _draw_walls(self, cue: Coming) -> None:
        told = cue.told[:MOST_WALLS]
        names = tuple(one.venue for one in told)
        if names != self._shown:
            self._shown = names
            self._list.clear()
            with self._list:
                self._walls = [_Wall(name) for name in names]
        for wall, one in zip(self._walls, told, strict=True):
            mark = words.stage(one)
            wall.mark.say(f"{mark.shape} {mark.word}")
            wall.mark.kind(mark.kind)
            wall.error.say(words.ms(one.error_ms) if one.stage == "started" else one.reason)


class _Wall:
    def __init__(self, venue: str) -> None:
        with Bit("fz-wall", tag="li"):
            Bit("fz-wall-name", venue, "span")
            self.mark = Bit("fz-wall-mark", tag="span")
            self.error = Bit("fz-wall-error", tag="span")


def _last(board: Board) -> Coming | None:
    sent = {line.cue: line.gone_us or 0 for line in board.deck.lines if line.cue}
    from_list = [cue for cue in board.coming if cue.cue in sent]
    if from_list:
        return max(from_list, key=lambda cue: sent[cue.cue])
    begun = [cue for cue in board.coming if cue.at_us <= board.now_us]
    return begun[-1] if begun else None
