"""What an operator does at a desk, the terminal's or the board's: GO, hold, resume, seek, black, stop, panic, lift.

Each does it at once, over a link that stays, and tells what became of it as a value; what the walls make of it is heard
on the link. GO waits for the other desks (agent.control.claims), everything else waits for nobody.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent.control import claims, moves
from agent.control import cue as cues
from agent.control import panic as panics
from agent.control.claims import Beaten, Claim, Granted
from agent.control.desk import Desk, Order, Refused
from agent.control.draft import CueError, Draft
from agent.control.link import ANSWER_TIMEOUT_S, Delivery, Link, untaken
from agent.control.remarks import understood
from agent.control.showfile import CueLine, ShowFile, ShowFileError, instant_of, parse_show
from agent.control.times import TimeError, warn_of
from agent.messages import MAX_LIFE_US, Black, Cancel, Cue, Identify, Lift, Panic, Play, Stop, encode
from agent.units import US_PER_S, UtcUs

TIMED = "timed cues"
CLAIM_LIFE_S = 5
"""A claim means nothing to who comes later."""


def topics(show: str) -> list[str]:
    """What a desk of this show has to listen to."""
    return [*cues.KEPT_TOPICS, "panic/#", "venue/+/answer", claims.topic(show)]


def load_show(path: Path) -> ShowFile:
    """Read a show file. Raises ShowFileError with all faults at once."""
    try:
        return parse_show(path.read_bytes(), str(path))
    except OSError as error:
        raise ShowFileError([f"{path}: cannot be read ({error.strerror}); name a show file"]) from error


@dataclass(frozen=True, slots=True)
class Gone:
    """What was sent, and what the brokers said to it."""

    message: Cue | Panic | Lift
    deliveries: list[Delivery]
    warnings: list[str] = field(default_factory=list)


def listen(link: Link, desk: Desk, seen: int) -> int:
    """Tell the desk what has been sent since the first `seen` orders; how many there are now."""
    desk.take(link.view.orders_after(seen), link.now())
    return link.view.orders_seen


async def go(link: Link, desk: Desk, line_id: str | None = None) -> Gone | Refused:
    """Send the line that stands by, or the one of this id, unless another GO was just given by anybody."""
    line = desk.standby if line_id is None else desk.line(line_id)
    pressed_s, now = time.monotonic(), link.now()
    contest = link.view.contest(desk.show)
    refused = desk.may_go(line, contest, now, pressed_s)
    if refused is not None or line is None:
        return refused or Refused("end", "the list has no such line")
    if not any(link.brokers.values()):
        return _no_broker(link)
    made = _made(link, desk, line, now)
    if isinstance(made, Refused):
        return made
    cue, warnings = made
    desk.pressed(cue.cue)
    try:
        claim = Claim(v=1, claim=cue.cue, show=desk.show, issued=cue.issued, by=desk.me, label=line.label)
        verdict = await _claimed(link, desk, claim, pressed_s)
        if isinstance(verdict, Beaten):
            return _rival(verdict)
        desk.granted(cue.cue, line.label, pressed_s)
        warnings += [
            f"{url} did not tell within {claims.PATIENCE_S:g} s whether another desk pressed too; GO went all the same"
            for url in verdict.unheard
        ]
        return await _out(link, desk, cue, warnings)
    finally:
        desk.busy = False


async def send_timed(link: Link, desk: Desk) -> list[Gone | Refused]:
    """Send every timed line that is still to come and that nobody has sent as the file has it, so that the walls know
    it early; what is out for it otherwise is taken back. Of several desks that do so at once one does it.
    """
    now, pressed_s = link.now(), time.monotonic()
    lines = desk.unsent(now)
    if not lines:
        return []
    if (refused := desk.may_send_timed(link.view.contest(desk.show), pressed_s)) is not None:
        return [refused]
    if not any(link.brokers.values()):
        return [_no_broker(link)]
    claim = Claim(v=1, claim=cues.cue_id(now), show=desk.show, issued=now, by=desk.me, label=TIMED)
    desk.sends(claim.claim)
    try:
        verdict = await _claimed(link, desk, claim, pressed_s)
        if isinstance(verdict, Beaten):
            return [_rival(verdict)]
        return [sent for line in lines for sent in await _timed(link, desk, line)]
    finally:
        desk.sending = False


async def _timed(link: Link, desk: Desk, line: CueLine) -> list[Gone | Refused]:
    now = link.now()
    out = desk.otherwise(line, now)
    made = _made(link, desk, line, now)
    if isinstance(made, Refused):
        return [made]
    desk.moved(made[0].cue)
    sent = await _out(link, desk, *made)
    if out is None or isinstance(sent, Refused):
        return [sent]
    now = link.now()
    draft = Draft(Cancel(action="cancel", cue=out.cue), UtcUs(now + MAX_LIFE_US))
    cancel = cues.build(
        draft, show=desk.show, venues=out.venues, at=now, now=now, by=desk.me, label=f"{line.id} as it was"
    )
    taken_back = await _out(link, desk, cancel, [])
    return [sent] if isinstance(taken_back, Gone) else [sent, taken_back]


async def hold(link: Link, desk: Desk, venues: list[str] | None = None) -> Gone | Refused:
    """Hold the film at the frame that is due a moment from now."""
    return await _move(link, desk, "hold", venues, moves.hold)


async def resume(link: Link, desk: Desk, venues: list[str] | None = None) -> Gone | Refused:
    """Play on from the frame at which the film is held."""
    return await _move(link, desk, "resume", venues, moves.resume)


async def seek(link: Link, desk: Desk, to: str, venues: list[str] | None = None) -> Gone | Refused:
    """Show another position of what runs: `01:30`, or `+5s` and `-5s` from where it is."""
    try:
        step = moves.parse_step(to)
    except TimeError as error:
        return Refused("cue", str(error))
    return await _move(link, desk, f"seek {to}"[:64], venues, lambda running: moves.seek(running, step))


async def black(link: Link, desk: Desk, venues: list[str] | None = None) -> Gone | Refused:
    """Show black a moment from now."""
    return await _now(link, desk, "black", venues, lambda *_: Draft(Black(action="black")))


async def stop(link: Link, desk: Desk, venues: list[str] | None = None) -> Gone | Refused:
    """Show the slate a moment from now."""
    return await _now(link, desk, "stop", venues, lambda *_: Draft(Stop(action="stop")))


async def identify(link: Link, desk: Desk, seconds: int = 10, venues: list[str] | None = None) -> Gone | Refused:
    """Lay over the picture which wall it is, for a while."""
    return await _now(link, desk, "identify", venues, lambda at, _: _identify(seconds, at))


async def panic(
    link: Link, desk: Desk, to: Literal["black", "slate"] = "black", venues: list[str] | None = None
) -> Gone | Refused:
    """Black, or the slate, at once and without a clock, until it is lifted."""
    return await _alarm(
        link, desk, lambda: panics.build_panic(to, show=desk.show, venues=venues or ["*"], now=link.now(), by=desk.me)
    )


async def lift(link: Link, desk: Desk, panic_id: str | None = None, venues: list[str] | None = None) -> Gone | Refused:
    """End a panic: the one of this id, or the one that holds."""
    patterns = venues or ["*"]

    def build() -> Lift:
        now = link.now()
        named = panics.meant(link.view, panic_id, desk.show, patterns, now, time.monotonic())
        return panics.build_lift(named, show=desk.show, venues=patterns, now=now, by=desk.me)

    return await _alarm(link, desk, build)


# --- how --------------------------------------------------------------------------------------------


def _made(link: Link, desk: Desk, line: CueLine, now: UtcUs) -> tuple[Cue, list[str]] | Refused:
    """The cue of a line that is sent now, and what is to be said of it."""
    lead_us = desk.file.lead_of(line)
    try:
        at = instant_of(line.at, now) if line.at is not None else UtcUs(now + lead_us)
        draft = lasting(link, line, draft_of(link, desk, line, at), at)
        cue = cues.build(draft, show=desk.show, venues=line.venues, at=at, now=now, by=desk.me, label=line.label)
    except (CueError, TimeError) as error:
        return Refused("cue", f"cue {line.id}: {error}")
    cue, plain = understood(link.view, cue)
    said = warn_of(at, now) if line.at is not None or lead_us >= 2 * US_PER_S else ""
    return cue, [*draft.warnings, *([said] if said else []), *cues.nobody_for(link.view, line.venues), *plain]


def draft_of(link: Link, desk: Desk, line: CueLine, at: UtcUs) -> Draft:
    """What a line shows from an instant on. Raises CueError or TimeError."""
    match line.action:
        case "play":
            assert line.program is not None, "a play line without a program is no show file"
            rev = desk.file.pinned(line)
            return cues.resolve(link.view, line.program, rev, loop=line.loop, from_us=line.from_us, show=desk.show)
        case "stop":
            return Draft(Stop(action="stop"))
        case "black":
            return Draft(Black(action="black"))
        case "identify":
            return _identify(line.seconds, at)
        case "hold":
            return moves.hold(_running(link, desk, line.venues, at))
        case "resume":
            return moves.resume(_running(link, desk, line.venues, at))
        case "seek":
            return moves.seek(_running(link, desk, line.venues, at), moves.parse_step(line.to or ""))


def lasting(link: Link, line: CueLine, draft: Draft, at: UtcUs) -> Draft:
    """The same for only so long, where the line says so. Raises CueError."""
    if line.lasts is None:
        return draft
    lasts_us = line.lasts
    if lasts_us == "program":
        assert isinstance(draft.do, Play), "a line of another kind is no show file"
        program = link.view.program(draft.do.program, draft.do.rev)
        if program is None:
            detail = f"no broker keeps {draft.do.program!r} rev {draft.do.rev}, so nobody knows how long it lasts"
            raise CueError(f"{detail}; publish it again", usage=False)
        lasts_us = sum(item.length_us for item in program.items) - draft.do.from_us
    return Draft(draft.do, UtcUs(at + lasts_us), draft.warnings)


def _identify(seconds: int, at: UtcUs) -> Draft:
    return Draft(Identify(action="identify", seconds=seconds), UtcUs(at + (seconds + 1) * US_PER_S))


def _running(link: Link, desk: Desk, venues: list[str], at: UtcUs) -> moves.Running:
    moves.check_known(link.view, venues, link.now(), time.monotonic())
    return moves.running_at(link.view, desk.show, venues, at)


def _rival(verdict: Beaten) -> Refused:
    claim = verdict.by
    did = "sent the timed cues" if claim.label == TIMED else f"pressed GO {claim.label or ''!r}"
    return Refused("rival", f"{claim.by} {did} at the same time, and goes first", claim.by)


async def _claimed(link: Link, desk: Desk, claim: Claim, pressed_s: float) -> Granted | Beaten:
    contest = link.view.contest(desk.show)
    live = {url for url, connected in link.brokers.items() if connected}
    said = await link.publish(
        claims.topic(desk.show),
        link.pen.seal("claim", encode(claim)),
        retain=False,
        expires_s=CLAIM_LIFE_S,
        patience_s=claims.PATIENCE_S,
    )
    asked = {found.url for found in said if found.taken}
    doubtful = live - asked

    def judged(*, over: bool) -> Granted | Beaten | None:
        return contest.judge(claim.claim, pressed_s, asked, doubtful, over=over)

    await link.wait(lambda: judged(over=False) is not None, max(0.0, pressed_s + claims.PATIENCE_S - time.monotonic()))
    verdict = judged(over=True)
    assert verdict is not None, "with patience over there is a verdict"
    return verdict


async def _out(link: Link, desk: Desk, cue: Cue, warnings: list[str]) -> Gone | Refused:
    deliveries = await _taken(lambda patience_s: cues.publish(link, cue, link.now(), patience_s))
    if not any(found.taken for found in deliveries):
        return Refused("untaken", "; ".join(untaken(deliveries)) or _no_broker(link).detail)
    # It comes back from the brokers too, and counts once.
    desk.take([Order(cue, time.monotonic(), True)], link.now())
    return Gone(cue, deliveries, [*warnings, *untaken(deliveries)])


async def _taken(publish: Callable[[float], Awaitable[list[Delivery]]]) -> list[Delivery]:
    """Publish, and wait for no broker that hangs once another has it; the same bytes again are silent."""
    said = await publish(panics.FIRST_S)
    return said if any(found.taken for found in said) else await publish(ANSWER_TIMEOUT_S)


async def _move(
    link: Link, desk: Desk, label: str, venues: list[str] | None, change: Callable[[moves.Running], Draft]
) -> Gone | Refused:
    return await _now(link, desk, label, venues, lambda at, patterns: change(_running(link, desk, patterns, at)))


async def _now(
    link: Link, desk: Desk, label: str, venues: list[str] | None, draft: Callable[[UtcUs, list[str]], Draft]
) -> Gone | Refused:
    """Send what is no GO, the quick lead from now: neither the list nor the gap minds it."""
    if not any(link.brokers.values()):
        return _no_broker(link)
    now, patterns = link.now(), venues or ["*"]
    at = UtcUs(now + desk.file.quick_lead)
    try:
        made = draft(at, patterns)
        cue = cues.build(made, show=desk.show, venues=patterns, at=at, now=now, by=desk.me, label=label)
    except (CueError, TimeError) as error:
        return Refused("cue", f"{label}: {error}")
    cue, plain = understood(link.view, cue)
    desk.moved(cue.cue)
    return await _out(link, desk, cue, [*cues.nobody_for(link.view, patterns), *plain])


async def _alarm(link: Link, desk: Desk, build: Callable[[], Panic | Lift]) -> Gone | Refused:
    if not any(link.brokers.values()):
        return _no_broker(link)
    try:
        message, plain = understood(link.view, build())
    except CueError as error:
        return Refused("cue", str(error))
    said = await _taken(lambda patience_s: panics.publish(link, message, patience_s))
    if not any(found.taken for found in said):
        return Refused("untaken", "; ".join(untaken(said)))
    desk.take([Order(message, time.monotonic(), True)], link.now())
    return Gone(message, said, [*cues.nobody_for(link.view, message.venues), *plain, *untaken(said)])


def _no_broker(link: Link) -> Refused:
    why = "; ".join(f"{url}: {detail}" for url, detail in link.faults.items()) or "the connection is being made"
    return Refused("no_broker", f"no broker is connected ({why}); nothing was sent")
