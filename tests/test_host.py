import os
from pathlib import Path

from agent.host import Host


def test_readings_are_plausible_and_a_process_that_is_gone_has_no_memory(tmp_path: Path) -> None:
    host = Host(tmp_path)
    mine = host.read([os.getpid()])
    assert 0 <= mine.cpu <= 1
    assert 10 < mine.mem_mb < 4000
    assert mine.disk_free_gb is not None
    assert mine.disk_free_gb > 0
    assert Host(tmp_path / "gone").read([]).disk_free_gb is None
    gone = host.read([2**22 + 1])
    assert gone.mem_mb == 0
