"""One accepted exchange with a time server, as the estimator wants it."""

from dataclasses import dataclass

from agent.units import RawNs


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server was found: the socket's family and the address as connect() wants it."""

    family: int
    sockaddr: tuple[str | int | bytes, ...]

    def __str__(self) -> str:
        host, port = str(self.sockaddr[0]), str(self.sockaddr[1])
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Sample:
    """The four stamps of one NTP exchange and what the server says about itself.

    T1 and T4 are ours, on the raw counter; T2 and T3 are the server's, in nanoseconds of UTC since 1970.
    """

    source: str
    t1_raw: RawNs
    t4_raw: RawNs
    t2_utc_ns: int
    t3_utc_ns: int
    root_delay_ns: int
    root_disp_ns: int
    precision_ns: int
    leap: int
    stratum: int

    @property
    def delay_ns(self) -> int:
        """Time on the wire, both ways together: the round trip without the server's hold."""
        return (self.t4_raw - self.t1_raw) - (self.t3_utc_ns - self.t2_utc_ns)

    @property
    def distance_ns(self) -> int:
        """How wrong the server itself may be: half its root delay, its root dispersion, its precision."""
        return self.root_delay_ns // 2 + self.root_disp_ns + self.precision_ns
