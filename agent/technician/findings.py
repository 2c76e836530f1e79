"""What `framezero check` finds: values, and how they are told. Pure but for the printing, which is Rich's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from agent.printable import printable

Verdict = Literal["ok", "warning", "fault"]
_SIGNS = {"ok": ("✓ ok", "green"), "warning": ("! warning", "yellow"), "fault": ("✗ fault", "bold red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `code` names it for scripts, `mend` is the command or the line that mends it."""

    area: str
    verdict: Verdict
    code: str
    what: str
    mend: str = ""


def status(findings: Sequence[Finding]) -> int:
    """The exit status: 1 where there is a fault, 0 with warnings only."""
    return int(any(finding.verdict == "fault" for finding in findings))


def table(findings: Sequence[Finding]) -> Table:
    """The findings for a terminal, the worst first."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("area", no_wrap=True)
    grid.add_column("verdict", no_wrap=True)
    grid.add_column("found", overflow="fold")
    order = ["fault", "warning", "ok"]
    for finding in sorted(findings, key=lambda finding: order.index(finding.verdict)):
        sign, style = _SIGNS[finding.verdict]
        # Brokers, time servers and certificates have a word in it.
        told = Text(printable(finding.what))
        if finding.mend:
            told.append(f"\n→ {printable(finding.mend)}", "cyan")
        grid.add_row(finding.area, Text(sign, style), told)
    return grid
