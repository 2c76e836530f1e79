"""One way of logging for everything in a process: ours, the libraries', and what nobody caught."""

import logging
import sys
import threading
import traceback
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from agent.printable import printable

_TRACE_FRAMES = 20
_LINE_CHARS = 200_000  # events are logged whole, to be replayed as tests


def configure(stream: TextIO, *, as_json: bool | None = None, level: int = logging.INFO) -> None:
    """Send every log line to `stream`: one JSON object a line, or coloured text for people.

    With `as_json` None a terminal gets text and all else (systemd's journal, a pipe, a file) JSON. The terminal
    decides, not INVOCATION_ID or JOURNAL_STREAM: desktops hand those on to every shell in a terminal window.
    Replaces what was configured before, and catches what no one else does in threads and at the end of the program.
    """
    if as_json is None:
        as_json = not stream.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception_fields,
    ]
    last: list[Processor] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False)]
        if as_json
        else [_printable_fields, structlog.dev.ConsoleRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared[:-1], structlog.stdlib.ExtraAdder(), _exception_fields],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger("agent").critical("ended by an error nobody caught", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        name = args.thread.name if args.thread else "?"
        structlog.get_logger("agent").error("a thread ended by an error", thread_name=name, exc_info=args.exc_value)


def _printable_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Much of what is logged comes from outside; a terminal must not obey it."""
    return {key: printable(str(value), _LINE_CHARS) for key, value in event.items()}


def _exception_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into the fields `error` and `trace`, so that an exception stays one line."""
    found = event.pop("exc_info", None)
    if isinstance(found, tuple):
        found = found[1]
    elif found and not isinstance(found, BaseException):
        found = sys.exc_info()[1]
    if isinstance(found, BaseException):
        leaves = _leaves(found)
        event["error"] = " | ".join(_named(leaf) for leaf in leaves)
        event["trace"] = _trace(leaves[0])
    return event


def _leaves(error: BaseException) -> list[BaseException]:
    """What really happened: a task group's error only says that something did."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


def _named(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{text} (after {_named(cause)})" if cause else text


def _trace(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_TRACE_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
