"""`framezero setup`, mounted by agent/cli.py: asks, tries, shows, and only then writes."""

import json
import logging
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from agent import log
from agent.config import Config, ConfigError, parse
from agent.printable import printable
from agent.technician import agent_toml, hereabouts, placing
from agent.technician import findings as told
from agent.technician import setup_options as options
from agent.technician.attempt import attempt
from agent.technician.findings import Finding
from agent.technician.hostlook import unit_of
from agent.technician.placing import CannotPlaceError, KeyCopy
from agent.technician.questions import (
    COPY,
    IDENTITY,
    NONE,
    Draft,
    Here,
    Question,
    beyond,
    faults,
    questions,
    read,
    write,
)
from agent.technician.words import count

REFUSED, USAGE, INTERRUPTED = 1, 2, 130
CONFIG = Path("/etc/framezero/agent.toml")
FILMS = Path("/var/cache")


def setup(
    config: Annotated[Path, typer.Option("--config", readable=False, help="Where to write agent.toml.")] = CONFIG,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: options, then the file, then guesses count.")
    ] = False,
    trying: Annotated[bool, typer.Option("--try/--no-try", help="Try time servers, brokers and display.")] = True,
    as_script: Annotated[bool, typer.Option("--json", help="What came of it as JSON.")] = False,
    venue: options.Venue = None,
    show: options.Show = None,
    group: options.Groups = None,
    timezone: options.Zone = None,
    broker: options.Brokers = None,
    root: options.Root = None,
    identity: options.Identity = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    cert_key: options.CertKey = None,
    username: options.Username = None,
    password_file: options.PasswordFile = None,
    time_server: options.TimeServers = None,
    display: options.Display = None,
    mode: options.Mode = None,
    region: options.Region = None,
    rotate: options.Rotate = None,
    latency_ms: options.Latency = None,
    cache_dir: options.CacheDir = None,
    quota_gb: options.Quota = None,
    state_dir: options.StateDir = None,
    trust_keys: options.TrustKeys = None,
    copy_keys: options.CopyKeys = None,
    threshold: options.Threshold = None,
) -> None:
    """Ask for venue, brokers, time servers and display, try them, and write agent.toml.

    Enter takes what stands in brackets: what the file has already, else a
    guess, so that running this again changes one thing. Each question has an
    option that answers it. Nothing is written before the end, and nothing over
    a file that is there before its changes were shown; a copy of it is kept.

    Exit status: 0 written, or nothing to change; 1 not written, as you said;
    2 usage, or a place that cannot be written; 130 after Ctrl-C.
    """
    typed = {
        f"--{name.replace('_', '-')}": ", ".join(value) if isinstance(value, list) else value
        for name, value in locals().items()
        if isinstance(value, str | list)
    }
    log.configure(sys.stderr, level=logging.CRITICAL)  # what is tried is told in a table
    console = Console(stderr=as_script, highlight=False)
    console.soft_wrap = not console.is_terminal  # a terminal would break words, a script wants whole lines
    outcome = Outcome()
    try:
        _run(config, typed, console, outcome, asks=not yes, trying=trying)
    except CannotPlaceError as error:
        for line in str(error).splitlines():
            _say(console, Text(printable(line), "red"))
        outcome.status, outcome.detail = USAGE, str(error)
    except (typer.Abort, KeyboardInterrupt):
        outcome.status, outcome.detail = INTERRUPTED, "interrupted, so nothing was written"
        console.print(Text(f"\n{outcome.detail}"))
    if as_script:
        typer.echo(json.dumps(outcome.as_json(config), indent=1))
    raise typer.Exit(outcome.status)


def _say(console: Console, text: Text) -> None:
    """A sentence, in whole words: on a terminal alone, for what a pipe leads to has no width."""
    console.print(text, soft_wrap=not console.is_terminal)


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    status: int = 0
    detail: str = ""
    written: bool = False
    backup: Path | None = None
    keys: list[KeyCopy] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def as_json(self, file: Path) -> dict[str, Any]:
        """The same for scripts."""
        return {
            "exit": self.status,
            "detail": self.detail,
            "file": str(file),
            "written": self.written,
            "backup": str(self.backup) if self.backup else None,
            "keys": [key.name for key in self.keys],
            "findings": [asdict(finding) for finding in self.findings],
        }


def _run(file: Path, typed: Mapping[str, str], console: Console, outcome: Outcome, *, asks: bool, trying: bool) -> None:
    if refusal := placing.refusal(file):
        raise CannotPlaceError(refusal)
    before, tree = placing.existing(file)
    draft = Draft(tree)
    if asks:
        what = f" writes {printable(str(file))}. Enter takes what stands in [brackets]; {NONE} empties."
        _say(console, Text.assemble(("framezero setup", "bold"), what))
    films = typed.get("--cache-dir") or draft.get(("cache", "dir")) or FILMS
    here = hereabouts.look(file.parent, Path(str(films)))
    if before and (wrong := beyond(tree, here)):
        raise CannotPlaceError(
            "\n".join(f"{file}: {fault}" for fault in wrong) + "\nmend that first, then run this again"
        )
    _fill(draft, here, typed, console, asks=asks)
    text = agent_toml.render(draft.tree)
    config = _sound(text, file)
    outcome.keys = _keys(draft)
    if trying:
        with console.status("trying it") as live:
            outcome.findings = attempt(config, outcome.keys, live.update)
        console.print(told.table(outcome.findings))
    _write(file, before, text, config, console, outcome, asks=asks)


def _fill(draft: Draft, here: Here, typed: Mapping[str, str], console: Console, *, asks: bool) -> None:
    """Answer every question, by an option or by asking."""
    if IDENTITY_OPTION not in typed:
        draft.asides[IDENTITY] = _identity(typed)
    missing, of_no_use = [], set(typed)
    for question in questions(draft, here):
        of_no_use.discard(question.option)
        text = typed.get(question.option)
        if text is not None:
            value, wrong = _read(question, text)
            if wrong:
                raise CannotPlaceError(f"{question.option}: {wrong}")
        elif asks:
            value = _asked(question, console)
        elif question.default is None:
            missing.append(question.option)
            continue
        else:
            value, wrong = question.default, "; ".join(faults(question, question.default))
            if wrong:
                raise CannotPlaceError(f"{question.option}: {wrong}")
        draft.set(question.path, value)
    if of_no_use:
        identity = f"{IDENTITY_OPTION} {draft.get(IDENTITY)}"
        raise CannotPlaceError(f"{', '.join(sorted(of_no_use))} cannot be used with {identity}; leave out one of them")
    if missing:
        raise CannotPlaceError(f"without questions (--yes) this needs {', '.join(missing)}")


IDENTITY_OPTION = "--identity"


def _identity(typed: Mapping[str, str]) -> str | None:
    """What the options that were given say of how the venue proves who it is."""
    if {"--cert", "--cert-key"} & typed.keys():
        return "certificate"
    return "password" if {"--password-file", "--username"} & typed.keys() else None


def _read(question: Question, text: str) -> tuple[Any, str]:
    """The value of an answer, and what is wrong with it, in words."""
    try:
        value = read(question, text)
    except ValueError as error:
        return None, str(error)
    if question.path == COPY and isinstance(found := placing.public_keys(value), str):
        return None, found
    return value, "; ".join(faults(question, value))


def _asked(question: Question, console: Console) -> Any:
    """The value of an answer that may stand; asks until there is one."""
    console.print()
    if question.hint:
        console.print(Text(question.hint, "dim"), soft_wrap=False)
    default = None
    if question.default is not None:
        if wrong := "; ".join(faults(question, question.default)):
            _say(console, Text(f"  what stands there cannot be taken: {printable(wrong)}", "red"))
        else:
            default = write(question, question.default)
    while True:
        text = typer.prompt(
            question.title, default=default, show_default=bool(default), err=console.stderr, value_proc=str
        )
        value, wrong = _read(question, text)
        if not wrong:
            return value
        _say(console, Text(f"  {printable(wrong)}", "red"))


def _sound(text: str, file: Path) -> Config:
    try:
        return parse(tomllib.loads(text), str(file))
    except ConfigError as error:
        raise CannotPlaceError("\n".join(error.faults)) from error


def _keys(draft: Draft) -> list[KeyCopy]:
    found = placing.public_keys(draft.get(COPY) or [])
    if isinstance(found, str):
        raise CannotPlaceError(found)
    return found


def _write(
    file: Path, before: str, text: str, config: Config, console: Console, outcome: Outcome, *, asks: bool
) -> None:
    changes = placing.difference(before, text, file) if before else ""
    if before and not changes and not outcome.keys:
        console.print(Text(f"{printable(str(file))} has all of this already: nothing to change"))
        return
    for line in changes.splitlines():
        console.print(Text(printable(line), {"+": "green", "-": "red"}.get(line[:1], "dim")))
    for key in outcome.keys:
        console.print(Text(f"+ {printable(key.told(config.trust.keys))}", "green"))
    faulty = told.status(outcome.findings)
    question = f"Write {printable(str(file))}" + (", although there are faults" if faulty else "")
    if asks and not typer.confirm(question, default=True, err=console.stderr):
        outcome.status, outcome.detail = REFUSED, "nothing was written"
        console.print(outcome.detail)
        return
    if outcome.keys:
        placing.place_keys(config.trust.keys, outcome.keys)
    outcome.backup = placing.place(file, text, datetime.now(UTC)) if changes or not before else None
    outcome.written = True
    kept = f"; what was there is {outcome.backup}" if outcome.backup else ""
    keys = f", and {count(len(outcome.keys), 'public key')} to {config.trust.keys}" if outcome.keys else ""
    console.print(Text(printable(f"written to {file}{keys}{kept}"), "green"))
    console.print(Text(printable(f"next: {next_step(file, anew=bool(before))}"), "bold"))


def next_step(file: Path, *, anew: bool) -> str:
    """What to do with a file that is written now, and was there before (`anew`) or not."""
    check = "framezero check" if file == CONFIG else f"framezero check --config {file}"
    unit = unit_of(file).removesuffix(".service")
    if not unit:
        return check
    # What is running goes by the file that it has read.
    start = f"in a pause of the show sudo systemctl restart {unit}" if anew else f"sudo systemctl enable --now {unit}"
    return f"{start}, then sudo {check}"
