"""What is wrong at one venue that is heard: readiness, clock, sync, films, frames, machine. Pure.

A cause that is an alarm already (`standing`) has to fall a little further back to be gone, so that a figure at its
limit does not flap.
"""

from collections.abc import Iterator, Sequence

from agent.control.alarm_facts import Past, Sight
from agent.control.alarm_rules import Rules
from agent.control.alarm_words import Cause, Standing
from agent.control.spans import show_span
from agent.messages import Refusal
from agent.told import ErrorWindow, LocalBlack, Status
from agent.units import US_PER_S, UtcUs

EASED = 0.9
"""A figure that is an alarm has to come down to this part of its limit."""


def wall_causes(
    sight: Sight, status: Status, there: UtcUs, past: Past, rules: Rules, standing: Standing
) -> Iterator[Cause]:
    """All that is wrong at a venue that is heard; `there` is the time by its own clock."""
    venue = sight.venue
    ahead_us = status.next.at - there if status.next is not None else None
    # Of these there are alarms by themselves: a panic, which is the operators' own doing, a local black, and a second
    # agent.
    known = {"panic", "local_black"}
    if sight.presence is not None and sight.presence.rival:
        known.add("identity")
    reasons = [reason for reason in status.reasons if reason.code not in known]
    if status.local_black is not None:
        yield _local_black(venue, status.local_black, there)
    yield from _readiness(venue, status, reasons, ahead_us, rules)
    yield from _clock(venue, status, rules, standing)
    if status.state == "playing" and status.error_us is not None:
        yield from _sync(venue, status.error_us, status.frame_us, rules, standing)
    yield from _films(venue, status, ahead_us, past, rules)
    yield from _rising(venue, past, rules, standing)
    yield from _host(venue, status, rules, standing)
    for warning in status.warnings:
        text = f"{venue} warns ({warning.code}): {warning.detail}"
        remedy = "mend what is named when there is time: nothing on the wall hangs on it"
        yield Cause("warned", venue, "warning", text, remedy, about=warning.code, after_s=3.0)
    yield from _self_test(venue, status)


def _self_test(venue: str, status: Status) -> Iterator[Cause]:
    """What only the player itself could find; of what it says as a NO-GO there is an alarm by that."""
    told = {reason.code for reason in (*status.reasons, *status.warnings)}
    found = status.self_test.findings if status.self_test is not None else []
    if faults := [one for one in found if one.verdict == "fault" and not {one.code, one.area} & told]:
        text = f"{venue}'s self-test found {'; '.join(f'{one.area} {one.code}: {one.what}' for one in faults)}"
        remedy = "; ".join(dict.fromkeys(one.mend for one in faults if one.mend)) or "framezero check on the player"
        yield Cause("self_test", venue, "warning", text, remedy, after_s=3.0)


def _local_black(venue: str, black: LocalBlack, there: UtcUs) -> Cause:
    age = f" for {show_span(max(0, there - black.since))}" if black.since is not None else ""
    text = f"{venue}: {black.by} has the wall black at the player{age}: it shows no cue"
    remedy = "call the venue: only there can it be given back, with 'sudo framezero local resume'"
    return Cause("local_black", venue, "critical", text, remedy, since=black.since, hides=frozenset({"missed"}))


def _over(value: float, limit: float, standing: bool) -> bool:
    return value > limit * (EASED if standing else 1.0)


def _of_films(code: str) -> bool:
    return code.startswith(("film_", "program_", "cache_full"))


def _readiness(
    venue: str, status: Status, reasons: Sequence[Refusal], ahead_us: int | None, rules: Rules
) -> Iterator[Cause]:
    if status.state == "fault":
        why = "; ".join(reason.detail for reason in status.reasons) or "its player does not run"
        text = f"{venue}: the wall has no player ({why})"
        remedy = "framezero check on the player names what is missing; the agent goes on trying by itself"
        yield Cause("fault", venue, "critical", text, remedy, after_s=3.0, hides=frozenset({"no_go"}))
    if not reasons:
        return
    said = "; ".join(f"{reason.code}: {reason.detail}" for reason in reasons)
    if ahead_us is not None and status.next is not None and 0 <= ahead_us <= rules.ready_before_min * 60 * US_PER_S:
        text = f"{venue} is NO-GO, and its next cue ({status.next.action}) is in {show_span(ahead_us)}: {said}"
        remedy = "mend what is named, or move the cue; the wall starts when it can, and joins at the right frame"
        hides = frozenset({"clock", "films"})
        yield Cause("no_go", venue, "critical", text, remedy, after_s=3.0, hides=hides)
    elif rest := [reason for reason in reasons if not (_of_films(reason.code) or reason.code.startswith("clock_"))]:
        said = "; ".join(f"{reason.code}: {reason.detail}" for reason in rest)
        text = f"{venue} is NO-GO: {said}"
        yield Cause(
            "no_go", venue, "warning", text, "mend what is named before the next cue", after_s=rules.clock_for_s
        )


def _clock(venue: str, status: Status, rules: Rules, standing: Standing) -> Iterator[Cause]:
    clock = status.clock
    own = [reason.detail for reason in status.reasons if reason.code.startswith("clock_")]
    good = clock.state in ("SYNC", "HOLDOVER") and clock.bound_us is not None
    limit_us = rules.clock_bound_ms * 1000
    if good and not own and not _over(clock.bound_us or 0, limit_us, standing("clock", venue)):
        return
    bound = "nobody vouches for it" if clock.bound_us is None else f"up to {clock.bound_us / 1000:.1f} ms wrong"
    frames = f", {clock.frames:.1f} frames" if clock.frames is not None else ""
    sources = f"{clock.agreeing} of {clock.sources} time servers agree"
    text = f"{venue}: its clock is {clock.state}, {bound}{frames}; {sources}"
    remedy = "; ".join(own) or clock.reason or "look at its time servers: framezero status --clock"
    yield Cause("clock", venue, "critical" if not good else "warning", text, remedy, after_s=rules.clock_for_s)


def _sync(venue: str, error_us: ErrorWindow, frame_us: int | None, rules: Rules, standing: Standing) -> Iterator[Cause]:
    median_us, p99_us = error_us.median, error_us.p99
    limit_us = rules.sync_median_ms * 1000
    if rules.sync_frames is not None and frame_us is not None:
        limit_us = rules.sync_frames * frame_us
    stands = standing("sync", venue)
    off = _over(abs(median_us), limit_us, stands)
    if not off and not _over(p99_us, rules.sync_p99_ms * 1000, stands):
        return
    side = "late" if median_us > 0 else "early"
    worst = f"one frame in a hundred was {p99_us / 1000:.1f} ms off or more"
    if off:
        ran = f"in the last minute its film ran {abs(median_us) / 1000:.1f} ms {side}"
        text = f"{venue} is out of step: {ran}, and {worst}"
    else:
        text = f"{venue} stutters: its film is in step, but in the last minute {worst}"
    remedy = "is the player too weak for the film, or its load too high? framezero check there measures the decoder"
    yield Cause("sync", venue, "critical" if off else "warning", text, remedy, after_s=rules.clock_for_s)


def _films(venue: str, status: Status, ahead_us: int | None, past: Past, rules: Rules) -> Iterator[Cause]:
    lacking = [reason.detail for reason in status.reasons if _of_films(reason.code)]
    missing, fetching = status.cache.missing, status.cache.fetching
    if ahead_us is None or status.next is None or not (missing or lacking):
        return
    if not 0 <= ahead_us <= rules.films_before_min * 60 * US_PER_S:
        return
    count = f"{missing} film{'' if missing == 1 else 's'}" if missing else "a film"
    text = f"{venue}: {count} not there yet, and its next cue ({status.next.action}) is in {show_span(ahead_us)}"
    if fetching is not None:
        trail = past.trails.get(venue)
        speed = trail.bytes_per_s() if trail else None
        left = max(0, fetching.size - fetching.done)
        if speed is None:
            text += f"; fetching {fetching.name}, {fetching.done * 100 // max(1, fetching.size)} %"
        else:
            takes_us = round(left / speed * US_PER_S) if speed > 0 else None
            if missing <= 1 and takes_us is not None and takes_us < ahead_us:
                return  # it comes in time
            takes = f"{show_span(takes_us)} more" if takes_us is not None else "for ever"
            text += f"; {fetching.name} takes {takes} at {speed / 1e6:.1f} MB/s"
    remedy = "; ".join(lacking) or "is the content server reached from there? a disk helps: framezero import"
    yield Cause("films", venue, "warning", text, remedy, after_s=rules.clock_for_s)


def _rising(venue: str, past: Past, rules: Rules, standing: Standing) -> Iterator[Cause]:
    trail = past.trails.get(venue)
    if trail is None:
        return
    late, dropped, joined = trail.risen("late"), trail.risen("dropped"), trail.risen("reanchors")
    remedy = "is the player too weak for this film, or something else running on it? framezero check measures it"
    stands = standing("frames", venue)
    if _over(late, rules.late_per_min, stands) or _over(dropped, rules.dropped_per_min, stands):
        text = f"{venue}: {late} late and {dropped} dropped frames within the last minute"
        yield Cause("frames", venue, "warning", text, remedy)
    if _over(joined, rules.reanchors_per_min, standing("reanchors", venue)):
        text = f"{venue}: its film ran away and was joined anew {joined} times within the last minute"
        yield Cause("reanchors", venue, "warning", text, remedy)


def _host(venue: str, status: Status, rules: Rules, standing: Standing) -> Iterator[Cause]:
    host = status.host
    room = rules.disk_free_gb / (EASED if standing("disk", venue) else 1.0)
    if host.disk_free_gb is not None and host.disk_free_gb < room:
        text = f"{venue}: {host.disk_free_gb:.1f} GB of its disk are free, less than {rules.disk_free_gb:g} GB"
        yield Cause(
            "disk", venue, "warning", text, "make room on the player, or set cache.quota_gb lower", after_s=10.0
        )
    heat = rules.temp_c - (3.0 if standing("temperature", venue) else 0.0)
    if host.temp_c is not None and host.temp_c > heat:
        text = f"{venue}: its processor is at {host.temp_c:.0f} °C, above {rules.temp_c:.0f} °C, and may slow down"
        yield Cause("temperature", venue, "warning", text, "see to its fan, its air and the sun on it", after_s=10.0)
    if host.throttled:
        text = f"{venue}: its processor is held back, by too little voltage or too much heat"
        remedy = "give the Pi its own power supply and a short cable, and cool it; frames are lost meanwhile"
        yield Cause("throttled", venue, "warning", text, remedy, after_s=3.0)
