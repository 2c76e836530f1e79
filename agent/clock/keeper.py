"""The clock's brain: kernel readings and answers in, questions to ask and the mapping out. Pure.

It decides which server is asked when, what an answer means, and what the host's suspend, a stepped wall clock, a
leap second or silence do to the mapping. The shell (service.py) asks, waits and writes; a simulation can do that too.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from agent.clock.estimate import Estimator, Line
from agent.clock.leap import COAST_S, SMEAR_RATE, Leap, may_smear, next_leap
from agent.clock.mapping import ClockState, Mapping
from agent.clock.orders import SUSPENDED_NS, Ask, AskChrony, LookUp, Past, Reading, Settings, Task
from agent.clock.report import ClockReport, SourceReport
from agent.clock.sample import Address, Sample
from agent.clock.servers import Server
from agent.effects import Note
from agent.messages import Refusal
from agent.units import NS_PER_US, US_PER_S, RawNs, UtcUs, format_utc

CHRONY = "chrony"
CHRONY_S = 16.0

HOST_AFTER_S = 8.0
"""So long a clock without any mapping waits for its servers before it goes by the host's own time."""

HOST_BOUND_US = 366 * 86_400e6
"""What is claimed for the host's own time: nobody vouches for it, so it is a bound that says nothing."""

DOUBLE_S = 3600.0
"""The name of a server that another name leads to as well is looked up so often, and not asked."""

HOST_MOVED_NS = 5_000_000
WALL_STEP_NS = 50_000_000
SILENT_S = 128.0
"""So long nobody has to have answered before scouts are sent: twice the regular interval."""

SCOUT_S = 64.0
"""While no server at all answers, one of them is asked so often, in turn: each is asked less than when it answers,
and a network that is there, or back, is noticed within a minute or two instead of a quarter of an hour."""

LOOKING_UP = Refusal(
    code="dns_away", detail="its name is still being looked up: does the resolver of /etc/resolv.conf answer?"
)
FALSETICKER_POLLS = 8
_S = 1_000_000_000


class Keeper:
    """Keeps the clock of one player."""

    def __init__(self, settings: Settings, past: Past, now: Reading) -> None:
        self._settings = settings
        self._servers = {
            peer.name: Server(peer.name, peer.host, peer.port, peer.ours, settings.salt) for peer in settings.peers
        }
        sources = {peer.name: peer.ours for peer in settings.peers}
        if settings.chrony:
            sources[CHRONY] = False
        self._estimator = Estimator(sources, settings.correction_ms, settings.wander, past.rate, companions=[CHRONY])
        if settings.chrony:
            self._estimator.absent(CHRONY, True)
        self._began = self._heard = now.at.raw
        self._last = now
        self._epoch = 0
        self._chrony_due = now.at.raw
        self._chrony_busy = False
        self._scout_due: RawNs | None = None
        self._scouts = 0
        self._out: dict[str, int] = {}
        self._host: Mapping | None = None
        self._leap: Leap | None = None
        self._leap_made = False
        self._floor = past.floor
        self._state = ClockState.UNSYNC
        for server in self._servers.values():
            server.due = now.at.raw
        # A host that slept while no agent looked has lost its counter's meaning.
        if past.line is not None and now.asleep_ns - past.asleep_ns <= SUSPENDED_NS:
            self._go_on(past.line, past.leap, now.at.raw)

    def _go_on(self, line: Line, leap: Leap | None, now: RawNs) -> None:
        """Take up the line of an earlier run, over the leap seconds that lie between then and now."""
        began = line.utc0_ns // NS_PER_US
        table = self._settings.leaps
        for near in {*([leap] if leap else []), *(table.leaps if table else [])}:
            utc = line.utc_ns(now) // NS_PER_US
            if self._settings.smear or began >= near.at or utc < near.at - COAST_S * US_PER_S:
                continue
            made = utc >= near.at + max(0, near.seconds) * US_PER_S
            if made:
                line = line.moved(-near.seconds, now)
            if utc < near.at + COAST_S * US_PER_S:
                self._coast(near, made)
        self._estimator.inherit(line)

    # --- time passes --------------------------------------------------------------------------

    def wake(self, now: Reading) -> list[Task]:
        """Look at the kernel, and say what is to be done now. To be called once a second and at `deadline`."""
        tasks: list[Task] = [*self._notice_suspend(now), *self._notice_wall_step(now)]
        self._raise_floor(now)
        tasks += self._mind_leap(now.at.raw)
        self._last = now
        self._scout(now.at.raw)
        for server in self._servers.values():
            if server.busy or server.stopped or server.due > now.at.raw:
                continue
            server.busy = True
            if server.unknown or server.double_of is not None:
                if not server.addresses:
                    self._estimator.trouble(server.name, LOOKING_UP)
                tasks.append(LookUp(server.name, server.host, server.port))
            else:
                tasks.append(self._ask(server))
        if self._settings.chrony and not self._chrony_busy and self._chrony_due <= now.at.raw:
            self._chrony_busy = True
            tasks.append(AskChrony(CHRONY, self._epoch))
        return tasks

    def deadline(self) -> RawNs | None:
        """When a server is to be asked next; None while all are being asked."""
        due = [server.due for server in self._servers.values() if not server.busy and not server.stopped]
        if self._settings.chrony and not self._chrony_busy:
            due.append(self._chrony_due)
        if self._scout_due is not None:
            due.append(self._scout_due)
        return min(due, default=None)

    def _ask(self, server: Server) -> Ask:
        assert server.address is not None, "a server is asked when its name has been looked up"
        return Ask(server.name, server.address, self._epoch)

    def _scout(self, now: RawNs) -> None:
        """While nobody answers, have one server asked in turn."""
        # Never one sooner than it asked for itself.
        asked = [server for server in self._servers.values() if not server.stopped and not server.pace.floor_s]
        if (now - self._heard) / _S < SILENT_S or self._coasting or not asked:
            self._scout_due = None
        elif self._scout_due is None or now >= self._scout_due:
            self._scout_due = RawNs(now + round(SCOUT_S * _S))
            scout = asked[self._scouts % len(asked)]
            self._scouts += 1
            if not scout.busy:
                scout.due = min(scout.due, now)

    # --- answers ------------------------------------------------------------------------------

    def found(self, name: str, outcome: Sequence[Address] | Refusal, now: RawNs) -> list[Task]:
        """Take what a name stands for, and ask there."""
        server = self._servers[name]
        if isinstance(outcome, Refusal) or not outcome:
            refusal = outcome if isinstance(outcome, Refusal) else Refusal(code="dns", detail=f"{name} has no address")
            if server.addresses:
                # DNS fails, but the server may be where it was: one does not need the other.
                outcome = server.addresses
            else:
                return self._refused(server, refusal, now)
        server.found(outcome)
        self._bar_doubles(server)
        if server.double_of is not None:
            server.busy = False
            server.wait(DOUBLE_S, now)
            return []
        return [self._ask(server)]

    def heard(self, name: str, epoch: int, outcome: Sample | Refusal | None, now: RawNs) -> list[Task]:
        """Take the outcome of an exchange; None is what chrony says where it is not there."""
        if name == CHRONY:
            self._chrony_busy = False
            self._chrony_due = RawNs(now + round(CHRONY_S * _S))
            if epoch != self._epoch:
                return []
            if isinstance(outcome, Sample):
                self._estimator.bar(CHRONY, None)
                self._estimator.add(outcome)
            elif outcome is not None:
                self._estimator.bar(CHRONY, outcome)
            self._estimator.absent(CHRONY, outcome is None)
            return []
        server = self._servers[name]
        if epoch != self._epoch:
            # The host slept in the middle: the stamps do not belong together.
            server.busy = False
            return []
        if isinstance(outcome, Sample):
            return self._answered(server, outcome, now)
        assert outcome is not None, "only chrony may be absent"
        return self._refused(server, outcome, now)

    def _answered(self, server: Server, sample: Sample, now: RawNs) -> list[Task]:
        tasks: list[Task] = []
        server.busy, server.misses, server.told = False, 0, None
        if server.answered is not None and server.answered != server.address:
            self._estimator.forget(server.name)
            fields = (("server", server.name), ("was", str(server.answered)), ("now", str(server.address)))
            tasks.append(Note("warning", "clock.server_moved", fields))
        server.answered = server.address
        self._heard = now
        if not self._coasting and (self._state is ClockState.HOLDOVER or self._scout_due is not None):
            # The network is back: all are asked as at the start, so that the line is good again within seconds.
            for other in self._servers.values():
                if not other.busy:
                    other.again(now)
            server.pace.again()
            self._scout_due = None
        self._estimator.add(sample)
        server.wait(server.pace.after(None), now)
        return tasks

    def _refused(self, server: Server, refusal: Refusal, now: RawNs) -> list[Task]:
        """Slow down, and say once per server and reason what is wrong."""
        server.busy = False
        self._estimator.trouble(server.name, refusal)
        stop = ""
        if refusal.code == "kiss_deny":
            server.stopped = True
            stop = "; it is not asked again until the agent restarts"
        else:
            server.missed(refusal.code, now)
        if refusal.code == "kiss_rate":
            self._estimator.stale_after(server.name, 4 * server.pace.floor_s)
        self._bar_doubles()
        if server.told == refusal.code:
            return []
        server.told = refusal.code
        fields = (("server", server.name), ("reason", refusal.code), ("detail", refusal.detail + stop))
        return [Note("warning", "clock.source_rejected", fields)]

    def _bar_doubles(self, found: Server | None = None) -> None:
        """Two names that lead to one server have one vote; the second is asked at another of its addresses, or not."""
        owners: dict[Address, str] = {}
        # Who answers where it is asked was there first. One with a question under way is not turned away from it.
        for server in sorted(self._servers.values(), key=lambda server: server.answered != server.address):
            if server.address in owners and (not server.busy or server is found):
                asked = {other.address for other in self._servers.values() if other is not server}
                free = next((address for address in server.addresses if address not in asked), None)
                if free is not None:
                    server.turn_to(free)
            owner = owners.setdefault(server.address, server.name) if server.address else server.name
            server.double_of = None if owner == server.name else owner
            double = Refusal(code="same_server", detail=f"the same server as {owner}; name another one")
            self._estimator.bar(server.name, double if server.double_of is not None else None)

    # --- what happens to the host -------------------------------------------------------------

    def _notice_suspend(self, now: Reading) -> list[Task]:
        slept_ns = now.asleep_ns - self._last.asleep_ns
        if slept_ns <= SUSPENDED_NS:
            return []
        # How the crystal ran, and whether the counter ran at all, nobody knows.
        self._epoch += 1
        self._began = self._heard = now.at.raw
        self._host = None
        self._leap = None
        self._estimator.hold(None)
        self._estimator.reset("the host was suspended, and the raw counter with it; asking the servers anew")
        for server in self._servers.values():
            server.again(now.at.raw)
        self._chrony_due = now.at.raw
        return [Note("warning", "clock.suspended", (("slept_ms", slept_ns // 1_000_000),))]

    def _notice_wall_step(self, now: Reading) -> list[Task]:
        step_ns = (now.at.real_ns - now.at.raw) - (self._last.at.real_ns - self._last.at.raw)
        if abs(step_ns) < WALL_STEP_NS or now.asleep_ns - self._last.asleep_ns > SUSPENDED_NS:
            return []
        detail = "films and starts do not read it; log stamps do"
        return [Note("warning", "clock.host_stepped", (("step_ms", step_ns // 1_000_000), ("detail", detail)))]

    def _raise_floor(self, now: Reading) -> None:
        """The earliest time that it can be grows while the sources agree, and never faster than the raw counter.

        So a lie that was believed once does not lock the host's own time out for good.
        """
        if self._state is ClockState.SYNC:
            self._floor = UtcUs(self._floor + (now.at.raw - self._last.at.raw) // NS_PER_US)

    # --- leap seconds -------------------------------------------------------------------------

    @property
    def _coasting(self) -> bool:
        return self._leap is not None

    def _coast(self, leap: Leap, made: bool) -> None:
        self._leap, self._leap_made = leap, made
        self._estimator.hold(
            f"coasting: servers are not heard for two hours around the leap second {format_utc(leap.at)}"
        )

    def _mind_leap(self, now: RawNs) -> list[Task]:
        """Coast from two hours before a leap second until two hours after it, and make it in between."""
        line = self._estimator.line
        if line is None:
            return []
        utc = UtcUs(line.utc_ns(now) // NS_PER_US)
        if self._settings.smear:
            self._estimator.wander = self._settings.wander
            if may_smear(self._settings.leaps, utc):
                self._estimator.wander += SMEAR_RATE
            return []
        if self._leap is None:
            leap = next_leap(self._settings.leaps, self._estimator.leaps, utc)
            if leap is None or utc < leap.at - COAST_S * US_PER_S:
                return []
            self._coast(leap, made=False)
            return [Note("warning", "clock.leap_ahead", (("at", format_utc(leap.at)), ("seconds", leap.seconds)))]
        if not self._leap_made and utc >= self._leap.at + max(0, self._leap.seconds) * US_PER_S:
            self._estimator.shift(-self._leap.seconds, now)
            self._leap_made = True
            fields = (("at", format_utc(self._leap.at)), ("seconds", self._leap.seconds))
            return [Note("warning", "clock.leap_second", fields)]
        if utc >= self._leap.at + COAST_S * US_PER_S:
            self._leap = None
            self._estimator.hold(None)
        return []

    # --- what is known ------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether nothing about the mapping changes by itself, until there is news."""
        return self._estimator.settled

    def look(self, now: Reading) -> tuple[ClockReport, Mapping | None, list[Task]]:
        """What is known now: the report, the mapping, and what is to be said about them."""
        report, mapping = self._estimator.estimate(now.at.raw)
        if mapping is None:
            mapping = self._by_host(now, report.reason)
            if mapping is not None:
                report = replace(report, state=mapping.state, reason=mapping.reason)
        elif self._leap is not None and not self._leap_made:
            mapping = replace(mapping, leap_at=self._leap.at, leap_s=self._leap.seconds)
        report = replace(report, per_source=tuple(self._located(report)), floor=self._floor)
        tasks = [*self._tell_state(report), *self._tell_falsetickers(report)]
        return report, mapping, tasks

    def _by_host(self, now: Reading, reason: str) -> Mapping | None:
        """The host's own time, where there is no other and it is not plainly wrong."""
        if (now.at.raw - self._began) / _S < HOST_AFTER_S or now.at.real_ns < self._floor * NS_PER_US:
            self._host = None
            return None
        text = f"going by the host's own clock, for which nobody vouches: {reason}"
        apart_ns = 0
        if self._host is not None:
            apart_ns = now.at.real_ns - self._host.utc0_ns - (now.at.raw - self._host.raw0)
        if self._host is None or abs(apart_ns) > HOST_MOVED_NS or self._host.reason != text:
            rho = self._settings.wander
            self._host = Mapping(now.at.raw, now.at.real_ns, 0.0, rho, HOST_BOUND_US, ClockState.HOST, text)
        return self._host

    def _located(self, report: ClockReport) -> list[SourceReport]:
        found = []
        for source in report.per_source:
            server = self._servers.get(source.name)
            if server is None:
                found.append(replace(source, address="this host", interval_s=CHRONY_S))
                continue
            address = str(server.address) if server.address else None
            interval_s = None if server.stopped else server.pace.interval_s
            found.append(replace(source, address=address, interval_s=interval_s))
        return found

    def _tell_state(self, report: ClockReport) -> list[Task]:
        if report.state is self._state:
            return []
        self._state = report.state
        level: Literal["info", "warning"] = "info" if report.state is ClockState.SYNC else "warning"
        bound_us = "unknown" if report.bound_us is None else round(report.bound_us)
        fields = (("state", report.state), ("reason", report.reason), ("bound_us", bound_us))
        return [Note(level, "clock.state", fields)]

    def _tell_falsetickers(self, report: ClockReport) -> list[Task]:
        """Raise an alarm about a server that has been outside the majority for eight polls."""
        tasks: list[Task] = []
        for source in report.per_source:
            if source.agrees or source.offset_us is None or report.agreeing == 0:
                if source.agrees:
                    self._out.pop(source.name, None)
                continue
            server = self._servers.get(source.name)
            polls = server.pace.asked if server else 0
            since = self._out.setdefault(source.name, polls)
            if polls - since == FALSETICKER_POLLS:
                self._out[source.name] = since - 1  # said once
                detail = f"{source.why}, for {FALSETICKER_POLLS} polls; name another server in its place"
                tasks.append(Note("error", "clock.falseticker", (("server", source.name), ("detail", detail))))
        return tasks

    def past(self) -> Past:
        """What is to be remembered: the rate only where it was learnt well."""
        line = self._estimator.line
        known = line is not None and self._state is ClockState.SYNC
        return Past(line.rate if line and known else None, self._floor, line, self._leap, self._last.asleep_ns)
