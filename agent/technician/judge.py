"""From what is known of a player's clock to findings with remedies. Pure."""

import ipaddress
from dataclasses import dataclass

from agent.clock.mapping import ClockState
from agent.clock.report import ClockReport, SourceReport
from agent.config import Clock
from agent.technician.findings import Finding

AREA = "clock"
FEW_SERVERS = 3
GOOD_SERVERS = 5
GOOD_OPERATORS = 3
HOST_OFF_US = 1_000_000
HOST_FAR_OFF_US = 86_400_000_000
POOL = "pool.ntp.org"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured: the clock's report, the host's own clock ahead of it, and whether it has an RTC."""

    report: ClockReport
    offset_host_us: int | None
    has_rtc: bool


def operator_of(host: str) -> str:
    """Who probably runs a server: the last two labels of its name, the network of a numeric address.

    Each zone of pool.ntp.org leads to many operators, so that each name there counts as one of its own.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower().rstrip(".")
        return name if name.endswith(POOL) else ".".join(name.split(".")[-2:])
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


def judge(config: Clock, facts: Facts) -> list[Finding]:
    """Everything that is worth saying, in the order of the way that time takes."""
    return [*_configured(config), *_network(facts.report), *_sources(facts.report), *_result(config, facts)]


def _finding(verdict: str, code: str, what: str, mend: str = "") -> Finding:
    assert verdict in ("ok", "warning", "fault")
    return Finding(AREA, verdict, code, what, mend)  # type: ignore[arg-type]  # narrowed by the line above


def _configured(config: Clock) -> list[Finding]:
    servers, ours = config.servers, any(server.ours for server in config.servers)
    operators = {operator_of(server.host) for server in servers}
    add = "add servers of other operators to clock.servers in agent.toml, best five of three operators"
    found = []
    if len(servers) < FEW_SERVERS and not ours:
        what = f"{len(servers)} time servers are configured; three have to agree, so this wall can never be ready"
        found.append(_finding("fault", "few_servers", what, add))
    elif len(servers) < GOOD_SERVERS and not ours:
        what = f"{len(servers)} time servers are configured; with five, one may lie and one be away"
        found.append(_finding("warning", "few_servers", what, add))
    if not ours and len(operators) == 1:
        what = f"all time servers are one operator's ({operators.pop()}): its mistake would be believed"
        found.append(_finding("fault", "one_provider", what, add))
    elif not ours and len(operators) < GOOD_OPERATORS:
        what = f"the time servers belong to {len(operators)} operators; with three a mistake of one is outvoted"
        found.append(_finding("warning", "few_providers", what, add))
    if not found:
        found.append(_finding("ok", "servers", f"{len(servers)} time servers of {len(operators)} operators"))
    return found


def _network(report: ClockReport) -> list[Finding]:
    asked = [source for source in report.per_source if source.address != "this host"]
    silent = [source for source in asked if not source.samples]
    if not asked or not silent:
        return []
    found = []
    all_silent = len(silent) == len(asked)
    unresolved = [source.name for source in silent if "cannot be resolved" in source.why]
    if unresolved:
        verdict = "fault" if len(unresolved) == len(asked) else "warning"
        mend = "check the names in clock.servers; getent hosts NAME; the cable"
        found.append(_finding(verdict, "dns", f"DNS does not know {', '.join(unresolved)}", mend))
    unheard = [source.name for source in silent if "no answer" in source.why]
    if all_silent and unheard:
        mend = "open UDP port 123 to the outside (and back) in the venue's firewall; 'framezero clock --measure'"
        what = f"no time server answers ({', '.join(unheard)}): UDP port 123 is probably blocked"
        return [*found, _finding("fault", "udp_blocked", what, mend)]
    for source in silent:
        if source.name in unresolved:
            continue
        if "nothing can be sent" in source.why:
            found.append(_finding("fault", "network", f"{source.name}: {source.why}", "ip route; check the cable"))
        elif "kiss" in source.why:
            found.append(_kiss(source))
        else:
            mend = "name another server in its place"
            verdict = "fault" if all_silent else "warning"
            found.append(_finding(verdict, "silent", f"{source.name}: {source.why}", mend))
    return found


def _sources(report: ClockReport) -> list[Finding]:
    found = []
    for source in report.per_source:
        if source.agrees or not source.samples:
            continue
        if "same server" in source.why:
            found.append(_finding("warning", "same_server", f"{source.name}: {source.why}", "name another server"))
        elif "contradicts" in source.why:
            mend = f"take {source.name} out of clock.servers and name another"
            found.append(_finding("warning", "falseticker", f"{source.name} {source.why}", mend))
        elif "kiss" in source.why:
            found.append(_kiss(source))
    return found


def _kiss(source: SourceReport) -> Finding:
    return _finding("warning", "kiss", f"{source.name}: {source.why}", "name a server that is willing, or your own")


def _result(config: Clock, facts: Facts) -> list[Finding]:
    report, found = facts.report, []
    if report.state is ClockState.SYNC and report.bound_us is not None:
        bound_ms = report.bound_us / 1e3
        if bound_ms <= config.ready_error_ms:
            what = f"in sync: {report.reason}; at most {bound_ms:.1f} ms wrong"
            found.append(_finding("ok", "sync", what))
        else:
            what = f"the clock may be {bound_ms:.1f} ms wrong, more than ready_error_ms = {config.ready_error_ms:g}"
            found.append(_finding("fault", "bound", what, "name nearer time servers (in this city or country)"))
    else:
        what = f"{report.state}: {report.reason}"
        found.append(_finding("fault", "not_in_sync", what, "see the other findings, and 'framezero clock'"))
    if report.bound_us is not None and abs(config.correction_ms) * 1e3 > report.bound_us / 2:
        what = f"clock.correction_ms = {config.correction_ms:g} is more than any asymmetry here can be"
        found.append(_finding("warning", "correction", what, "measure the site's asymmetry again, or set it to 0"))
    if not facts.has_rtc:
        what = "no real-time clock: after a cold start without network this player cannot know the time"
        found.append(_finding("warning", "no_rtc", what, "fit an RTC (Pi 5: its battery), or apt install fake-hwclock"))
    off_us = facts.offset_host_us
    if off_us is not None and abs(off_us) > HOST_OFF_US:
        way = "ahead" if off_us > 0 else "behind"
        what = f"the host's own clock is {abs(off_us) / 1e6:.1f} s {way}: log stamps and TLS certificates go by it"
        verdict = "fault" if abs(off_us) > HOST_FAR_OFF_US else "warning"
        found.append(_finding(verdict, "host_clock", what, "timedatectl set-ntp true, or apt install chrony"))
    return found
