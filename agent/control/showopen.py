"""A show file as a command is given it: for its show or for its rehearsal, with the brokers and keys of that."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from agent.control import operate
from agent.control.options import BrokerOptions
from agent.control.profile import ProfileError, Settings
from agent.control.showfile import ShowFile, ShowFileError

Rehearse = Annotated[
    bool, typer.Option("--rehearse", help="A dry run: to the file's rehearsal show, whose walls are others, or none.")
]


def load(file: Path) -> ShowFile:
    """Read it. Raises ProfileError."""
    try:
        return operate.load_show(file)
    except ShowFileError as error:
        raise ProfileError(error.faults) from error


def target_of(show: ShowFile, rehearse: bool) -> str:
    """The show that is played to. Raises ProfileError."""
    if not rehearse:
        return show.show
    if show.rehearsal is None:
        raise ProfileError(['the file has no [rehearsal]; add one with show = "…", the name that its walls have'])
    return show.rehearsal.show


def settings(given: BrokerOptions, show: ShowFile, file: Path, rehearse: bool) -> Settings:
    """The file says which show it is, and a rehearsal by which keys it signs. Raises ProfileError."""
    target = target_of(show, rehearse)
    if given.show is not None and given.show != target:
        raise ProfileError([f"--show {given.show!r}: the file is for {target!r}; leave --show out"])
    own = [str(file.parent / Path(key).expanduser()) for key in show.rehearsal.key] if show.rehearsal else []
    if rehearse and own and given.key is None:
        given = replace(given, key=own)
    return given.settings().model_copy(update={"show": target})
