"""What operators send as strict models (programs: `agent.programs`), and the way between bytes and models.

The texts of cues and programs come from outside: what does not fit is answered by a `Refusal`
that names the field, never by an exception that reaches a log as a traceback.
"""

import json
import re
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from agent.units import UtcUs, format_utc, parse_utc

WIRE_VERSIONS = (1,)
MAX_BODY_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 256 * 1024
"""An answer may carry a picture; every other message keeps to `MAX_BODY_BYTES`."""

MAX_LIFE_US = 31 * 86_400 * 1_000_000
MAX_DETAIL_CHARS = 500
MAX_DIGITS = 40
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))
MAX_FAULTS = 5
MAX_IDENTIFY_S = 600
MOST_PAGES = 8
UUID_PATTERN = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# What a schema can say of the texts that `parse_utc` reads.
_TIME_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$"
)
# What agent.printable leaves as it is: no control characters, no change of direction.
_REMARK_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]{1,64}$"
_FROM_WIRE = {"wire": True}


def _utc(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return parse_utc(value)
    if info.context == _FROM_WIRE:  # a bare number would leave its unit and epoch to guessing
        raise ValueError("a time is a text such as 2025-06-02T12:00:00.000000Z")
    return value


def _whole(value: Any) -> Any:
    if type(value) is not int:  # to Python `true` and 1.0 equal 1, and a Literal takes what equals it
        raise ValueError("Input should be 1")
    return value


WireTime = Annotated[
    UtcUs,
    BeforeValidator(_utc),
    PlainSerializer(format_utc, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIME_PATTERN}),
]
Version = Annotated[Literal[1], BeforeValidator(_whole), Field(description="The version of the messages.")]
Uuid = Annotated[str, StringConstraints(pattern=rf"^{UUID_PATTERN}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]
VenuePattern = Annotated[str, StringConstraints(pattern=r"^(\*|@?[a-z0-9-]{1,63})$")]
_PATTERNS_MEAN = {
    r"^[a-z0-9-]{1,63}$": "use up to 63 lower-case letters, digits and hyphens",
    r"^(\*|@?[a-z0-9-]{1,63})$": "a venue or an @group has up to 63 lower-case letters, digits and hyphens; * is all",
    r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$": "write the whole UUID, in lower case",
    _REMARK_PATTERN: "a line of 1 to 64 characters that can be printed",
    r"^mqtts?://[^/\s]+$": "write mqtts://host:8883, or mqtt://host:1883 in a lab",
    r"^[^/#+\s]+(/[^/#+\s]+)*$": "a topic without wildcards, such as framezero/v1",
    r"^(|\d+,\d+,\d+,\d+)$": "write x,y,width,height in pixels",
}
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Remark = Annotated[str, StringConstraints(pattern=_REMARK_PATTERN)]
By = Annotated[
    Remark | None,
    Field(description="Who sent it, such as `anna@control-hk`: in the sender's own word, which the signature covers."),
]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2000)]
Show = Annotated[Name, Field(description="The show that it belongs to; it counts for no venue of another.")]
Venues = Annotated[
    list[VenuePattern],
    Field(
        min_length=1,
        max_length=1000,
        description="Venue ids, `@group`, or `*` for all; whatever the topic says, only this counts.",
    ),
]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Positive = Annotated[int, Field(gt=0, lt=2**53)]


class Model(BaseModel):
    """Strict in and out: no coercion, no unknown field, no change after construction.

    The text below a field is its description in the schemas of deploy/interface.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Brief(Model):
    """What operators send: a field that says nothing is left out, for other readers refuse what they do not know."""

    @model_serializer(mode="wrap")
    def _said(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in whole(self).items() if value is not None}


class Refusal(Model):
    """Why something from outside is not taken: a code for machines, a sentence with the remedy for people."""

    code: str
    """For machines."""
    detail: str
    """For people, with the remedy."""


# --- cues ---------------------------------------------------------------------------------------


class Play(Model):
    """Show a program from the instant on; `from_us` is the position in it that is shown at the instant."""

    action: Literal["play"]
    program: Name
    rev: Positive
    """Which revision of the program: the cue pins it, so that a later one changes nothing."""
    loop: bool = False
    """Begin again at the end; without it the slate follows."""
    from_us: Count = 0
    """The position in the program, in microseconds, that is shown at the instant."""
    held: bool = False
    """Stand still on that position."""


class Stop(Model):
    """Show the slate."""

    action: Literal["stop"]


class Black(Model):
    """Show black."""

    action: Literal["black"]


class Cancel(Model):
    """Take another cue back, whether or not it has arrived yet."""

    action: Literal["cancel"]
    cue: Uuid
    """The id of the cue that is taken back."""


class Identify(Model):
    """Lay over the picture which wall this is and what time it is, for so long; what is shown stays as it was."""

    action: Literal["identify"]
    seconds: Annotated[int, Field(ge=1, le=MAX_IDENTIFY_S)]


Action = Annotated[Play | Stop | Black | Cancel | Identify, Field(discriminator="action")]


def _named(patterns: list[VenuePattern], venue: str, groups: tuple[str, ...]) -> bool:
    return any(p == "*" or p == venue or (p[0] == "@" and p[1:] in groups) for p in patterns)


class Cue(Brief):
    """What the named venues show from a UTC instant on."""

    v: Version
    cue: Uuid
    """A new one for each cue; the same id with the same bytes counts once, however often it comes."""
    show: Show
    venues: Venues
    at: WireTime
    """The instant from which on it holds; before `expires`."""
    issued: WireTime
    """When it was written."""
    expires: WireTime
    """From here on the cue exists for nobody; after `issued`, and at most 31 days after it."""
    do: Action
    by: By = None
    label: Remark | None = None
    """What the sender calls it, such as its number and name in a cue list; nothing on a wall hangs on it."""

    @model_validator(mode="after")
    def _life(self) -> Self:
        if not self.issued < self.expires <= self.issued + MAX_LIFE_US:
            raise ValueError("expires must lie after issued, and at most 31 days after it")
        if self.at >= self.expires:
            raise ValueError("at must lie before expires, or the cue would never be shown")
        return self

    def names(self, venue: str, groups: tuple[str, ...]) -> bool:
        """Whether this cue is meant for a venue with these groups."""
        return _named(self.venues, venue, groups)


# --- panic --------------------------------------------------------------------------------------


class Panic(Brief):
    """Black, or the slate, at once on the named venues, whatever was cued, until it is lifted."""

    v: Version
    panic: Uuid
    """A new one for each panic; its lift names it."""
    show: Show
    venues: Venues
    issued: WireTime
    """When it was written: of several panics the one that was issued last says what is shown."""
    to: Literal["black", "slate"]
    """What the wall shows until the lift."""
    by: By = None

    def names(self, venue: str, groups: tuple[str, ...]) -> bool:
        """Whether this panic is meant for a venue with these groups."""
        return _named(self.venues, venue, groups)


class Lift(Brief):
    """The panic of this id is over on the named venues."""

    v: Version
    lift: Uuid
    """The id of the panic that is over."""
    show: Show
    venues: Venues
    issued: WireTime
    """When it was written."""
    by: By = None

    def names(self, venue: str, groups: tuple[str, ...]) -> bool:
        """Whether this lift is meant for a venue with these groups."""
        return _named(self.venues, venue, groups)


# --- asks ---------------------------------------------------------------------------------------


class Ask(Brief):
    """What an operator wants to know at once; what a newer tool adds is passed over.

    It carries no signature, for it changes nothing. Who may ask, and who sees what is answered, is for the broker's
    access list to say.
    """

    model_config = ConfigDict(extra="ignore")

    v: Version
    ask: Uuid
    """A new one for each ask; the answer carries it."""
    want: Literal["poll", "shot", "asrun"]
    """`poll`: is this venue ready for a program. `shot`: a picture of what its wall shows. `asrun`: what was shown."""
    program: Name | None = None
    """What the poll is about; null: everything but films."""
    rev: Positive | None = None
    """Its revision; null: the newest that the venue knows."""
    width: Annotated[int, Field(ge=64, le=1920)] | None = None
    """With `shot`: the picture is at most so many pixels wide, and high; null: 1280."""
    issued: WireTime | None = None
    """When it was written: an ask that was under way for more than a minute is not answered any more."""
    since: WireTime | None = None
    """With `asrun`: the records whose `due` is this or later; null: from the first on."""
    until: WireTime | None = None
    """With `asrun`: the records whose `due` is earlier than this; null: to the last."""
    after: Count = 0
    """With `asrun`: the records whose `seq` is greater: `next` of the page before."""
    book: Uuid | None = None
    """With `asrun`: the book that `after` is of; where the venue has begun another since, `after` is taken for 0."""
    pages: Annotated[int, Field(ge=1, le=MOST_PAGES)] = 1
    """With `asrun`: how many pages may come, each in an answer of its own, before the next ask."""


# --- bytes ↔ models -----------------------------------------------------------------------------

M = TypeVar("M", bound=BaseModel)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    """No integer of ours has more; a longer one would break whoever reckons with it as a float."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits; at most {MAX_DIGITS} are read")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the field {key!r} stands twice")
        found[key] = value
    return found


def decode(model: type[M], data: bytes, most_bytes: int | None = None) -> M | Refusal:
    """Read one message from outside: strict JSON (no duplicate key, no NaN), then the model.

    Of at most so many bytes; without a number, of `MAX_BODY_BYTES`, which the tests of threats lift.
    """
    most_bytes = MAX_BODY_BYTES if most_bytes is None else most_bytes
    if len(data) > most_bytes:
        return Refusal(code="size", detail=f"{len(data)} bytes; a message has at most {most_bytes}")
    try:
        parsed = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        return Refusal(code="schema", detail=_short(f"not JSON: {error}"))
    if "v" in model.model_fields and isinstance(parsed, dict) and (other := _other_version(parsed.get("v"))):
        return Refusal(code="version", detail=other)
    try:
        return model.model_validate(parsed, context=_FROM_WIRE)
    except ValidationError as error:
        return Refusal(code="schema", detail=explain(error))


def decode_often(model: type[M], data: bytes) -> M | Refusal:
    """As `decode`, in half the time, for what comes a thousand times a second and decides nothing.

    Of a field that stands twice it takes the last one; every other fault is found and told as there.
    """
    if len(data) > MAX_BODY_BYTES or _LONG_NUMBER.search(data):
        return decode(model, data)
    try:
        return model.model_validate_json(data, strict=True, context=_FROM_WIRE)
    except ValidationError:
        return decode(model, data)


def _other_version(v: Any) -> str:
    """What to do about a message of a version that is not read here; empty for ours and for what is no version."""
    if type(v) is not int or v in WIRE_VERSIONS:
        return ""
    ours = ", ".join(str(version) for version in WIRE_VERSIONS)
    return _short(f"v: {v} is not read here, only {ours}; bring agent and sender to the same version of framezero")


def in_words(said: str) -> str:
    """What pydantic says of a value, for people: a name for each of our patterns, in the place of the expression."""
    pattern = said.removeprefix("String should match pattern '").removesuffix("'")
    return _PATTERNS_MEAN.get(pattern) or said.removeprefix("Value error, ")


def explain(error: ValidationError) -> str:
    """The faults of a text from outside in one sentence, each with the field it is in.

    The sentence travels in an ack, so neither many faults nor long names may blow it up.
    """
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    parts = []
    for fault in faults[:MAX_FAULTS]:
        field = ".".join(str(step)[:80] for step in fault["loc"]) or "message"
        parts.append(f"{field}: {in_words(fault['msg'])}")
    if len(faults) > MAX_FAULTS:
        parts.append(f"and {len(faults) - MAX_FAULTS} more")
    return _short("; ".join(parts))


def _short(text: str) -> str:
    return text if len(text) <= MAX_DETAIL_CHARS else f"{text[: MAX_DETAIL_CHARS - 1]}…"


def encode(message: BaseModel) -> bytes:
    """Write a message as it travels."""
    return message.model_dump_json().encode()
