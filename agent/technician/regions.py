"""Time servers that suit a place, five of three operators where there are so many: pure.

They are what `framezero setup` offers, by the time zone: public services that none of us runs, so a venue's own server
and what its network's people recommend are better. None of them smears leap seconds.
"""

from collections.abc import Mapping
from types import MappingProxyType

_BY_ZONE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "America/Toronto": (
            "time.nrc.ca",
            "time.chu.nrc.ca",
            "time.nist.gov",
            "time.cloudflare.com",
            "0.ca.pool.ntp.org",
        ),
        "Asia/Hong_Kong": ("stdtime.gov.hk", "time.hko.hk", "time.cloudflare.com", "0.hk.pool.ntp.org", "ntp.nict.jp"),
        "Asia/Shanghai": (
            "ntp.ntsc.ac.cn",
            "0.cn.pool.ntp.org",
            "1.cn.pool.ntp.org",
            "2.cn.pool.ntp.org",
            "time.hko.hk",
        ),
        "Asia/Tokyo": (
            "ntp.nict.jp",
            "ntp.jst.mfeed.ad.jp",
            "time.cloudflare.com",
            "0.jp.pool.ntp.org",
            "1.jp.pool.ntp.org",
        ),
        "Europe/Paris": (
            "ntp.obspm.fr",
            "ptbtime1.ptb.de",
            "ptbtime2.ptb.de",
            "time.cloudflare.com",
            "0.fr.pool.ntp.org",
        ),
    }
)
"""As in deploy/venues."""

_BY_CONTINENT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Africa": ("0.africa.pool.ntp.org", "1.africa.pool.ntp.org"),
        "America": ("time.nist.gov", "0.north-america.pool.ntp.org"),
        "Asia": ("0.asia.pool.ntp.org", "1.asia.pool.ntp.org"),
        "Australia": ("0.oceania.pool.ntp.org", "1.oceania.pool.ntp.org"),
        "Europe": ("ptbtime1.ptb.de", "0.europe.pool.ntp.org"),
        "Pacific": ("0.oceania.pool.ntp.org", "1.oceania.pool.ntp.org"),
    }
)
_ANYWHERE = ("time.cloudflare.com", "0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org")
GOOD = 5


def time_servers(zone: str) -> list[str]:
    """Five time servers for a place in this time zone."""
    if zone in _BY_ZONE:
        return list(_BY_ZONE[zone])
    near = _BY_CONTINENT.get(zone.partition("/")[0], ())
    return [*near, *_ANYWHERE][:GOOD]
