import pytest

from agent.clock.kernel import leap_seconds_list
from agent.clock.leap import Leap, LeapTable, may_smear, next_leap, read_table
from agent.units import UtcUs, parse_utc

TABLE = """\
# comment
#$	3960835200
#@	{expires}
3644697600	36	# 1 Jul 2015
3692217600	37	# 1 Jan 2017
4007750400	38	# 1 Jan 2027, made up
4023388800	37	# 1 Jul 2027, made up: one less
"""
TEXT = TABLE.format(expires=4039372800)  # 2028-01-02
NEW_YEAR = parse_utc("2027-01-01T00:00:00Z")
JULY = parse_utc("2027-07-01T00:00:00Z")
S = 1_000_000
HOUR = 3600 * S


def at(utc: int, by_s: float) -> UtcUs:
    return UtcUs(utc + round(by_s * S))


def table(text: str = TEXT) -> LeapTable:
    found = read_table(text)
    assert found
    return found


def test_the_table_says_when_and_which_way() -> None:
    assert table().leaps[1:] == (Leap(NEW_YEAR, 1), Leap(UtcUs(JULY - S), -1))
    assert table().expires == parse_utc("2028-01-02T00:00:00Z")


@pytest.mark.parametrize(
    "text", ["", "nothing", "#@\n3644697600 36\n", TEXT.replace("#@", "# "), "#@ 1\nx 36\n", "#@ 1"]
)
def test_what_is_no_table_is_none(text: str) -> None:
    assert read_table(text) is None


def test_the_systems_own_table_can_be_read() -> None:
    text = leap_seconds_list()
    if text is None:
        pytest.skip("this system has no leap-seconds.list: apt install tzdata")
    assert parse_utc("2017-01-01T00:00:00Z") in [leap.at for leap in table(text).leaps]


def test_a_leap_second_of_the_coming_day_is_found() -> None:
    assert next_leap(table(), [], at(NEW_YEAR, -3600)) == Leap(NEW_YEAR, 1)
    assert next_leap(table(), [], at(NEW_YEAR, -90_000)) is None
    assert next_leap(table(), [], NEW_YEAR) is None, "it is over"


def test_a_table_that_is_valid_outranks_what_servers_announce() -> None:
    assert next_leap(table(), [1, 1, 1], parse_utc("2026-12-31T12:00:00Z")) == Leap(NEW_YEAR, 1)
    assert (
        next_leap(
            table(TABLE.format(expires=4039372800).replace("4007750400	38", "# ")), [1, 1, 1], at(NEW_YEAR, -60)
        )
        is None
    )


EXPIRED = table(TABLE.format(expires=3786825600))


@pytest.mark.parametrize("known", [None, EXPIRED])
def test_without_a_valid_table_a_majority_of_servers_counts(known: LeapTable | None) -> None:
    evening = at(NEW_YEAR, -600)
    assert next_leap(known, [1, 1, 0], evening) == Leap(NEW_YEAR, 1)
    assert next_leap(known, [2, 2, 2, 0, 0], evening) == Leap(UtcUs(NEW_YEAR - S), -1)
    assert next_leap(known, [1, 0], evening) is None
    assert next_leap(known, [], evening) is None


@pytest.mark.parametrize("day", ["2026-11-30T23:00:00Z", "2027-01-01T00:10:00Z", "2026-12-30T23:59:59Z"])
def test_servers_are_believed_on_the_last_day_of_june_and_december_only(day: str) -> None:
    assert next_leap(None, [1, 1, 1], parse_utc(day)) is None
    assert next_leap(None, [1, 1, 1], parse_utc("2027-06-30T00:00:01Z")) == Leap(JULY, 1)


def test_smearing_is_possible_within_a_day_of_a_leap_second() -> None:
    assert may_smear(table(), at(NEW_YEAR, -50_000)) and may_smear(table(), at(NEW_YEAR, 50_000))
    assert not may_smear(table(), at(NEW_YEAR, -90_000))
    assert may_smear(None, at(NEW_YEAR, -50_000)) and may_smear(None, at(NEW_YEAR, 50_000))
    assert not may_smear(None, parse_utc("2026-11-24T00:00:00Z"))
