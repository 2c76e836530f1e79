"""The runbook is true: it knows every code that can be said, and every command, option, file and unit in it exists."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from spoken import KINDS, REPOSITORY, said

from agent.cli import tree

DEPLOY = REPOSITORY / "deploy"
RUNBOOK = DEPLOY / "runbook.md"
PAGES = [REPOSITORY / "README.md", *sorted(DEPLOY.glob("*.md"))]
SPOKEN = said()
INSTALLER = "\n".join(path.read_text("utf-8") for path in (DEPLOY / "installer").glob("*.sh"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
UNIT = re.compile(r"\bframezero[\w@-]*\.(?:service|timer|socket|target|path)\b")
PLACE = re.compile(r"(?<![\w/.~-])(?:agent|deploy|systemd|tests)/[\w@./*-]*[\w*]")


def named(kind: str) -> list[str]:
    """The codes in the first column of the runbook's tables whose head names this kind."""
    found: list[str] = []
    inside = False
    for line in RUNBOOK.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        inside = bool(cells) and (inside or cells[0] == kind)
        if inside:
            found += INLINE.findall(cells[0])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_code_has_its_line_in_the_runbook_and_no_other_has(kind: str) -> None:
    codes = named(kind)
    lacking, invented = SPOKEN[kind] - {*codes}, {*codes} - SPOKEN[kind]
    twice = {code for code in codes if codes.count(code) > 1}
    assert not twice, f"deploy/runbook.md, table '{kind}': two answers to {', '.join(sorted(twice))}"
    assert not lacking, f"deploy/runbook.md, table '{kind}': a line is missing for {', '.join(sorted(lacking))}"
    assert not invented, f"deploy/runbook.md, table '{kind}': nothing says {', '.join(sorted(invented))} any more"


def test_the_codes_are_found_wherever_they_are_said() -> None:
    """One that is a keyword, one of a helper, one of a constant, one of a pair, one of a table, one of a choice."""
    assert {"clock_bound", "player_hung", "cache_later", "too_late", "kiss_deny", "player_died"} <= SPOKEN["reason"]
    assert {"udp_blocked", "key_expired", "agent_silent", "film_tight"} <= SPOKEN["finding"]


def test_every_line_of_the_log_that_is_explained_is_written_somewhere() -> None:
    """By its text in the source, as it stands between quotation marks."""
    source = "\n".join(path.read_text("utf-8") for path in (REPOSITORY / "agent").rglob("*.py"))
    events = [line.partition(": ")[0] if "=" in line else line for line in named("line")]  # with fields, or without
    wrong = [event for event in events if f'"{event}"' not in source]
    assert named("line") and not wrong, f"no such line in the log any more: {', '.join(sorted(wrong))}"


# --- commands --------------------------------------------------------------------------------------


def commands(text: str) -> Iterator[list[str]]:
    """The words of each framezero command of a page, in its blocks and in its sentences, from `framezero` on."""
    for language, block in FENCE.findall(text):
        if language in ("sh", "ini", "toml", "yaml"):
            for line in block.replace("\\\n", " ").splitlines():
                yield from _commands(line.split(" #")[0].strip())
    for span in INLINE.findall(FENCE.sub("", text)):
        yield from _commands(span)


def _commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&()<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:  # an apostrophe: no line for a shell
        return
    for place, word in enumerate(words):
        begins = place == 0 or words[place - 1] in ("sudo", ";", "&&", "|", "(") or "=" in words[place - 1]
        if begins and word.rpartition("/")[2] == "framezero" and place + 1 < len(words):
            end = next((k for k in range(place, len(words)) if words[k] in (";", "&&", "|", ")", ">", "2", "&")), None)
            yield words[place + 1 : end]


@cache
def framezero() -> Any:
    """The whole tree of commands, as Typer has it: each has `params`, and a group has `commands`."""
    return tree("")


def faults(words: list[str]) -> Iterator[str]:
    """What framezero would not understand in these words, which may have `a|b` for what is left to choose."""
    command, rest = framezero(), list(words)
    while rest and rest[0][:1].isalpha() and hasattr(command, "commands"):
        choices = rest.pop(0).split("|")
        unknown = [choice for choice in choices if choice not in command.commands]
        if unknown:
            yield f"no command {unknown[0]!r}"
            return
        command = command.commands[choices[0]]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    for word in rest:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            yield f"no option {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    wrong = [f"framezero {' '.join(words)}: {fault}" for words in commands(text) for fault in faults(words)]
    assert not wrong, "\n".join(wrong)


def test_a_command_that_does_not_exist_is_found() -> None:
    def told(line: str) -> list[str]:
        return [fault for words in _commands(line) for fault in faults(words)]

    assert told("sudo framezero cue pley winners-reel --in 30s") == ["no command 'pley'"]
    assert told("/opt/framezero/current/bin/framezero check --no-film") == ["no option --no-film"]
    assert told("framezero cue stop|black|hold --in 5s && framezero status --watch") == []


# --- files and units -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = page if not file else page.parent / file
        assert path.exists(), f"{page.name}: {target} is not there"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{page.name}: {target}: no such heading"


def anchors(page: Path) -> set[str]:
    """The headings of a page as their links are written: lower case, hyphens, no punctuation."""
    text = FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_unit_that_is_named_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    code = "\n".join([block for _, block in FENCE.findall(text)] + INLINE.findall(FENCE.sub("", text)))
    for place in set(PLACE.findall(code)):
        assert list(REPOSITORY.glob(place)), f"{page.name}: {place} is not there"
    for unit in set(UNIT.findall(code)):
        # One unit is no file: the installer has systemd make it for as long as it switches versions.
        known = (REPOSITORY / "systemd" / unit).exists() or unit in INSTALLER
        assert known, f"{page.name}: no unit {unit} in systemd/, nor in deploy/installer"
    for line in re.findall(r"systemctl [^\n`]*", code):
        for name in re.findall(r"(?<![\w/'-])framezero[\w@-]*", line):
            template = re.sub(r"@[\w-]+$", "@", name)
            assert list((REPOSITORY / "systemd").glob(f"{template}.*")), f"{page.name}: no unit {name} in systemd/"
