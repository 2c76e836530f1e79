"""What a venue packs is what its reader unpacks, and a page that lies is not believed."""

import zlib
from base64 import b64encode
from random import Random

import pytest
from asruns import record
from hypothesis import given
from hypothesis import strategies as some
from makers import T0, uuid_of

from agent.answered import Answer, AsRunPage
from agent.messages import MAX_BODY_BYTES, Refusal, encode
from agent.pages import PAGE_CHARS, STEP, pack, unpack
from agent.units import UtcUs

BOOK = uuid_of(77)


def page(records: str, count: int) -> AsRunPage:
    return AsRunPage(book=BOOK, page=0, count=count, records=records, next=None, left=0, kept_from=None)


@given(some.integers(0, 3 * STEP))
def test_what_is_packed_is_unpacked(count: int) -> None:
    records = [record(number) for number in range(count)]
    packed, held = pack([encode(each) for each in records])
    assert held == count
    assert unpack(page(packed, count), "paris") == records


def test_a_page_is_full_and_not_too_full_whatever_the_records_are() -> None:
    random = Random(1)
    bodies = [random.randbytes(300).hex().encode() for _ in range(1000)]
    packed, held = pack(bodies)
    assert PAGE_CHARS * 0.7 < len(packed) <= PAGE_CHARS
    assert held < len(bodies)
    whole = Answer(ask=BOOK, venue="v" * 63, boot=BOOK, time=UtcUs(T0), want="asrun", asrun=page(packed, held))
    assert len(encode(whole)) <= MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("records", "count", "words"),
    [
        ("%%%", 1, "unpacked"),
        (b64encode(b"no zlib").decode(), 1, "unpacked"),
        (b64encode(zlib.compress(b"a" * (64 << 20))).decode(), 1, "longer than any"),
        (b64encode(zlib.compress(encode(record(1)) * 2)[:-9]).decode(), 2, "cut off"),
        (b64encode(zlib.compress(b"{}\n")).decode(), 1, "cannot be read"),
        (pack([encode(record(1, venue="tokyo"))])[0], 1, "'tokyo'"),
        (pack([encode(record(1))])[0], 2, "holds 1"),
    ],
)
def test_a_page_that_is_not_what_it_says_is_refused_in_words(records: str, count: int, words: str) -> None:
    refusal = unpack(page(records, count), "paris")
    assert isinstance(refusal, Refusal)
    assert words in refusal.detail
