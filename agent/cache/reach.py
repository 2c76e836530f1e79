"""Where a download may lead, and how a server's address is told.

A program is signed, so its urls are somebody's intention; where a server sends us on is not. A public server may
send us to another public one, and never into this host or the network around it (server-side request forgery).
"""

import ipaddress
import re
import socket
import urllib.request

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

MOST_CHARS = 200
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNFIT = re.compile(r"[^\x20-\x7e]+")


class InsideError(OSError):
    """A name that may only lead outside leads inside."""


def inside(address: str) -> bool:
    """Whether an address lies within this host or the network around it: all that is not on the public internet."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        carried = found.ipv4_mapped or found.sixtofour
        if carried is None and found in _NAT64:
            carried = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if carried is not None:
            return inside(str(carried))
    return not found.is_global or found.is_multicast


def literal(host: str) -> str | None:
    """The address that a host already is, None where it is a name."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))  # 127.1, 0x7f000001: names to DNS, addresses to the system
    except OSError:
        return None


def proxied(url: URL) -> bool:
    """Whether a proxy of the environment fetches this: then it looks names up, and may itself be inside."""
    return url.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(url.host or "")


class Resolver(AbstractResolver):
    """The system's resolver; remembers which names led inside, and nowhere else, when looked up for a connection.

    With `outside_only` such a name is refused there and then, so that DNS cannot answer the check with one address and
    the connection with another.
    """

    def __init__(self, *, outside_only: bool) -> None:
        self._resolver = DefaultResolver()
        self._outside_only = outside_only
        self.led_inside: dict[str, bool] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As aiohttp asks. Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        within = [inside(one["host"]) for one in found]
        if self._outside_only and any(within):
            raise InsideError(f"{host} leads into this network")
        # Not those that lead both ways: the server that answers may be the one outside.
        self.led_inside[host] = all(within)
        return found

    async def close(self) -> None:
        """As aiohttp asks."""
        await self._resolver.close()


def plain(text: str) -> str:
    """A text from a server or a library for log and status: printable, and short."""
    text = _UNFIT.sub("?", text)
    return text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 3]}..."


def shown(url: str | URL) -> str:
    """An address for log and status, without what may be secret in it: user, password, query."""
    try:
        parsed = URL(url).with_user(None).with_query(None).with_fragment(None)
    except ValueError:
        return plain(str(url).partition("?")[0])
    return plain(str(parsed))
