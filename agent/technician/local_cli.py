"""`framezero local`, mounted by agent/cli.py: for whoever stands at the wall, without network."""

import contextlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent.localwire import MOST_WITHIN_S, Order, Reply
from agent.printable import printable
from agent.technician.local import ANSWER_S, CONFIG, NoAnswer, Place, ask, find
from agent.technician.local_page import page
from agent.technician.local_words import in_use, remedy

REFUSED, USAGE, SILENT = 1, 2, 3
EVERY_S = 1.0
QUIET_S = 2.0
"""Nothing has to be done for this answer, and timers that ask for it wait."""
_SPAN = re.compile(r"(\d{1,7})\s*([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

app_local = typer.Typer(
    no_args_is_help=True,
    help="At the wall, without network: have it black and back, and see how it is. Root and the group framezero may.",
)

ConfigFile = Annotated[Path, typer.Option("--config", readable=False, help="The venue's agent.toml.")]
Json = Annotated[bool, typer.Option("--json", help="The answer as JSON.")]


@app_local.command(epilog="Example: framezero local status --config /etc/framezero/agent.toml")
def status(
    config: ConfigFile = CONFIG,
    as_script: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C, anew each second.")] = False,
) -> None:
    """Show what this wall does, what comes next, and what is amiss, with the remedy: as its agent knows it just now.

    Exit status: 0 ready for what comes, 1 not ready, or no agent runs, 2 usage
    or configuration, or not for this user to ask, 3 the agent does not answer.
    """
    if watch and not as_script:
        _watch(config)
    place, answer = _asked(config, _order("status"))
    if isinstance(answer, NoAnswer):
        raise _failed(answer, place, _again("status", config), as_script)
    assert answer.status is not None, "asked for"
    code = 0 if answer.status.ready else REFUSED
    if as_script:
        _print(
            {"exit": code, **answer.model_dump(mode="json", exclude={"uses", "offline", "refused", "said", "black"})}
        )
    else:
        _console().print(page(answer))
    raise typer.Exit(code)


def _watch(config: Path) -> None:
    """Show the page until Ctrl-C, and what is the matter while there is none."""
    with contextlib.suppress(KeyboardInterrupt), Live(console=_console(), auto_refresh=False) as live:
        while True:
            place, answer = _asked(config, _order("status"))
            if isinstance(answer, NoAnswer):
                live.update(
                    Text(
                        f"{printable(answer.detail)}\n→ {printable(remedy(answer, place, _again('status', config)))}",
                        "red",
                    ),
                    refresh=True,
                )
            else:
                live.update(page(answer), refresh=True)
            time.sleep(EVERY_S)
    raise typer.Exit


@app_local.command(epilog="Example: sudo framezero local black")
def black(config: ConfigFile = CONFIG, as_script: Json = False) -> None:
    """Have this wall black, at once, whatever is cued: until framezero local resume, over a reboot too.

    Nothing is asked of clock, broker or network. The wall's operators see it as a
    NO-GO with the name of whoever did it. It outranks a panic and does not end it.

    Exit status: 0 the wall is black, and stays so; 1 not (wholly) so, or no agent
    runs here; 2 usage or configuration, or not for this user; 3 the agent does
    not answer.
    """
    _ordered("black", config, as_script)


@app_local.command(epilog="Example: sudo framezero local resume")
def resume(config: ConfigFile = CONFIG, as_script: Json = False) -> None:
    """Give this wall back: it joins what is cued, on the frame that is due.

    Exit status: 0 it does, 1 a panic still holds, the disk has not taken it, or no
    agent runs here; 2 usage or configuration, or not for this user; 3 the agent
    does not answer.
    """
    _ordered("resume", config, as_script)


def _ordered(want: str, config: Path, as_script: bool) -> None:
    place, answer = _asked(config, _order(want))
    if isinstance(answer, NoAnswer):
        raise _failed(answer, place, _again(want, config), as_script)
    code = REFUSED if answer.refused is not None else 0
    if as_script:
        _print({"exit": code, **answer.model_dump(mode="json", include={"venue", "time", "said", "refused", "black"})})
    else:
        if answer.said:
            _say(f"{answer.venue}: {printable(answer.said)}")
        if answer.refused is not None:
            _say(f"but {printable(answer.refused.detail)}", err=True)
    raise typer.Exit(code)


@app_local.command(epilog="Example: sudo framezero local quiet --for 12h && sudo apt-get upgrade")
def quiet(
    span: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How far to look ahead: 90s, 60m, 2h, 1d.")
    ] = "60m",
    config: ConfigFile = CONFIG,
    as_script: Json = False,
) -> None:
    """Say whether this wall is in use, or will be within some time: what restarts the agent asks this first.

    In use is a wall that shows a cue's film, that a cue changes within the time,
    or that a panic or a local black keeps dark. An agent that does not answer
    may be showing a film, and so counts as in use.

    Exit status: 0 not in use, or no agent runs here; 1 in use; 2 usage or
    configuration, or not for this user to ask.
    """
    match = _SPAN.fullmatch(span.strip().lower())
    within_s = int(match[1]) * _UNIT_S[match[2]] if match else MOST_WITHIN_S + 1
    if within_s > MOST_WITHIN_S:
        typer.echo(
            f"--for: {printable(span, 40)!r} is not a length of time up to 31d; write 90s, 60m, 2h or 1d", err=True
        )
        raise typer.Exit(USAGE)
    place, answer = _asked(config, _order("quiet", within_s=within_s), QUIET_S)
    match answer:
        case Reply():
            status = REFUSED if answer.uses else 0
            lines = in_use(answer) or [f"quiet: no cue runs, and none starts within {span}"]
            if answer.offline:
                lines.append("no broker is connected, so only the cues that are here already could be looked at")
        case NoAnswer(trouble="absent"):
            status, lines = 0, [f"quiet: {answer.detail}"]
        case NoAnswer(trouble="config" | "denied"):
            status, lines = USAGE, [answer.detail, f"→ {remedy(answer, place, _again('quiet', config))}"]
        case NoAnswer():
            lines = [
                f"{answer.detail}; it may be showing a film",
                f"→ {remedy(answer, place, _again('quiet', config))}",
            ]
            status = REFUSED
    if as_script:
        uses = [use.model_dump(mode="json") for use in answer.uses] if isinstance(answer, Reply) else []
        _print({"exit": status, "quiet": status == 0, "said": lines, "uses": uses})
    else:
        for line in lines:
            _say(line, err=status == USAGE)
    raise typer.Exit(status)


def _console() -> Console:
    """The terminal, or a pipe, which has no width of its own."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 80)


def _say(text: str, *, err: bool = False) -> None:
    """Say it without breaking words at a terminal's edge, so that commands can be copied; whole lines to a pipe."""
    console = Console(stderr=err, highlight=False)
    told = "\n".join(printable(line) for line in text.splitlines())
    console.print(Text(told), soft_wrap=not console.is_terminal)


def _order(want: str, **more: Any) -> Order:
    """An order, with the name that was there before sudo, if it is one."""
    try:
        return Order.model_validate({"want": want, "by": os.environ.get("SUDO_USER"), **more})
    except ValidationError:
        return Order.model_validate({"want": want, **more})


def _asked(config: Path, order: Order, seconds: float = ANSWER_S) -> tuple[Place | None, Reply | NoAnswer]:
    place = find(config, os.environ)
    return (None, place) if isinstance(place, NoAnswer) else (place, ask(place, order, seconds))


def _again(command: str, config: Path) -> str:
    """The same command for the same player: another wall must not go black by what is proposed."""
    return command if config == CONFIG else f"{command} --config {config}"


def _failed(answer: NoAnswer, place: Place | None, command: str, as_script: bool) -> typer.Exit:
    status = {"config": USAGE, "denied": USAGE, "silent": SILENT}.get(answer.trouble, REFUSED)
    told = remedy(answer, place, command)
    if as_script:
        _print({"exit": status, "trouble": answer.trouble, "errors": [answer.detail], "remedy": told})
    else:
        _say(f"{answer.detail}\n→ {told}", err=True)
    return typer.Exit(status)


def _print(tree: dict[str, Any]) -> None:
    typer.echo(json.dumps(tree))
