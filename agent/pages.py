"""As-run records in pages: packed by a venue, unpacked by whoever asked. Pure.

A page is as full as one message may be. Records resemble each other, so that zlib makes a tenth of them: ninety days
of a venue are some hundred messages instead of thousands, and every language has it.
"""

import binascii
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence

from agent.answered import AsRunPage
from agent.messages import Refusal, decode
from agent.told import AsRun

PAGE_CHARS = 60 * 1024
"""Of an answer of at most 64 KiB; what else is in it needs less than 2."""

MOST_RAW_BYTES = 4 << 20
"""Unpacked: whoever sends a bomb is not believed."""

STEP = 32  # records between two looks at how full the page is


def pack(bodies: Sequence[bytes]) -> tuple[str, int]:
    """As many of these messages as a page holds, packed, and how many they are: at least one, if there is any."""
    packer, whole, count, raw = zlib.compressobj(9), b"", 0, 0
    parts: list[bytes] = []
    while count < len(bodies):
        step = bodies[count : count + STEP]
        lines = b"".join(body + b"\n" for body in step)
        raw += len(lines)
        parts.append(packer.compress(lines))
        # What it would be if it ended here; the packer itself goes on as if it had not been asked.
        ended = b"".join([*parts, packer.copy().flush()])
        if count and (_chars(ended) > PAGE_CHARS or raw > MOST_RAW_BYTES):
            break
        whole, count = ended, count + len(step)
    return b64encode(whole).decode(), count


def _chars(packed: bytes) -> int:
    return -(-len(packed) // 3) * 4


def unpack(page: AsRunPage, venue: str) -> list[AsRun] | Refusal:
    """The records of a page that came from this venue, or why it cannot be believed."""
    try:
        packed = b64decode(page.records, validate=True)
        opener = zlib.decompressobj()
        raw = opener.decompress(packed, MOST_RAW_BYTES)
    except (binascii.Error, ValueError, zlib.error) as error:
        return Refusal(code="page", detail=f"a page of its as-run records cannot be unpacked: {error}")
    if packed and not opener.eof:
        return Refusal(code="page", detail="a page of its as-run records is cut off, or longer than any is")
    records = []
    for line in raw.splitlines():
        record = decode(AsRun, line)
        if isinstance(record, Refusal):
            return Refusal(code="page", detail=f"a record of its page cannot be read: {record.detail}")
        if record.venue != venue:
            return Refusal(code="page", detail=f"a record of its page is of venue {record.venue!r}, which it is not")
        records.append(record)
    if len(records) != page.count:
        return Refusal(code="page", detail=f"a page holds {len(records)} records where it says {page.count}")
    return records
