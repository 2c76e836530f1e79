"""Looking at decoder, player and films of this machine, each film by a benchmark of some seconds."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from agent.config import Config
from agent.messages import Refusal
from agent.player import benchmark
from agent.player.capacity import Library, Measured
from agent.technician import players
from agent.technician.decoding import Facts, Tried
from agent.technician.films import Film, stock

Progress = Callable[[int, int, str], None]
"""Told before each film: how many are done, how many there are, the film's name."""

NOT_WANTED = "--no-films"
SHARED = "a film is playing, and the hardware that decodes it is one for all: run this again, the wall idle"


def look(config: Config, refresh_hz: float | None, *, measure: bool, progress: Progress) -> Facts:
    """Everything that is judged; with `measure` each film is decoded for some seconds."""
    library = benchmark.library(output=config.display.output, decoder=config.display.decoder)
    player = players.running(config.display)
    found = stock(config)
    films = [] if isinstance(found, Refusal) else [film for film in found.here if not film.is_still]
    skipped = "" if measure else NOT_WANTED
    if not isinstance(library, Library):
        skipped = "there is no libmpv"
    elif measure and player is not None and player.plays and library.uses_hardware:
        # Priorities mean nothing to a hardware decoder: the show could suffer.
        skipped = SHARED
    tried = tuple(Tried(film, None) for film in films) if skipped else _tried(films, config.display.decoder, progress)
    return Facts(library, player, found, tried, skipped, refresh_hz)


def _tried(films: Sequence[Film], decoder: str, progress: Progress) -> tuple[Tried, ...]:
    found = []
    for number, film in enumerate(films):
        progress(number, len(films), film.name)
        result = benchmark.measure(film.path, codec=film.codec, rate=film.rate, decoder=decoder)
        found.append(Tried(film, result))
    return tuple(found)


def as_json(facts: Facts) -> list[dict[str, Any]]:
    """The films for scripts, names as in Film and Measured; `fps` is what was measured, null where nothing was."""
    return [
        {
            **{key: value for key, value in asdict(tried.film).items() if key != "path"},
            **(tried.result.model_dump(exclude={"kind"}) if tried.result else {}),
            "fps": round(tried.result.fps, 1) if isinstance(tried.result, Measured) else None,
        }
        for tried in facts.tried
    ]
