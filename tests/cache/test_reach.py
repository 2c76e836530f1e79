import pytest
from aiohttp.resolver import DefaultResolver

from agent.cache.reach import InsideError, Resolver, inside, literal, plain, shown


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254"),
    ],
)
def test_what_is_not_on_the_public_internet_is_inside(address: str) -> None:
    assert inside(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_on_it_is_outside(address: str) -> None:
    assert not inside(address)


def test_every_way_to_write_an_address_is_read_as_one() -> None:
    assert [literal(host) for host in ("127.0.0.1", "::1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1")] == [
        *("127.0.0.1", "::1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1")
    ]
    assert literal("films.example") is None


async def test_a_name_that_leads_inside_is_refused_where_only_outside_is_allowed() -> None:
    resolver, strict = Resolver(outside_only=False), Resolver(outside_only=True)
    assert await resolver.resolve("localhost", 80)
    assert resolver.led_inside == {"localhost": True}
    with pytest.raises(InsideError):
        await strict.resolve("localhost", 80)
    await resolver.close()
    await strict.close()


async def test_a_name_that_leads_both_ways_counts_as_outside_and_may_not_lead_on_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def both(self: object, host: str, port: int, family: int) -> list[dict[str, str]]:
        return [{"host": "8.8.8.8"}, {"host": "127.0.0.1"}]

    monkeypatch.setattr(DefaultResolver, "resolve", both)
    resolver, strict = Resolver(outside_only=False), Resolver(outside_only=True)
    await resolver.resolve("films.example", 80)
    assert resolver.led_inside == {"films.example": False}
    with pytest.raises(InsideError):
        await strict.resolve("films.example", 80)
    await resolver.close()
    await strict.close()


def test_what_a_server_says_is_told_printable_and_short() -> None:
    assert plain("no\r\n\x1b[2Jgo ✓") == "no?[2Jgo ?"
    assert len(plain("x" * 10_000)) == 200


def test_an_address_is_told_without_its_secrets() -> None:
    assert shown("http://me:word@films.example/a.mp4?token=s3cret#x") == "http://films.example/a.mp4"
    assert "s3cret" not in shown("http://[::1/koi.mp4?token=s3cret")
    assert len(shown("http://films.example/" + "x" * 5000)) == 200
