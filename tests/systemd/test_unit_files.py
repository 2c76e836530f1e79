"""The units as the systemd of Debian 12 (252) and that of Debian 13 (257) read them, and how exposed they are.

Each reads them in a root of its Debian, in which whatever a unit names is there: `verify` complains of what is not.
What the units do stands in the tests of the machine; here is what can be told without booting anything.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import roots

from agent.config import CREDENTIALS
from agent.lab.processes import LabError

CLONE = Path(__file__).parents[2]
UNITS = CLONE / "systemd"
AGENTS = ("framezero.service", "framezero@.service")
SERVICES = sorted(file.name for file in UNITS.glob("*.service"))
DROP_INS = sorted(str(file.relative_to(UNITS)) for file in UNITS.glob("*.service.d/*.conf"))
MOST_EXPOSED = 2.0
OF_OTHERS = ("chrony.service", "chrony-wait.service", "apt-daily.service", "apt-daily-upgrade.service")
NAMED = (
    "/opt/framezero/current/bin/framezero",
    "/opt/framezero/current/share/framezero/deploy/kiosk",
    "/usr/bin/Xorg",
    "/usr/sbin/chronyd",
    "/usr/bin/chronyc",
    "/usr/lib/apt/apt.systemd.daily",
    "/usr/lib/apt/apt-helper",
)

OVERLAY = """\
mount -t overlay overlay -o "lowerdir=$1:$2" "$3"
mount -t proc proc "$3/proc"
for folder in run tmp; do mount -t tmpfs tmpfs "$3/$folder"; done
exec env SYSTEMD_COLORS=0 chroot "${@:3}"
"""

pytestmark = pytest.mark.timeout(roots.MAKE_S)

Run = Callable[..., subprocess.CompletedProcess[str]]


def furnish(layer: Path, root: Path) -> None:
    """Lay the units, and stand-ins for what they name and the root lacks, above it."""
    for name in NAMED:
        if not (root / name.lstrip("/")).exists():
            put(layer / name.lstrip("/"), "#!/bin/sh\n").chmod(0o755)
    for file in UNITS.rglob("*"):
        if file.is_file():
            put(layer / "etc/systemd/system" / file.relative_to(UNITS), file.read_text())
    for name in OF_OTHERS:
        if not (root / "usr/lib/systemd/system" / name).exists():
            put(layer / "etc/systemd/system" / name, "[Service]\nExecStart=/bin/true\n")


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def layer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What lies above the root of a Debian, and that root."""
    obstacle = roots.obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    try:
        # Debian 12's is the one that machines are booted from: it need not be made twice.
        root = roots.root() if request.param == "bookworm" else roots.root(request.param, ["systemd"])
    except LabError as error:
        if request.param == "bookworm":
            raise
        pytest.skip(f"no Debian 13 to be had here: {error}")
    upper = tmp_path_factory.mktemp(request.param)
    furnish(upper, root)
    return upper, root


@pytest.fixture
def inside(layer: tuple[Path, Path], tmp_path: Path) -> Run:
    """Run a command in that Debian, with the units in place; nothing of it is booted."""
    mount = tmp_path / "root"
    mount.mkdir()

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        hold = ["unshare", "--mount", "--pid", "--fork", "--propagation", "private", "bash", "-ec", OVERLAY, "overlay"]
        places = [str(place) for place in (*layer, mount)]
        return subprocess.run([*hold, *places, *argv], capture_output=True, text=True, check=False, timeout=120)

    return run


def complaints(said: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in (said.stdout + said.stderr).splitlines() if line.strip()]


def place(inside: Run, unit: str) -> str:
    """Where systemd finds a unit; a template's first instance, for `verify` looks at that."""
    found = [f"/{folder}/systemd/system/{unit}" for folder in ("etc", "usr/lib")]
    return next(path for path in found if inside("test", "-e", path).returncode == 0).replace("@.", "@left.")


@pytest.mark.parametrize("unit", [*SERVICES, *OF_OTHERS])
def test_systemd_has_nothing_to_complain_of(inside: Run, unit: str) -> None:
    said = inside("systemd-analyze", "verify", "--man=no", place(inside, unit))
    assert (complaints(said), said.returncode) == ([], 0)


@pytest.mark.parametrize("file", ["framezero.service", "chrony.service.d/framezero.conf"])
def test_this_test_can_fail(layer: tuple[Path, Path], inside: Run, file: str) -> None:
    placed = layer[0] / "etc/systemd/system" / file
    kept = placed.read_text()
    placed.write_text(kept.replace("[Service]", "[Service]\nRestartStepsize=3"))
    said = inside("systemd-analyze", "verify", "--man=no", place(inside, file.partition(".d/")[0]))
    placed.write_text(kept)
    assert "RestartStepsize" in "".join(complaints(said))


@pytest.mark.parametrize("unit", AGENTS)
def test_an_agent_is_exposed_by_no_more_than_it_must(
    inside: Run, unit: str, record_property: Callable[[str, object], None]
) -> None:
    said = inside("systemd-analyze", "security", "--no-pager", "--offline=true", place(inside, unit))
    version = inside("systemctl", "--version").stdout.split()[1]
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", said.stdout)
    assert found is not None, said.stderr
    exposed = float(found[1])
    record_property(
        "figure", f"systemd-analyze security {unit} (systemd {version}): {exposed} (at most {MOST_EXPOSED})"
    )
    assert 0 < exposed <= MOST_EXPOSED


def settings(unit: str) -> list[str]:
    """What a unit says to systemd, without the words for people."""
    lines = (UNITS / unit).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_one_of_several_agents_differs_from_a_single_one_only_in_where_its_files_are() -> None:
    single, several = settings("framezero.service"), settings("framezero@.service")
    differing = [(a, b) for a, b in zip(single, several, strict=True) if a != b]
    assert all("%i" in b for _, b in differing)
    keys = [a.partition("=")[0] for a, _ in differing]
    assert keys == [
        "Description",
        "ConditionPathExists",
        "ExecStart",
        *("StateDirectory", "CacheDirectory", "RuntimeDirectory"),
        "Environment",
        *("LoadCredential", "LoadCredential", "LoadCredential"),
    ]


def test_whatever_the_agent_takes_as_a_credential_is_loaded() -> None:
    for unit in AGENTS:
        loaded = [line.partition("=")[2] for line in settings(unit) if line.startswith("LoadCredential=")]
        assert {name.partition(":")[0] for name in loaded} == set(CREDENTIALS)


def test_nothing_that_an_agent_can_do_without_keeps_it_from_starting() -> None:
    for unit in AGENTS:
        keys = {line.partition("=")[0] for line in settings(unit)}
        assert keys.isdisjoint(
            {"Requires", "Requisite", "BindsTo", "PartOf", "SupplementaryGroups", "AssertPathExists"}
        )
        assert not any(line.startswith("After=") and "network-online" in line for line in settings(unit))
        assert "StartLimitIntervalSec=0" in settings(unit)[: settings(unit).index("[Service]")], "of [Unit]"
