from makers import T0, now_at, uuid_of

from agent.messages import Refusal
from agent.teller import Teller


def test_an_ack_names_venue_life_time_and_reason() -> None:
    refusal = Refusal(code="late", detail="send it earlier")
    ack = Teller("paris", uuid_of(9)).ack(uuid_of(1), "missed", now_at(T0), refusal, joined=True).ack
    assert (ack.venue, ack.boot, ack.cue, ack.stage) == ("paris", uuid_of(9), uuid_of(1), "missed")
    assert (ack.time, ack.reason, ack.detail, ack.joined) == (T0, "late", "send it earlier", True)
    assert Teller("paris", uuid_of(9)).ack(uuid_of(1), "armed", now_at(None)).ack.time is None
