"""The brokers' part of `framezero check`: from what a visit to each has shown to findings with remedies. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from agent.config import Config
from agent.technician.findings import Finding, Verdict
from agent.technician.words import count

AREA = "broker"
SOON = timedelta(days=30)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate file: the common name in it, and from when to when it counts (UTC)."""

    file: str
    name: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Visit:
    """What became of going to one broker as this venue; with a `fault`, a sentence with the remedy, all else is void.

    `refused`: subscriptions that it says it refuses; `unwritable`: the venue's own topics that it does not take;
    `until`: when its own certificate ends.
    """

    url: str
    fault: str = ""
    took_ms: float = 0.0
    hello: bool = False
    refused: tuple[str, ...] = ()
    unwritable: tuple[str, ...] = ()
    until: datetime | None = None

    @property
    def serves(self) -> bool:
        """Whether an agent could live with this broker alone."""
        return not self.fault and self.hello and not self.refused and not self.unwritable


@dataclass(frozen=True, slots=True)
class Facts:
    """Every visit, the files of our certificate and of the authority, and the key's where others may read it."""

    visits: tuple[Visit, ...]
    client: Certificate | None = None
    authority: Certificate | None = None
    loose_key: str = ""


def judge(config: Config, facts: Facts, now: datetime) -> list[Finding]:
    """Everything that is worth saying; `now` is the host's own time, by which certificates are judged here."""
    found = [finding for visit in facts.visits for finding in _visited(config, facts, visit, now)]
    if len(facts.visits) == 1:
        what = "there is one broker only: without it no cue comes in"
        found.append(_finding("warning", "one_broker", what, "name a second one, elsewhere, in broker.urls"))
    if facts.client is not None:
        found += _ours(config, facts.client, now)
    if facts.authority is not None:
        told = f"the authority's certificate {facts.authority.file}"
        found += _life(told, facts.authority.begins, facts.authority.ends, now, "ask the owner for the new ca.pem")
    if facts.loose_key:
        what = f"everybody on this machine can read the key {facts.loose_key}"
        found.append(_finding("warning", "key_rights", what, f"sudo chmod o= {facts.loose_key}"))
    return found


def _finding(verdict: Verdict, code: str, what: str, mend: str = "") -> Finding:
    return Finding(AREA, verdict, code, what, mend)


def _visited(config: Config, facts: Facts, visit: Visit, now: datetime) -> list[Finding]:
    where = urlsplit(visit.url).netloc
    if visit.fault:
        others = any(other.serves for other in facts.visits)
        what, _, mend = visit.fault.partition("; ")
        told = what if where in what else f"{where}: {what}"
        return [_finding("warning" if others else "fault", "unreachable", told, mend)]
    found = []
    if visit.refused:
        what = f"{where} refuses the subscription to {', '.join(visit.refused)}"
        found.append(_finding("fault", "subscription", what, f"let {_who(config, facts)} read it in its access list"))
    if not visit.hello:
        what = f"{where} did not deliver {config.broker.root}/cue/_hello: cues would not arrive either"
        mend = (
            f"on the broker: let {_who(config, facts)} read {config.broker.root}/cue/# in its access list, and leave "
            "the retained hello (deploy/broker/set-up does both)"
        )
        found.append(_finding("fault", "hello", what, mend))
    if visit.unwritable:
        what = f"{where} does not take {', '.join(visit.unwritable)}"
        mend = f"on the broker: let {_who(config, facts)} write it in its access list; a venue's name is its user name"
        found.append(_finding("fault", "access", what, mend))
    if visit.until is not None:
        found += _life(
            f"the certificate of {where}", None, visit.until, now, "certify renew, and set-up, on the broker"
        )
    host = urlsplit(visit.url).hostname
    if visit.url.startswith("mqtt:") and host not in LOOPBACK:
        what = f"{where} is spoken to without TLS: whoever is on the way can read along and cut cues out"
        found.append(_finding("warning", "plain", what, "use mqtts:// (deploy/broker)"))
    if visit.serves:
        done = f"{where} takes and delivers; connected in {visit.took_ms:.0f} ms"
        found.insert(0, _finding("ok", "serves", done))
    return found


def _who(config: Config, facts: Facts) -> str:
    name = facts.client.name if facts.client is not None else config.broker.username or config.venue
    return f"user {name!r}"


def _ours(config: Config, client: Certificate, now: datetime) -> list[Finding]:
    found = _life(
        f"this venue's certificate {client.file}", client.begins, client.ends, now, f"certify renew {client.name}"
    )
    if client.name != config.venue:
        what = f"{client.file} is the certificate of {client.name!r}, and this venue is {config.venue!r}"
        mend = f"certify venue {config.venue}, or mend venue in agent.toml: a broker goes by the certificate"
        found.append(_finding("fault", "name", what, mend))
    return found


def _life(what: str, begins: datetime | None, ends: datetime, now: datetime, mend: str) -> list[Finding]:
    """A certificate that does not count yet, no more, or not for long; the clock may be as much at fault."""
    said = f"by this host's clock, {now:%Y-%m-%d %H:%M} UTC"
    if begins is not None and now < begins:
        told = f"{what} counts from {begins:%Y-%m-%d %H:%M} UTC only, {said}"
        return [_finding("fault", "not_yet", told, "set the host's clock: sudo timedatectl set-ntp true")]
    if now >= ends:
        told = f"{what} ended on {ends:%Y-%m-%d}, {said}"
        return [_finding("fault", "ended", told, f"{mend}; if that date is wrong: sudo timedatectl set-ntp true")]
    if ends - now < SOON:
        return [
            _finding("warning", "ends", f"{what} ends in {count((ends - now).days, 'day')}, on {ends:%Y-%m-%d}", mend)
        ]
    return []


def as_json(visits: Sequence[Visit]) -> list[dict[str, object]]:
    """The visits for scripts."""
    return [
        {
            "url": visit.url,
            "serves": visit.serves,
            "took_ms": None if visit.fault else round(visit.took_ms, 1),
            "until": visit.until.isoformat() if visit.until else None,
            "detail": visit.fault,
        }
        for visit in visits
    ]
