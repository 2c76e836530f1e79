"""From what libmpv, the player and the films' benchmarks showed to findings with remedies. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.messages import Refusal
from agent.player.capacity import DECKS_AT_A_CUT, Library, Measured, Unmeasured
from agent.player.refresh import uneven
from agent.technician.films import Film, Stock
from agent.technician.findings import Finding, Verdict
from agent.technician.players import Player
from agent.technician.words import count
from agent.units import parse_rate

DISTURBED_FROM = 0.1
"""Where other programs took a larger share of the processors, a figure is lower than it would be on show night."""

NAMES_TOLD = 3
ENCODE = "publish another encode of it"


@dataclass(frozen=True, slots=True)
class Tried:
    """A film with what its benchmark showed; None where there was none."""

    film: Film
    result: Measured | Unmeasured | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known. `skipped` says why no film was measured; `refresh_hz` is the display's where known."""

    library: Library | Unmeasured
    player: Player | None
    stock: Stock | Refusal
    tried: tuple[Tried, ...]
    skipped: str = ""
    refresh_hz: float | None = None


def judge(facts: Facts) -> list[Finding]:
    """Everything that is worth saying: the decoder, the player's rights, and each film that is not as it should be."""
    return [*judge_machine(facts), *_films(facts)]


def judge_machine(facts: Facts) -> list[Finding]:
    """The same without the films."""
    return [*_library(facts.library), *_player(facts)]


def _decoder(verdict: Verdict, code: str, what: str, mend: str = "") -> Finding:
    return Finding("decoder", verdict, code, what, mend)


def _film(verdict: Verdict, code: str, what: str, mend: str = "") -> Finding:
    return Finding("films", verdict, code, what, mend)


# --- libmpv and the player ------------------------------------------------------------------------


def _library(library: Library | Unmeasured) -> list[Finding]:
    if isinstance(library, Unmeasured):
        mend = "sudo apt-get install libmpv2" if library.code == "libmpv_absent" else "sudo journalctl -u framezero"
        return [_decoder("fault", library.code, f"libmpv: {library.detail}", mend)]
    what = f"profile {library.profile}, {library.mpv}"
    if library.hardware:
        what += f", hardware for {', '.join(library.hardware)}"
    if library.uses_hardware:
        what += "; framezero was never tried on such hardware by its makers: go by what the films showed here"
    found = [_decoder("ok", "profile", what)]
    if library.note:
        found.append(_decoder("warning", "profile_note", library.note, library.remedy))
    return found


def _player(facts: Facts) -> list[Finding]:
    allowed = "sudo systemctl edit framezero, and write [Service] and LimitRTPRIO=50 into it; then restart it"
    late = "starts are some milliseconds less exact"
    if facts.player is not None:
        if facts.player.realtime:
            return [Finding("player", "ok", "realtime", "the running player has SCHED_FIFO")]
        return [Finding("player", "warning", "realtime", f"the running player has no SCHED_FIFO: {late}", allowed)]
    if isinstance(facts.library, Unmeasured):
        return []
    if facts.library.realtime:
        return [Finding("player", "ok", "realtime", "this user may use SCHED_FIFO; no player runs here now")]
    return [Finding("player", "warning", "realtime", f"this user may not use SCHED_FIFO: {late}", allowed)]


# --- the films ------------------------------------------------------------------------------------


def _films(facts: Facts) -> list[Finding]:
    if isinstance(facts.stock, Refusal):
        what = f"the films could not be looked at: {facts.stock.detail}"
        mend = "sudo framezero check, or run it as the agent's user"
        if facts.stock.code == "journal_absent":
            mend = "start the agent: sudo systemctl enable --now framezero"
        return [_film("warning", facts.stock.code, what, mend)]
    found = []
    if facts.stock.missing:
        what = f"not in the cache, and so not looked at: {_some(facts.stock.missing)}"
        found.append(
            _film(
                "warning", "films_missing", what, "sudo framezero local status; from a disk: sudo framezero import DIR"
            )
        )
    if facts.stock.unread:
        what = f"programs that this version cannot read, and so not looked at: {_some(facts.stock.unread)}"
        found.append(_film("warning", "films_unread", what, "publish them again"))
    if facts.skipped and facts.tried:
        what = f"no film was measured: {facts.skipped}"
        found.append(_film("warning", "films_skipped", what, "framezero check, with the wall idle"))
    for tried in facts.tried:
        found += _one(tried, facts)
    return [*found, _summary(facts)]


def _one(tried: Tried, facts: Facts) -> list[Finding]:
    """What is to be said of one film; nothing where all is well."""
    film, result = tried.film, tried.result
    if isinstance(result, Unmeasured):
        if result.code == "broken":
            return [_film("fault", "film_broken", f"{film.name}: {result.detail}", ENCODE)]
        return [_film("warning", "film_unmeasured", f"{film.name}: {result.detail}", "run this again, the wall idle")]
    found = [] if result is None else _speed(film, result, facts)
    found += _software(film, result, facts)
    jerks = uneven(parse_rate(film.rate), facts.refresh_hz) if film.rate and facts.refresh_hz else None
    if jerks is not None:
        mend = "set a mode whose refresh is a whole multiple of the film's rate, or publish it at another rate"
        found.append(_film("warning", "film_uneven", f"{film.name}: {jerks}", mend))
    return found


def _speed(film: Film, result: Measured, facts: Facts) -> list[Finding]:
    if not film.rate:
        return []
    times = result.fps / float(parse_rate(film.rate))
    if times >= DECKS_AT_A_CUT:
        return []
    what = f"{told(film, result)}: this machine decodes {result.fps:.0f} fps, {times:.1f} times what it needs"
    mend = f"{ENCODE}: smaller, or of a lower bit rate{_in_hardware(facts)}"
    disturbed = _disturbance(result, facts)
    if times < 1:
        return [_film("warning" if disturbed else "fault", "film_slow", f"{what}, so it stalls{disturbed}", mend)]
    what += f"; {DECKS_AT_A_CUT} are wanted, for around a cut two films are decoded at once"
    return [_film("warning", "film_tight", f"{what}{disturbed}", mend)]


def _disturbance(result: Measured, facts: Facts) -> str:
    who = "a film was playing, and it and other programs" if _plays(facts) else "other programs"
    if result.elsewhere < DISTURBED_FROM and not _plays(facts):
        return ""
    return f"; {who} took {result.elsewhere:.0%} of the processors meanwhile, so the true figure is higher"


def _plays(facts: Facts) -> bool:
    return facts.player is not None and facts.player.plays


def _in_hardware(facts: Facts) -> str:
    known = facts.library.hardware if isinstance(facts.library, Library) else []
    return f", or one that the hardware decodes ({', '.join(known)})" if known else ""


def _software(film: Film, result: Measured | None, facts: Facts) -> list[Finding]:
    """A film that the processor decodes where the machine has hardware, by what was seen, else by what is known."""
    if isinstance(facts.library, Unmeasured) or not facts.library.uses_hardware:
        return []
    hardware = facts.library.hardware
    others = [codec for codec in hardware or _decoded_by_hardware(facts) if codec != film.codec]
    if result is None:
        if not hardware or film.codec in hardware:
            return []
    elif result.decoder != "software":
        return []
    does = "will decode" if result is None else "decodes"
    what = f"{told(film, result)} {does} in software"
    what += f", although this machine has hardware for {', '.join(others)}" if others else ""
    if film.codec in hardware:
        what += f"; of {film.codec} its hardware takes only some profiles, or it failed"
    mend = f"{ENCODE}{f', in {others[0]}' if others else ': H.264 or HEVC, 8 bit, 4:2:0'}"
    return [_film("warning", "film_software", what, mend)]


def _decoded_by_hardware(facts: Facts) -> list[str]:
    results = [tried.result for tried in facts.tried if isinstance(tried.result, Measured)]
    return sorted({result.codec for result in results if result.decoder != "software"})


def told(film: Film, result: Measured | None) -> str:
    """A film as people know it: name, codec, size, rate."""
    codec = result.codec if result else film.codec
    rate = f"{float(parse_rate(film.rate)):.5g} fps" if film.rate else "variable rate"
    return f"{film.name} ({codec} {film.width}x{film.height}, {rate})"


def _summary(facts: Facts) -> Finding:
    measured = [(tried.film, tried.result) for tried in facts.tried if isinstance(tried.result, Measured)]
    paced = [(film, result) for film, result in measured if film.rate]
    if not paced:
        return _film("ok", "films", f"{count(len(facts.tried), 'film')} in the cache, none measured")
    film, result = min(paced, key=lambda pair: pair[1].fps / float(parse_rate(pair[0].rate)))
    times = result.fps / float(parse_rate(film.rate))
    by = ", ".join(sorted({result.decoder for _, result in measured}))
    what = f"{count(len(measured), 'film')} measured, decoded by {by}; the heaviest is {told(film, result)}: "
    return _film("ok", "films", f"{what}{result.fps:.0f} fps, {times:.1f} times what it needs")


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMES_TOLD
    return ", ".join(names[:NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")
