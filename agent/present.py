"""This instant, as the agent's clock knows it: what the core is given as `now`, and how far from it something is."""

from agent.clock.kernel import raw_now_ns, real_now_ns
from agent.clock.mapping import ClockState, Mapping
from agent.clock.orders import EARLIEST_UTC
from agent.clock.report import ClockReport
from agent.effects import Now, Rest
from agent.units import NS_PER_US, US_PER_S, RawNs, UtcUs


class Present:
    """The newest mapping and report of the clock; both None until it has said something."""

    def __init__(self) -> None:
        self.mapping: Mapping | None = None
        self.report: ClockReport | None = None

    def now(self, raw: RawNs | None = None) -> Now:
        """This instant, or another one of the raw counter that has only just been."""
        raw = raw_now_ns() if raw is None else raw
        mapping, report = self.mapping, self.report
        state = report.state if report else ClockState.UNSYNC
        reason = report.reason if report else "no time server has answered yet"
        floor = report.floor if report else EARLIEST_UTC
        if mapping is None:
            return Now(raw, None, None, state, reason, floor=floor)
        bound_us = None if mapping.state is ClockState.HOST else round(mapping.bound_at_us(raw))
        return Now(raw, mapping.utc_at(raw), bound_us, state, reason, mapping.stands_still(raw), floor)

    def left_s(self, deadline: UtcUs | None) -> float | None:
        """In how many seconds an instant is; None where there is none, or nobody knows."""
        if deadline is None or self.mapping is None:
            return None
        return (self.mapping.raw_at(deadline) - raw_now_ns()) / 1e9

    def rest_s(self, rest: Rest, sha256: str) -> float:
        """For how many seconds more work on a film has to rest. Called from threads too."""
        mapping = self.mapping
        utc = mapping.utc_at(raw_now_ns()) if mapping and sha256 != rest.but else None
        return (rest.until - utc) / US_PER_S if utc is not None and rest.since <= utc < rest.until else 0.0

    @staticmethod
    def host_offset_us(now: Now) -> int | None:
        """How far the host's own clock is ahead of ours."""
        if now.utc is None or now.clock is ClockState.HOST:
            return None
        return real_now_ns() // NS_PER_US - now.utc
