"""What is done at the page: an order becomes a cue or a panic that is signed here, or a refusal in words."""

from agent.board.engine import Done, Order
from agent.control import kept, operate
from agent.control.desk import Desk, Refused
from agent.control.link import Link
from agent.control.operate import Gone
from agent.messages import Cue, Lift, Panic
from agent.printable import printable

NO_LIST = "no show file is open here, and so there is no cue list: start the board with --show-file"
NO_LINE = "there is no such line"


async def do(link: Link, desk: Desk, order: Order) -> Done:
    """Do it on the walls; what becomes of it there is heard on the link. A picture is none of these deeds."""
    venues = list(order.venues)
    match order.deed:
        case "go" | "standby":
            return await _line(link, desk, order)
        case "hold":
            found = await operate.hold(link, desk, venues)
        case "resume":
            found = await operate.resume(link, desk, venues)
        case "black":
            found = await operate.black(link, desk, venues)
        case "stop":
            found = await operate.stop(link, desk, venues)
        case "identify":
            found = await operate.identify(link, desk, venues=venues)
        case "panic":
            found = await operate.panic(link, desk, order.to, venues)
        case "lift":
            found = await operate.lift(link, desk, order.panic or None, venues)
        case "picture":
            return Done(False, "a picture changes nothing on a wall")
    return _done(found)


async def _line(link: Link, desk: Desk, order: Order) -> Done:
    """GO or standby of a line of the cue list."""
    if not desk.lines:
        return Done(False, NO_LIST)
    if order.line is not None and not 0 <= order.line < len(desk.lines):
        return Done(False, NO_LINE)
    line_id = desk.lines[order.line].id if order.line is not None else None
    if order.deed == "go":
        return _done(await operate.go(link, desk, line_id))
    if line_id is None or not desk.stand_by(line_id):
        return Done(False, NO_LINE)
    return Done(True, f"cue {line_id} stands by")


def _done(found: Gone | Refused) -> Done:
    if isinstance(found, Refused):
        return Done(False, printable(found.detail))
    match found.message:
        case Cue(cue=cue, label=label):
            what = f"{label or kept.words(found.message)} is out"
        case Panic(panic=cue, to=to):
            what = f"PANIC to {to} is out"
        case Lift(lift=cue):
            what = "the lift is out"
    return Done(True, printable("; ".join([what, *found.warnings])), cue)
