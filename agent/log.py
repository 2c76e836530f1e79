"""One way of logging for everything in a process: ours, the libraries', and what nobody caught."""

import json
import logging
import sys
import threading
import traceback
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from agent.journald import Journal, encode, field_name
from agent.printable import printable

IDENTIFIER = "framezero"
_TRACE_FRAMES = 20
_LINE_CHARS = 200_000  # events are logged whole, to be replayed as tests
_MESSAGE_CHARS = 1000
_PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3", "critical": "2"}
"""As syslog numbers them (RFC 5424, section 6.2.1)."""


def configure(
    stream: TextIO, *, as_json: bool | None = None, level: int = logging.INFO, journal: Journal | None = None
) -> None:
    """Send every log line to `stream`: one JSON object a line, or coloured text for people.

    With `as_json` None a terminal gets text and all else (a pipe, a file) JSON. The terminal decides, not
    INVOCATION_ID or JOURNAL_STREAM: desktops hand those on to every shell in a terminal window. With `journal`
    each line is an entry there, with each of its fields, and reaches `stream` only where the journal is not to be had.
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

    def formatter(*last: Processor) -> structlog.stdlib.ProcessorFormatter:
        return structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared[:-1], structlog.stdlib.ExtraAdder(), _exception_fields],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )

    handler = (
        logging.StreamHandler(stream) if journal is None else _Entries(stream, journal, formatter(_journal_fields))
    )
    handler.setFormatter(formatter(*last))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class _Entries(logging.StreamHandler[TextIO]):
    """Entries for the journal, and lines for the stream where there is none."""

    def __init__(self, stream: TextIO, journal: Journal, fields: logging.Formatter) -> None:
        super().__init__(stream)
        self._journal = journal
        self._fields = fields

    def emit(self, record: logging.LogRecord) -> None:
        try:
            taken = self._journal.send(self._fields.format(record).encode("latin-1"))
        except Exception:
            self.handleError(record)
        else:
            if not taken:
                super().emit(record)

    def close(self) -> None:
        self._journal.close()
        super().close()


def _journal_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """An entry with the fields that journalctl knows, and each of ours (systemd.journal-fields(7)).

    As latin-1, for a formatter can hand over nothing but a text.
    MESSAGE is what a person reads, so the values stand in it too, as far as they go into a line.
    """
    level = event.pop("level", "")
    event.pop("timestamp", None)  # the journal has its own, and trusts no other
    said = str(event.get("event", ""))
    values = {key: _value(value) for key, value in event.items() if value is not None}
    tail = " ".join(f"{key}={text}" for key, text in values.items() if key not in ("event", "logger", "trace"))
    fields = {
        "MESSAGE": printable(f"{said}: {tail}" if tail else said, _MESSAGE_CHARS),
        "PRIORITY": _PRIORITIES.get(level, "6"),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        **{field_name(f"framezero_{key}"): text for key, text in values.items()},
    }
    return encode(fields).decode("latin-1")


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return json.dumps(value, default=repr, ensure_ascii=False)


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
