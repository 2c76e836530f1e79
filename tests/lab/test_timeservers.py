import time
from pathlib import Path

import ntplib
import pytest

from agent.lab import timeservers
from agent.lab.processes import Processes


@pytest.mark.needs("chronyd")
def test_time_servers_serve_this_hosts_time(processes: Processes, tmp_path: Path) -> None:
    servers = timeservers.start(processes, 2, tmp_path)
    assert servers[0].port != servers[1].port
    for server in servers:
        reply = ntplib.NTPClient().request("127.0.0.1", version=4, port=server.port, timeout=2)
        assert abs(reply.offset) < 0.02
        assert reply.stratum == 1
        assert abs(reply.tx_time - time.time()) < 0.5


def test_nobody_answers_where_nobody_is() -> None:
    assert not timeservers.answers(1)
