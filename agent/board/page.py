"""The control room's page: what an operator would rather look at than at five webcams.

`/` is the desk, `/wall` the view for a monitor that is read from five metres, without hands. What an operator does goes
to `Engine.do` with the role of whoever opened the page, so that a guest is refused there whatever is drawn here.
"""

import asyncio
import importlib.resources

from fastapi import Request
from nicegui import background_tasks, context, ui

from agent.board import palette, words
from agent.board.card import VenueCard
from agent.board.coming import LastGo, NextCue
from agent.board.deck import CueList, DeckPanel
from agent.board.engine import Done, Engine, Order, Role
from agent.board.help import Help
from agent.board.log import Alarms, SaidLog, StartsPlot
from agent.board.parts import Bit, Countdown, Pulse
from agent.board.snapshot import Board, Card
from agent.board.table import Table

MOST_DRAWN = 30
"""With more venues than that a table stands for them, and cards for those that ask for an eye."""
MOST_ASKING = 12


def install(engine: Engine) -> None:
    """Add the pages to NiceGUI."""

    @ui.page("/", title="framezero")
    def desk(request: Request) -> None:
        draw(engine, request.state.role)

    @ui.page("/wall", title="framezero")
    def wall(request: Request) -> None:
        draw(engine, request.state.role, wall=True)


def draw(engine: Engine, role: Role, *, wall: bool = False) -> None:
    """Fill the page of one browser, for whoever has this role, and keep it true."""
    _head()
    page = Page(engine, role, wall)
    client = context.client
    board = engine.board
    page.show(board)  # so that the first thing a browser draws is the show, and not an empty frame

    async def follow(board: Board) -> None:
        await client.connected()  # a program that only fetches the page is drawn nothing
        while True:
            board = await engine.changed(board)
            with client:
                page.show(board)

    following = background_tasks.create(follow(board), name="board page")
    client.on_delete(following.cancel)


class Page:
    """All parts of the page of one browser."""

    def __init__(self, engine: Engine, role: Role, wall: bool) -> None:
        self._engine = engine
        self._role = role
        self._cards: dict[str, VenueCard] = {}
        self._picked: list[str] = []
        self._table: Table | None = None
        hands = role == "operator" and not wall
        self._may_ask = hands
        self._deck: DeckPanel | None = None
        self._list: CueList | None = None
        ui.query("body").classes("fz" + (" fz-wall-view" if wall else "") + ("" if hands else " fz-guest"))
        self._pulse = Pulse()
        self._top(engine.board, role)
        self._alarms = Alarms()
        with Bit("fz-main", tag="main"):
            with Bit("fz-side"):
                self._next = NextCue()
                if hands:
                    self._deck = DeckPanel(self._do, lambda: engine.board.now_us)
                if not wall:
                    self._list = CueList(self._deck)
            with Bit("fz-field"):
                with Bit("fz-venues-head"):
                    Bit("fz-label", "WALLS", "h2")
                    self._counts = Bit("fz-counts", tag="span", role="status")
                    if not wall:
                        _sieve()
                self._table_place = Bit("fz-table-place")
                self._grid = Bit("fz-cards")
                with Bit("fz-below"):
                    self._last = LastGo()
                    self._starts = StartsPlot()
                    self._said = None if wall else SaidLog()
        if not wall:
            Help(hands)

    def show(self, board: Board) -> None:
        """Bring the page to this."""
        self._pulse.beat(words.clock_time(board.now_us))
        self._draw_top(board)
        self._alarms.draw(board)
        self._next.draw(board)
        self._last.draw(board)
        if self._deck is not None:
            self._deck.draw(board)
        if self._list is not None:
            self._list.draw(board.deck)
        self._starts.draw(board)
        if self._said is not None:
            self._said.draw(board.said)
        self._draw_cards(board)

    def _top(self, board: Board, role: Role) -> None:
        with Bit("fz-top", tag="header"):
            Bit("fz-brand", "framezero", "span")
            Bit("fz-show", f"{board.title} · {board.show}" if board.title else board.show, "span")
            if board.rehearsing:
                Bit("fz-pill warn", "REHEARSAL", "span", title="what is sent goes to the rehearsal's walls alone")
            if role == "guest":
                Bit("fz-pill info", "◌ read only", "span", title="you may look; nothing can be sent from this page")
            self._total = Bit("fz-pill fz-total", tag="span", role="status")
            Bit("fz-gap", tag="span")
            self._house = Bit("fz-browser-clock", tag="span")
            Countdown("fz-clock", clock=True)
            Bit("fz-utc", "UTC", "span")

    def _draw_top(self, board: Board) -> None:
        totals = board.totals
        good = totals.ready == totals.venues and totals.venues > 0 and not board.panics
        text = f"{totals.ready}/{totals.venues} GO"
        if board.panics:
            mark, kind = f"■ PANIC {text}", "bad"
        elif good:
            mark, kind = f"● {text}", "good"
        else:
            mark, kind = f"▲ {text}", "warn"
        self._total.say(mark)
        self._total.kind(kind)
        self._next.countdown.title(mark)
        parts = [f"{totals.online} online"]
        parts += [
            f"{count} {name}" for count, name in ((totals.silent, "silent"), (totals.offline, "offline")) if count
        ]
        parts += [f"{totals.not_ready} no-go"] if totals.not_ready else []
        self._counts.say(" · ".join(parts))

    def _draw_cards(self, board: Board) -> None:
        venues = [row.venue for row in board.rows]
        if len(venues) > MOST_DRAWN:
            if self._table is None:
                with self._table_place:
                    self._table = Table(self._pick)
            self._table.draw(board.rows)
            asking = [row.venue for row in board.rows if not words.good(row) and row.venue not in self._picked]
            venues = [*self._picked, *asking[:MOST_ASKING]]
        elif self._table is not None:
            self._table_place.clear()
            self._table = None
        for venue in self._cards.keys() - set(venues):
            self._cards.pop(venue).element.delete()
        for index, venue in enumerate(venues):
            if venue not in self._cards:
                with self._grid:
                    self._cards[venue] = VenueCard(
                        venue, self._ask if self._may_ask else None, board.places.get(venue, "")
                    )
                self._cards[venue].element.move(self._grid, index)
        for venue in venues:
            card = self._card(board, venue)
            if card is not None:
                self._cards[venue].draw(card, board.now_us)

    def _pick(self, venue: str) -> None:
        """Show a venue as a card as well, or no longer."""
        if venue in self._picked:
            self._picked.remove(venue)
        else:
            self._picked.append(venue)

    def _card(self, board: Board, venue: str) -> Card | None:
        return board.cards.get(venue) or self._engine.card(venue)

    async def _ask(self, venue: str) -> None:
        done = await self._do(Order("picture", venues=(venue,)))
        if not done.good and self._deck is not None:
            self._deck.say(done)

    async def _do(self, order: Order) -> Done:
        try:
            async with asyncio.timeout(20):
                return await self._engine.do(order, self._role)
        except TimeoutError:
            return Done(False, f"{order.deed}: no answer within 20 s; look at the walls before you press again")


def _sieve() -> None:
    """Fewer venues: by what is typed, or only those that ask for an eye. It works in the browser alone."""
    only = Bit("fz-button fz-small fz-only", "▲ only what is wrong", "button", type="button", aria_pressed="false")
    only.on(
        "click",
        js_handler="(event) => { const on = event.currentTarget.getAttribute('aria-pressed') !== 'true';"
        " event.currentTarget.setAttribute('aria-pressed', on); framezero.wrong(on); }",
    )
    sieve = Bit(
        "fz-sieve", tag="input", type="search", placeholder="filter  /", data_key="/", aria_label="filter venues"
    )
    sieve.on("input", js_handler="(event) => framezero.filter(event.target.value)")
    sieve.on("keydown", js_handler="(event) => event.key === 'Escape' && event.target.blur()")


def _head() -> None:
    """The style and the script, inside the page itself: it is dark from its first pixel, with nothing left to load."""
    files = importlib.resources.files("agent.board")
    style = files.joinpath("board.css").read_text(encoding="utf-8")
    script = files.joinpath("board.js").read_text(encoding="utf-8")
    ui.add_head_html(f"<style>{palette.variables()}{style}</style><script>{script}</script>")
    ui.add_body_html(
        '<div class="fz-lost-banner" role="alert"><b>NOT LIVE</b><span class="fz-lost-why"></span>'
        "<small>trying to get back …</small></div>"
    )
