"""From what is known of a player's clock to findings with remedies. Pure.

Sources are judged by their `code`, never by what is written beside it for people.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from agent.clock.keeper import CHRONY
from agent.clock.mapping import ClockState
from agent.clock.report import ClockReport, SourceReport
from agent.config import Clock
from agent.technician.findings import Finding, Verdict
from agent.technician.words import count, listed, ms, offset, span

AREA = "clock"
FEW_SERVERS = 3
GOOD_SERVERS = 5
GOOD_OPERATORS = 3
HOST_OFF_US = 1_000_000
HOST_FAR_OFF_US = 86_400_000_000
BLIP_S = 150.0
POOL = "pool.ntp.org"

SHARED_DOMAINS = frozenset(["ac", "ad", "co", "com", "edu", "go", "gov", "gr", "ne", "net", "or", "org"])
"""Second labels under which a country registers names, so that the owner's own label is the third."""

ADD_OPERATORS = "add servers of other operators to clock.servers in agent.toml, best five of three operators"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known: the clock's report, the host's own clock ahead of it, and whether it has an RTC.

    `measured`: by asking the servers just now, and not by the running agent's word.
    """

    report: ClockReport
    offset_host_us: int | None
    has_rtc: bool
    measured: bool


def operator_of(host: str) -> str:
    """Who probably runs a server: the last two or three labels of its name, the network of a numeric address.

    Each zone of pool.ntp.org leads to many operators, so that each name there counts as one of its own.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower().rstrip(".")
        labels = name.split(".")
        shared = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SHARED_DOMAINS
        return name if name.endswith(POOL) else ".".join(labels[-3 if shared else -2 :])
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


def is_ready(config: Clock, report: ClockReport) -> bool:
    """Whether the agent would call this clock good enough for a show: in sync or in holdover, with a small bound."""
    vouched = report.state in (ClockState.SYNC, ClockState.HOLDOVER)
    return vouched and report.bound_us is not None and report.bound_us / 1e3 <= config.ready_error_ms


def judge(config: Clock, facts: Facts) -> list[Finding]:
    """Everything that is worth saying, in the order of the way that time takes.

    There is a fault wherever the clock is not good enough for a show, and where it is, none because of its servers.
    """
    return [
        *_configured(config, facts.report),
        *_network(config, facts),
        *_votes(facts.report),
        *_chrony(facts.report),
        *_result(config, facts),
    ]


def _finding(verdict: Verdict, code: str, what: str, mend: str = "") -> Finding:
    return Finding(AREA, verdict, code, what, mend)


# --- the configuration ----------------------------------------------------------------------------


def _configured(config: Clock, report: ClockReport) -> list[Finding]:
    servers, operators = config.servers, {operator_of(server.host) for server in config.servers}
    grave: Verdict = "warning" if is_ready(config, report) else "fault"
    are = f"{count(len(servers), 'time server')} {'is' if len(servers) == 1 else 'are'} configured"
    if any(server.ours for server in servers):
        if len(servers) > 1:
            return [_finding("ok", "servers", f"{are}, some of them ours")]
        what = f"{servers[0].host} is the only time server: nothing contradicts it if it is wrong"
        return [_finding("warning", "one_source", what, "name a second and a third server in clock.servers")]
    found = []
    if len(servers) < FEW_SERVERS:
        what = f"{are}; three have to agree for a wall to become ready"
        if config.chrony and len(servers) + 1 == FEW_SERVERS:
            what += ", and the third can only be this host's own chronyd"
        found.append(_finding(grave, "few_servers", what, ADD_OPERATORS))
    elif len(servers) < GOOD_SERVERS:
        what = f"{are}; with five, one may lie and one be away"
        found.append(_finding("warning", "few_servers", what, ADD_OPERATORS))
    if len(operators) == 1 and len(servers) > 1:
        what = f"all time servers are one operator's ({operators.pop()}): its mistake would be believed"
        found.append(_finding(grave, "one_provider", what, ADD_OPERATORS))
    elif 1 < len(operators) < GOOD_OPERATORS:
        what = f"the time servers belong to {len(operators)} operators; with three a mistake of one is outvoted"
        found.append(_finding("warning", "few_providers", what, ADD_OPERATORS))
    return found or [_finding("ok", "servers", f"{len(servers)} time servers of {len(operators)} operators")]


# --- the way to the servers -----------------------------------------------------------------------


def _network(config: Clock, facts: Facts) -> list[Finding]:
    """What keeps servers from answering, one finding a cause; also of those that still agree by what they said."""
    # A second name of the same server is not asked, and witnesses nothing.
    asked = [source for source in _servers(facts.report) if source.code != "same_server"]
    nobody = not any(source.agrees for source in asked) and not is_ready(config, facts.report)
    grave: Verdict = "fault" if nobody else "warning"
    if asked and all(source.code == "silent" and not _blip(source) for source in asked):
        return [_finding(grave, "udp_blocked", *_blocked(config, facts))]
    found = []
    for code in dict.fromkeys(source.code for source in asked):
        same = [source for source in asked if source.code == code]
        for ours in (False, True):
            those = [source for source in same if source.ours is ours]
            told = _cause(code, ours, those) if those else None
            if told is not None:
                found.append(_finding(grave, code, *told))
    return found


def _blocked(config: Clock, facts: Facts) -> tuple[str, str]:
    ports = sorted({server.port for server in config.servers})
    named = f"UDP port{'' if len(ports) == 1 else 's'} {', '.join(map(str, ports))}"
    mend = f"open {named} to the outside (and back) in the venue's firewall"
    what = f"no time server answers: {named} {'is' if len(ports) == 1 else 'are'} probably blocked"
    return what, mend if facts.measured else f"{mend}; then framezero check --measure"


def _cause(code: str, ours: bool, sources: Sequence[SourceReport]) -> tuple[str, str] | None:
    """What is wrong with servers of this code, and what mends it; None where nothing is."""
    names, hosts = [source.name for source in sources], " ".join(source.name.rpartition(":")[0] for source in sources)
    another = "name another server in its place"
    match code:
        case "dns":
            return f"DNS does not know {', '.join(names)}", f"check the spelling in clock.servers; getent hosts {hosts}"
        case "dns_away":
            what = f"the resolver does not answer when asked for {', '.join(names)}"
            return what, "cat /etc/resolv.conf; ping the gateway that 'ip route' names"
        case "network":
            what = f"{', '.join(names)}: {sources[0].why}"
            return what, "ip route; check the cable, and ask the venue's network about NTP"
        case "unreachable":
            what = listed(names, "refuses: no NTP service is there", "refuse: no NTP service is there")
            return what, f"start its NTP service, on {hosts}" if ours else another
        case "silent":
            what = listed([_last_heard(source) for source in sources], "does not answer", "do not answer")
            return what, "start its NTP service, and open its firewall" if ours else another
        case "kiss_deny":
            what = listed(names, "does not serve us", "do not serve us")
            return what, "name a server that is willing, or your own"
        case "kiss_rate":
            what = listed(names, "asks us to ask less often", "ask us to ask less often")
            return what, "nothing for now: it is asked less often; if it stays, name another server, or your own"
        case "kiss_other":
            what = listed(names, "sends a kiss instead of a time", "send a kiss instead of a time")
            return what, another
        case "reply":
            what = listed(names, "answers what cannot be used", "answer what cannot be used")
            return f"{what} ({sources[0].why})", another
        case "waiting":
            what = listed(names, "has not answered yet", "have not answered yet")
            return what, "wait, or measure for longer: --seconds 20"
        case "internal":
            return f"asking {', '.join(names)} failed in framezero itself", "sudo journalctl -u framezero; report it"
        case _:
            return None


def _blip(source: SourceReport) -> bool:
    """A packet or two were lost, and it still agrees by what it said before."""
    return source.agrees and source.age_s is not None and source.age_s < BLIP_S


def _last_heard(source: SourceReport) -> str:
    return source.name if source.age_s is None else f"{source.name} (last heard {source.age_s:.0f} s ago)"


def _servers(report: ClockReport) -> list[SourceReport]:
    return [source for source in report.per_source if source.name != CHRONY]


# --- the vote -------------------------------------------------------------------------------------


def _votes(report: ClockReport) -> list[Finding]:
    """Who is out of the vote although it answers."""
    found = []
    doubles = [source for source in report.per_source if source.code == "same_server"]
    if doubles:
        owners = {source.address: source.name for source in reversed(report.per_source) if source not in doubles}
        told = (f"{source.name} is the same server as {owners.get(source.address, 'another')}" for source in doubles)
        found.append(_finding("warning", "same_server", "; ".join(told), "name other servers in their place"))
    liars = [source for source in _servers(report) if source.code == "falseticker"]
    if liars:
        told = (f"{source.name} contradicts the majority{_by(source)}" for source in liars)
        mend = f"take {', '.join(source.name for source in liars)} out of clock.servers and name others"
        found.append(_finding("warning", "falseticker", "; ".join(told), mend))
    split = [source for source in report.per_source if source.code == "no_majority"]
    if split:
        told = (
            source.name if source.offset_us is None else f"{source.name} {offset(source.offset_us)}" for source in split
        )
        mend = "add servers of other operators, so that a majority can tell who is right"
        found.append(_finding("fault", "no_majority", f"{', '.join(told)}: they contradict each other", mend))
    return found


def _by(source: SourceReport) -> str:
    return "" if source.offset_us is None else f" by {offset(source.offset_us)}"


def _chrony(report: ClockReport) -> list[Finding]:
    for source in report.per_source:
        if source.name != CHRONY or source.code not in ("falseticker", "chrony"):
            continue
        what = f"this host's chronyd contradicts the majority{_by(source)}"
        if source.code == "chrony":
            what = "this host's chronyd vouches for no time, and so does not count"
        return [_finding("warning", "chrony", what, "chronyc sources; or clock.chrony = false in agent.toml")]
    return []


# --- what comes of it -----------------------------------------------------------------------------


def _result(config: Clock, facts: Facts) -> list[Finding]:
    doubted = _correction(config, facts.report)
    # A wrong correction makes the bound large and the host's clock look wrong: those would be mended in vain.
    state = [finding for finding in _state(config, facts.report) if not (doubted and finding.code == "bound")]
    return [*state, *doubted, *_host(facts, compare=not doubted)]


def _state(config: Clock, report: ClockReport) -> list[Finding]:
    held = report.state is ClockState.HOLDOVER
    if report.bound_us is None or not (held or report.state is ClockState.SYNC):
        what = f"{report.state}: {report.reason}"
        return [_finding("fault", "not_in_sync", what, "mend the other findings first")]
    bound_us = report.bound_us
    if not is_ready(config, report):
        what = f"the clock may be {ms(bound_us)} ms wrong, more than ready_error_ms = {config.ready_error_ms:g}"
        if held:
            return [_finding("fault", "bound", f"HOLDOVER: {report.reason}; {what}", "mend the other findings first")]
        return [_finding("fault", "bound", what, "name nearer time servers (in this city or country)")]
    if not held:
        return [_finding("ok", "sync", f"in sync: {report.reason}; at most {ms(bound_us)} ms wrong")]
    what = f"HOLDOVER: {report.reason}; at most {ms(bound_us)} ms wrong"
    if report.skew_ppm:
        left_s = (config.ready_error_ms * 1e3 - bound_us) / report.skew_ppm
        what += f", and good enough for another {span(left_s * 1e6)} without servers"
    coasts = any(source.code == "coasting" for source in report.per_source)
    wait = "nothing but to wait: it ends by itself"
    return [_finding("warning", "holdover", what, wait if coasts else "mend the other findings before then")]


def _correction(config: Clock, report: ClockReport) -> list[Finding]:
    """An unequal way makes an error of at most half the round trip, so that no correction can be larger."""
    servers = _servers(report)
    heard = [source for source in servers if source.agrees] or servers
    most_us = max((source.delay_us for source in heard if source.delay_us is not None), default=None)
    if most_us is None or abs(config.correction_ms) * 1e3 <= most_us / 2:
        return []
    what = (
        f"clock.correction_ms = {config.correction_ms:g} makes the clock wrong: no asymmetry here is more than "
        f"{ms(most_us / 2)} ms, half of the longest round trip"
    )
    return [_finding("fault", "correction", what, "set clock.correction_ms = 0, or measure the site's asymmetry again")]


def _host(facts: Facts, compare: bool) -> list[Finding]:
    found = []
    if not facts.has_rtc:
        what = "no real-time clock: after a cold start without network this player cannot know the time"
        found.append(_finding("warning", "no_rtc", what, "fit an RTC (Pi 5: its battery); fake-hwclock is less"))
    off_us = facts.offset_host_us
    if compare and off_us is not None and abs(off_us) > HOST_OFF_US:
        way = "ahead" if off_us > 0 else "behind"
        what = f"the host's own clock is {span(off_us)} {way}: log stamps and TLS certificates go by it"
        verdict: Verdict = "fault" if abs(off_us) > HOST_FAR_OFF_US else "warning"
        found.append(_finding(verdict, "host_clock", what, "sudo timedatectl set-ntp true, or install chrony"))
    return found
