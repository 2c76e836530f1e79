"""Web addresses to which alarms go. Pure."""

import re
from dataclasses import dataclass

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?P<target>[/?][\x21-\x7e]*)?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a web address; `target` is its path with the query, which is often a secret."""

    secure: bool
    host: str
    port: int
    target: str
    named: str
    """Host and port as they stand in the address."""

    @property
    def shown(self) -> str:
        """As it may be shown and logged: without its target."""
        return f"http{'s' if self.secure else ''}://{self.named}/…"


def parse_address(url: str) -> Address:
    """Read `https://host[:port]/path`. Raises ValueError with the remedy; a name and a password are not part of it."""
    match = _URL.fullmatch(url)
    port = int(match["port"]) if match and match["port"] else 443 if match and match["scheme"] == "https" else 80
    if match is None or not 0 < port < 65536:
        raise ValueError("write a web address such as https://chat.example/hooks/abc, in plain ASCII, without name@")
    named = match["host"] + (f":{match['port']}" if match["port"] else "")
    target = match["target"] or "/"
    secure = match["scheme"] == "https"
    return Address(secure, match["host"].strip("[]"), port, target if target[0] == "/" else f"/{target}", named)
