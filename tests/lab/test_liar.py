import pytest

from agent.clock.ntp import measure
from agent.lab import liar
from agent.lab.processes import Processes


@pytest.mark.parametrize("wrong_ms", [80.0, -80.0])
def test_it_serves_a_wrong_time_and_claims_to_be_exact(processes: Processes, wrong_ms: float) -> None:
    found = measure("127.0.0.1", liar.start(processes, wrong_ms))
    assert found.error_ms == pytest.approx(wrong_ms, abs=found.doubt_ms + 0.1)
    assert found.bound_ms < 0.05


def test_what_is_no_request_is_not_answered() -> None:
    assert liar.answer(bytes(48), 80.0) is None
