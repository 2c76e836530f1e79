"""What the start of an agent loads, and what it leaves for later."""

import gc
import subprocess
import sys

from agent.loading import swiftly

LATER = {"aiohttp", "rich", "numpy", "PIL", "agent.control", "agent.lab", "agent.technician"}


def loaded(imports: str) -> set[str]:
    """The modules that a fresh process has after these imports."""
    program = f"import sys\nfrom agent.loading import swiftly\nwith swiftly():\n import {imports}\nprint(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    )


def test_a_wall_does_not_wait_for_what_nothing_needs_yet() -> None:
    agent = loaded("agent.cli, agent.log, agent.daemon")
    assert "agent.daemon" in agent and agent & LATER == set()
    player = loaded("agent.player.process, agent.player.loop")
    assert "mpv" in player and player & (LATER | {"asyncio", "structlog", "agent.messages"}) == set()


def test_garbage_is_looked_for_again_and_what_was_left_out_can_be_had() -> None:
    with swiftly():
        assert not gc.isenabled()
    assert gc.isenabled() and gc.get_freeze_count() > 0
    gc.unfreeze()
    import rich

    assert rich is not None
