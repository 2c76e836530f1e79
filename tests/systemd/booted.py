"""Machines for tests: booted by them, gone with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import roots
from machine import Machine

from agent.lab.processes import Processes


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of this module's own, switched off: write onto its disk, then `machine.boot()`."""
    obstacle = roots.obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    folder = tmp_path_factory.mktemp("machine")
    with Processes(folder / "logs") as processes, Machine(processes, folder / "player", roots.root()) as made:
        yield made


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploy/wheelhouse makes of this clone for a machine, as it comes on a stick."""
    return roots.bundle(tmp_path_factory.mktemp("stick") / "framezero")
