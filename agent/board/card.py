"""The card of a venue: what its wall does, whether it is ready and, if not, why and what to do."""

from collections.abc import Callable

from agent.board import plots, words
from agent.board.parts import Bit, Plot, Press
from agent.board.snapshot import Card, Picture
from agent.units import UtcUs

MOST_REASONS = 4
HIDDEN = "a panic hides the wall; once it is lifted, it joins what is cued"
_STATES = {"playing": "good", "armed": "info", "held": "info", "fault": "bad", "panic": "bad"}


class VenueCard:
    """A venue's card: `place` is what people call it, `ask` is called for a new picture (None: the page only looks)."""

    def __init__(self, venue: str, ask: Callable[[str], object] | None, place: str = "") -> None:
        self._venue = venue
        self._drawn: Card | None = None
        self.element = Bit("fz-card", tag="article", aria_label=venue, data_filter=f"{venue} {place}".lower())
        with self.element:
            with Bit("fz-card-head"):
                self._verdict = Bit("fz-pill", tag="span")
                self._time = Bit("fz-card-time", tag="span", title="local time at the wall")
                Bit("fz-card-name", venue, "h3", title=venue)
                if place.casefold() not in ("", venue.casefold()):
                    Bit("fz-card-place", place, title=place)
            with Bit("fz-picture"):
                self._image = Bit(tag="img", alt=f"the wall of {venue}", decoding="async")
                self._blank = Bit("fz-picture-blank")
                self._state = Bit("fz-state", tag="span")
                self._age = Bit("fz-age", tag="span")
                if ask is not None:
                    again = Press("fz-again", "↻", lambda _: ask(venue))
                    again.attribute("aria-label", f"a new picture of {venue}")
                    again.attribute("title", "a new picture")
            self._alarms = Bit("fz-card-alarms")
            self._reasons = [Bit("fz-reason") for _ in range(MOST_REASONS)]
            with Bit("fz-facts", tag="dl"):
                self._shows = _fact("shows")
                self._frame = _fact("frame")
                self._clock = _fact("clock")
                self._start = _fact("last start")
                self._cache = _fact("films")
            with Bit("fz-spark"):
                plot = Plot("", f"sync error of {venue} over ten minutes")
                self._band = plot.path("fz-band")
                plot.path("fz-zero", f"M0 {plots.HEIGHT / 2}H{plots.WIDTH}")
                self._spread = plot.path("fz-spread")
                self._median = plot.path("fz-median")
                self._limit = Bit("fz-limit", tag="span")
                self._now = Bit("fz-now", tag="span")
                Bit("fz-span", "10 min", "span")
            with Bit("fz-bar"):
                self._bar = Bit("fz-bar-fill")
            self._machine = Bit("fz-machine")

    def draw(self, card: Card, now: UtcUs) -> None:
        """Show this; what is the same as before costs nothing."""
        if card is self._drawn:
            return
        self._drawn = card
        row = card.row
        mark = words.verdict(row)
        self.element.kind(f"{mark.kind} {'away' if row.presence != 'online' else ''}".strip())
        self._verdict.say(f"{mark.shape} {mark.word}")
        self._verdict.kind(mark.kind)
        self._time.attribute("data-zone", row.zone or None)
        online = row.presence == "online"
        self._state.say((row.state or "unknown").upper() if online else "LAST SEEN")
        self._state.kind(_STATES.get(row.state, "dim") if online else "dim")
        self._draw_picture(card.picture, online)
        self._alarms.say("▲ " + " · ".join(dict.fromkeys(alarm.code for alarm in card.alarms)))
        self._alarms.kind("bad" if row.alarm == "critical" else "warn")
        self._alarms.shown(bool(card.alarms) and online)
        self._draw_reasons(card)
        self._shows.say(words.shows(row))
        self._frame.say("–" if row.frame is None else f"{row.frame:05d}")
        self._clock.say(words.clock(card))
        self._clock.kind("" if row.clock == "SYNC" else "warn")
        self._draw_start(card)
        self._cache.say(words.cache(card))
        self._cache.kind("warn" if row.missing else "")
        self._bar.shown(row.fetching is not None)
        self._bar.attribute("style", f"width:{100 * (row.fetching or 0):.1f}%")
        drawn = plots.spark(card.errors, card.bounds, now)
        self._band.draw(drawn.band)
        self._spread.draw(drawn.spread)
        self._median.draw(drawn.median)
        self._limit.say(f"±{drawn.limit_ms:g} ms")
        self._now.say(f"sync {words.ms(row.median_ms)} · p99 {words.ms(row.p99_ms, signed=False)}")
        self._machine.say(words.machine(card))
        self._machine.kind("warn" if row.throttled else "")

    def _draw_picture(self, picture: Picture, online: bool) -> None:
        self._image.shown(bool(picture.tag))
        if picture.tag:
            self._image.attribute("src", f"/picture/{self._venue}?{picture.tag}")
        self._age.attribute("data-age", str(picture.taken_us) if picture.taken_us is not None else None)
        if picture.tag:
            blank = ""
        elif not online:
            blank = "no picture: the wall is not heard"
        else:
            blank = "asking for a picture …" if picture.asked else picture.refused or "no picture yet"
        self._blank.shown(bool(blank))
        self._blank.say(blank)

    def _draw_reasons(self, card: Card) -> None:
        said = [("bad", card.silence)] if card.silence else []
        for why in card.reasons:
            # The lift stands at the deck: its id and a command are nothing for this place.
            hidden = why.code == "panic" and card.row.panic
            said.append(("bad", HIDDEN) if hidden else ("warn", f"{why.code}: {why.detail}"))
        said += [
            ("warn", f"broker away: {broker.url}{': ' if broker.fault else ''}{broker.fault}")
            for broker in card.brokers
            if not broker.up
        ]
        for place, (kind, text) in zip(self._reasons, said + [("", "")] * MOST_REASONS, strict=False):
            place.say(text)
            place.kind(kind)
            place.shown(bool(text))

    def _draw_start(self, card: Card) -> None:
        start = card.last_start
        self._start.say(words.start(start))
        if start is None:
            return
        self._start.kind("warn" if start.joined else "")
        self._start.attribute("title", f"due {words.clock_time(start.due_us)} UTC, {start.program}")


def _fact(name: str) -> Bit:
    Bit("", name, "dt")
    return Bit("", "–", "dd")
