"""One exchange with one NTP server, trusted only as far as it can be checked.

ntplib is the codec and nothing more: its client takes a reply with any origin, a kiss-o'-death for a time, and lets
the wall clock step in the middle. Here the request carries a random nonce instead of a time, so that nobody off the
path can answer it, and both of our stamps lie on the raw counter.
"""

import secrets
import socket
import struct
from dataclasses import dataclass

import ntplib

from agent.clock.kernel import instant_now, raw_now_ns
from agent.clock.sample import Address, Sample
from agent.clock.stamp import Instant, raw_of_stamp
from agent.messages import Refusal
from agent.units import RawNs

TIMEOUT_S = 1.5
PACKET_BYTES = 48
NTP_TO_UNIX_S = 2_208_988_800

_NTP_ERA_PIVOT_S = 1_735_689_600
"""2025-01-01: no server can tell an earlier time, so NTP's 32 bits of seconds (they wrap in 2036) count from here."""

_LATEST_NS = (_NTP_ERA_PIVOT_S + 2**31) * 1_000_000_000
"""2093: what seems later is a clock that stands before 2025, such as one that lost its battery."""

_FINEST_PRECISION = -32
"""The unit of NTP's stamps (RFC 5905, figure 3); nobody is more precise."""

# netdb.h; Python's socket module names it on some systems only: the name exists, and has no address.
_EAI_NODATA = -5

_ORIGIN = slice(24, 32)
_TRANSMIT = slice(40, 48)
_MAX_HOLD_NS = 4_000_000_000
_MAX_DELAY_NS = 1_000_000_000
_MAX_DISTANCE_NS = 500_000_000

# asm-generic/socket.h; Python's socket module does not name it. x86, arm and arm64 agree.
_SO_TIMESTAMPNS = 35


def resolve(host: str, port: int) -> list[Address] | Refusal:
    """Every address of a server, in the resolver's order. Blocks for as long as the resolver takes."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        if isinstance(error, UnicodeError) or error.errno in (socket.EAI_NONAME, _EAI_NODATA):
            return Refusal(code="dns", detail=f"DNS does not know the name {host!r}; check clock.servers")
        return Refusal(
            code="dns_away",
            detail=f"{host!r} cannot be resolved ({error}): does the resolver of /etc/resolv.conf answer?",
        )
    return [Address(family, tuple(sockaddr)) for family, _, _, _, sockaddr in found]


def ntp_ns(stamp: bytes) -> int:
    """Eight bytes of NTP time as nanoseconds since 1970, in the era that begins in 2025.

    Done here and not by ntplib, whose floats resolve half a microsecond and end in 2036.
    """
    seconds, fraction = int.from_bytes(stamp[:4]), int.from_bytes(stamp[4:])
    unix_s = (seconds - NTP_TO_UNIX_S - _NTP_ERA_PIVOT_S) % 2**32 + _NTP_ERA_PIVOT_S
    return unix_s * 1_000_000_000 + (fraction * 1_000_000_000 + 2**31 >> 32)


def ntp_bytes(unix_ns: int) -> bytes:
    """Nanoseconds since 1970 as eight bytes of NTP time."""
    seconds, ns = divmod(unix_ns, 1_000_000_000)
    return struct.pack("!II", (seconds + NTP_TO_UNIX_S) % 2**32, (ns << 32) // 1_000_000_000)


def request(nonce: bytes) -> bytes:
    """A client's packet with the nonce (8 bytes) in the place of its transmit time."""
    packet = bytearray(ntplib.NTPPacket(version=4, mode=3).to_data())
    packet[_TRANSMIT] = nonce
    return bytes(packet)


def answers(data: bytes, nonce: bytes) -> bool:
    """Whether a packet may be the answer to this request at all; anything else is somebody's stray packet."""
    return len(data) >= PACKET_BYTES and data[_ORIGIN] == nonce


def check_reply(data: bytes, nonce: bytes, t1_raw: RawNs, t4_raw: RawNs, source: str = "") -> Sample | Refusal:
    """Judge one packet. A Refusal's code is `stray`, `kiss_…` (an order of the server's) or `reply`.

    The origin is compared before anything is decoded: a kiss-o'-death from somebody else is not obeyed.
    """
    if not answers(data, nonce):
        return Refusal(code="stray", detail=f"{len(data)} bytes that do not answer our request")
    packet = ntplib.NTPPacket()
    try:
        packet.from_data(data)
    except ntplib.NTPException as error:
        return Refusal(code="reply", detail=f"not an NTP packet: {error}")
    if packet.mode != 4 or packet.version not in (3, 4):
        return Refusal(
            code="reply", detail=f"mode {packet.mode}, version {packet.version}, not a server of version 3 or 4"
        )
    if packet.stratum == 0:
        kiss = struct.pack("!I", packet.ref_id).decode("ascii", "replace").rstrip("\0")
        code = {"DENY": "kiss_deny", "RSTR": "kiss_deny", "RATE": "kiss_rate"}.get(kiss, "kiss_other")
        return Refusal(code=code, detail=f"the server sends the kiss {kiss!r} instead of a time")
    if not _FINEST_PRECISION <= packet.precision <= 0:
        return Refusal(code="reply", detail=f"a precision of 2^{packet.precision} s is not one that a clock can have")
    t2_ns, t3_ns = ntp_ns(data[32:40]), ntp_ns(data[40:48])
    sample = Sample(
        source=source,
        t1_raw=t1_raw,
        t4_raw=t4_raw,
        t2_utc_ns=t2_ns,
        t3_utc_ns=t3_ns,
        root_delay_ns=round(packet.root_delay * 1e9),
        root_disp_ns=round(packet.root_dispersion * 1e9),
        precision_ns=round(2.0**packet.precision * 1e9),
        leap=packet.leap,
        stratum=packet.stratum,
    )
    fault = _fault(sample, unset=not any(data[32:40]) or not any(data[40:48]))
    return Refusal(code="reply", detail=fault) if fault else sample


def _fault(sample: Sample, unset: bool) -> str | None:
    if sample.stratum > 15 or sample.leap == 3:
        return f"the server itself has no time (stratum {sample.stratum}, leap {sample.leap})"
    if unset:
        return "the server's stamps are not set"
    if max(sample.t2_utc_ns, sample.t3_utc_ns) > _LATEST_NS:
        return "the server's clock stands before 2025 or after 2093"
    hold_ns = sample.t3_utc_ns - sample.t2_utc_ns
    if not 0 <= hold_ns <= _MAX_HOLD_NS:
        return f"the server says that it held the request for {hold_ns / 1e9:.3f} s"
    if not 0 <= sample.delay_ns <= _MAX_DELAY_NS:
        return f"a time on the wire of {sample.delay_ns / 1e9:.6f} s is not between 0 and 1 s"
    if sample.distance_ns > _MAX_DISTANCE_NS:
        return f"the server may itself be {sample.distance_ns / 1e9:.2f} s off"
    return None


def exchange(address: Address, source: str, timeout_s: float = TIMEOUT_S) -> Sample | Refusal:
    """Ask one server once; blocks up to `timeout_s`, so it belongs in a thread.

    A new port per query. The kernel's receive stamp is taken where it fits: a busy interpreter would otherwise add
    milliseconds to the round trip. Besides check_reply's codes a Refusal has `network` (nothing was
    sent), `unreachable` or `silent`.
    """
    nonce = secrets.token_bytes(8)
    packet = request(nonce)
    sent = False
    strays = 0
    try:
        with socket.socket(address.family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout_s)
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            sock.connect(address.sockaddr)
            asked = instant_now()
            t1_raw = raw_now_ns()
            sock.send(packet)
            sent = True
            deadline = t1_raw + round(timeout_s * 1e9)
            while (left_ns := deadline - raw_now_ns()) > 0:
                # The time-out is what is left of one deadline: a stray packet must not buy the next one more time.
                sock.settimeout(left_ns / 1e9)
                try:
                    data, ancillary, _, _ = sock.recvmsg(256, 64)
                except TimeoutError:
                    continue
                t4_raw = _received_raw(ancillary, asked)
                if answers(data, nonce):
                    return check_reply(data, nonce, t1_raw, t4_raw, source)
                strays += 1
    except ConnectionRefusedError as error:
        return Refusal(
            code="unreachable", detail=f"{error.strerror}; check the address, and that an NTP server runs there"
        )
    except OSError as error:
        why = error.strerror or str(error)
        how = "the way to it is closed" if sent else "nothing can be sent to it"
        return Refusal(code="network", detail=f"{how} ({why}); check this host's network and the venue's router")
    seen = f"; {strays} packets came that do not answer our request" if strays else ""
    return Refusal(code="silent", detail=f"no answer within {timeout_s:g} s{seen}; is UDP port 123 blocked on the way?")


def _received_raw(ancillary: list[tuple[int, int, bytes]], asked: Instant) -> RawNs:
    """When the packet came in, on the raw counter: by the kernel's stamp if that is plausible, else now."""
    now = raw_now_ns()
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == struct.calcsize("@ll"):
            seconds, ns = struct.unpack("@ll", data)
            stamped = raw_of_stamp(seconds * 1_000_000_000 + ns, asked, instant_now())
            if stamped is not None:
                return min(stamped, now)
    return now


@dataclass(frozen=True, slots=True)
class Comparison:
    """Another clock beside this host's wall clock, in milliseconds.

    `error_ms` is positive where that clock is ahead, and itself right within `doubt_ms`; `bound_ms` is how wrong that
    clock says that it may be.
    """

    error_ms: float
    doubt_ms: float
    bound_ms: float


def measure(host: str, port: int, rounds: int = 16, timeout_s: float = 0.5) -> Comparison:
    """Compare the clock behind an NTP port with this host's.

    The exchange with the shortest round trip of several counts, so that on loopback the error is good to some
    0.02 ms. Blocks. Raises ConnectionError when none is answered, with the last reason.
    """
    addresses = resolve(host, port)
    if isinstance(addresses, Refusal):
        raise ConnectionError(addresses.detail)
    best: Comparison | None = None
    last: Refusal | None = None
    for _ in range(rounds):
        sample = exchange(addresses[0], f"{host}:{port}", timeout_s)
        if isinstance(sample, Refusal):
            last = sample
            if best is None and sample.code != "silent":
                break
            continue
        now = instant_now()
        twice = (sample.t2_utc_ns - sample.t1_raw) + (sample.t3_utc_ns - sample.t4_raw) - 2 * (now.real_ns - now.raw)
        if best is None or sample.delay_ns / 2e6 < best.doubt_ms:
            best = Comparison(twice / 2e6, sample.delay_ns / 2e6, (sample.distance_ns - sample.precision_ns) / 1e6)
    if best is None:
        raise ConnectionError(f"{host}:{port}: {last.detail if last else 'nothing was asked'}")
    return best
