import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from agent import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    kept = (root.handlers, root.level, sys.excepthook)
    yield
    root.handlers, root.level, sys.excepthook = kept
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_pipe_gets_one_json_object_a_line_in_utc() -> None:
    stream = io.StringIO()
    log.configure(stream)
    structlog.get_logger("agent.cache").info("film is there", name="鯉.mp4", size=3)
    [line] = lines(stream)
    assert line["event"] == "film is there"
    assert (line["name"], line["size"], line["level"], line["logger"]) == ("鯉.mp4", 3, "info", "agent.cache")
    assert line["timestamp"].endswith("Z")


def test_a_terminal_gets_text_even_where_systemd_left_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOCATION_ID", "x")
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    stream = Terminal()
    log.configure(stream)
    structlog.get_logger().warning("display absent", name=":0")
    assert "display absent" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize("as_json", [True, False])
def test_the_form_can_be_forced(as_json: bool) -> None:
    stream = Terminal() if as_json else io.StringIO()
    log.configure(stream, as_json=as_json)
    structlog.get_logger().info("hello")
    assert stream.getvalue().startswith("{") is as_json


def test_libraries_log_in_the_same_form_with_their_arguments_and_extras() -> None:
    stream = io.StringIO()
    log.configure(stream)
    logging.getLogger("aiomqtt").warning("lost %s", "broker", extra={"attempt": 2})
    [line] = lines(stream)
    assert (line["event"], line["logger"], line["level"], line["attempt"]) == ("lost broker", "aiomqtt", "warning", 2)


def test_what_is_below_the_level_is_silent() -> None:
    stream = io.StringIO()
    log.configure(stream, level=logging.WARNING)
    structlog.get_logger().info("no")
    logging.getLogger("aiohttp").info("no")
    assert stream.getvalue() == ""


def test_loggers_made_before_configuring_follow_it() -> None:
    early = structlog.get_logger()
    stream = io.StringIO()
    log.configure(stream)
    early.info("hello")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("ours", [True, False])
def test_an_exception_is_one_line_with_its_stack_as_a_field(as_json: bool, ours: bool) -> None:
    stream = io.StringIO()
    log.configure(stream, as_json=as_json)
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        (structlog.get_logger() if ours else logging.getLogger("asyncio")).exception("failed")
    assert len(stream.getvalue().splitlines()) == 1
    if as_json:
        [line] = lines(stream)
        assert line["error"] == "ValueError: second (after KeyError: 'first')"
        assert any("test_log.py:" in frame for frame in line["trace"])


def test_a_group_of_exceptions_says_what_happened() -> None:
    stream = io.StringIO()
    log.configure(stream)

    async def fail() -> None:
        raise OSError("disk gone")

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    try:
        asyncio.run(group())
    except* OSError as errors:
        structlog.get_logger().error("ended", exc_info=errors)
    [line] = lines(stream)
    assert line["error"] == "OSError: disk gone"
    assert any(" fail" in frame for frame in line["trace"])


def test_an_exception_given_as_an_object_of_another_time_is_shown() -> None:
    stream = io.StringIO()
    log.configure(stream)
    structlog.get_logger().error("told later", exc_info=ValueError("x"))
    structlog.get_logger().info("none", exc_info=True)
    first, second = lines(stream)
    assert (first["error"], first["trace"]) == ("ValueError: x", [])
    assert "error" not in second


UNCAUGHT = """
import sys, threading, asyncio, warnings
from agent import log
log.configure(sys.stderr)
async def fail():
    raise ValueError("in a task")
async def main():
    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0.01)
    del task
asyncio.run(main())
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
warnings.warn("old habit")
raise RuntimeError("in the main program\\nsecond line")
"""


def test_what_nobody_caught_is_one_json_line_each_and_the_program_still_fails() -> None:
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line.get("error") for line in told] == [
        "ValueError: in a task",
        "ZeroDivisionError: division by zero",
        None,
        "RuntimeError: in the main program\nsecond line",
    ]
    assert told[1]["thread_name"] == "worker"
    assert "old habit" in told[2]["event"]
    assert told[3]["level"] == "critical"


def test_ctrl_c_leaves_no_line() -> None:
    program = "import sys; from agent import log; log.configure(sys.stderr); raise KeyboardInterrupt"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    assert done.returncode != 0
