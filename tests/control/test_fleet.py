"""The short form of tests/long/fleet: the same venues, fewer of them, and no limit of time."""

import pytest
from brokers import MosquittoFactory
from fleet import BROKER_LINES, MEMORY_MB, allow_connections, fleet, measure, packets, publish

VENUES = 200


@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(120)
def test_the_tool_counts_every_venue_of_a_fleet(mosquittos: MosquittoFactory) -> None:
    allow_connections(VENUES)
    broker = mosquittos(*BROKER_LINES)
    with fleet(broker.port, VENUES):
        rows = measure(broker.port, VENUES, cues=1)
    cue, status, poll = rows
    assert [(row.command, row.code, row.venues) for row in (cue, status)] == [
        ("cue black", 0, VENUES),
        ("status", 0, VENUES),
    ]
    # A poll waits for three seconds and no longer: on a machine that others use too, some may be late.
    assert (poll.command, poll.venues, poll.code in (0, 3)) == ("poll reel", VENUES, True)
    assert all(row.mb < MEMORY_MB for row in rows)
    assert cue.answered_s is not None


def test_packets_are_taken_whole_however_they_are_cut() -> None:
    whole = publish("a/b", b"x" * 200, retain=True) + publish("a/c", b"", retain=False)
    for cut in range(len(whole)):
        data, found = bytearray(), list[tuple[int, bytes]]()
        for part in (whole[:cut], whole[cut:]):
            data += part
            found += packets(data)
        assert [(kind, body[:5]) for kind, body in found] == [(0x33, b"\0\3a/b"), (0x32, b"\0\3a/c")]
        assert not data
