"""Programs: which films are shown in which order, as messages of the wire."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic.config import JsonDict

from agent.messages import Count, Model, Name, Positive, Sha256, Show, Text, Url, VenuePattern, Version, WireTime
from agent.units import MediaUs, frames_to_us, parse_rate

MIN_ITEM_US = 2_000_000
# What a schema can say of the texts that `parse_rate` reads.
_RATE_PATTERN = r"^(?!0+(/|$))[0-9]{1,7}(/(?!0+$)[0-9]{1,7})?$"


def _rate(value: Any) -> Any:
    if isinstance(value, str):  # anything else is refused by the type, with its own words
        parse_rate(value)
    return value


Rate = Annotated[
    str,
    StringConstraints(max_length=15),
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": _RATE_PATTERN, "maxLength": 15}),
]
Urls = Annotated[list[Url], Field(min_length=1, max_length=8, description="Where it may be had, tried in this order.")]


class Variant(Model):
    """The same film, frame for frame, in another encode for one venue or @group.

    `sound` null is as the item has it. `begins_us`: see Item.
    """

    sha256: Sha256
    """Of the file: what was fetched counts if it has this hash, wherever it came from."""
    size: Positive
    """In bytes."""
    codec: Text | None = None
    width: Positive
    height: Positive
    sound: bool | None = None
    begins_us: Count | None = None
    urls: Urls


_RATED: JsonDict = {
    "required": ["fps", "frames"],
    "properties": {"fps": {"type": "string"}, "frames": {"type": "integer"}, "duration_us": {"type": "null"}},
}
_TIMED: JsonDict = {
    "required": ["duration_us"],
    "properties": {
        "fps": {"type": "null"},
        "frames": {"type": "null"},
        "duration_us": {"type": "integer", "minimum": MIN_ITEM_US},
    },
}


class Item(Model):
    """One film of a program.

    A still, or a film of variable frame rate, has `duration_us` instead of `fps` and `frames`. `begins_us` is the
    file's own time stamp of its first frame, which need not be 0 (sound before it, no edit list); null: not looked at.
    """

    # What `_length` asks for, as far as a schema can say it.
    model_config = ConfigDict(json_schema_extra={"oneOf": [_RATED, _TIMED]})

    name: Text
    """For people and logs."""
    sha256: Sha256
    """Of the file: what was fetched counts if it has this hash, wherever it came from."""
    size: Positive
    """In bytes."""
    codec: Text
    """As ffprobe calls it."""
    width: Positive
    height: Positive
    fps: Rate | None = None
    """Frames per second as a rational, at most 240."""
    frames: Positive | None = None
    duration_us: Positive | None = None
    sound: bool
    begins_us: Count | None = None
    urls: Urls
    variants: Annotated[dict[VenuePattern, Variant], Field(json_schema_extra={"additionalProperties": False})] = Field(
        default={}
    )
    """By venue id or `@group`; a venue's own goes before its groups', and those before the item itself."""

    @model_validator(mode="after")
    def _length(self) -> Self:
        if (self.fps is None) != (self.frames is None) or (self.fps is None) == (self.duration_us is None):
            raise ValueError("an item has either fps and frames, or duration_us")
        if self.length_us < MIN_ITEM_US:
            raise ValueError("an item is at least 2 s long")
        return self

    @property
    def length_us(self) -> MediaUs:
        """How long the item lasts."""
        if self.fps is not None and self.frames is not None:
            return frames_to_us(self.frames, parse_rate(self.fps))
        return MediaUs(self.duration_us or 0)

    def for_venue(self, venue: str, groups: tuple[str, ...]) -> "Item | Variant":
        """The encode that a venue plays: its own variant, else a group's, else the item itself."""
        for key in (venue, *(f"@{group}" for group in groups)):
            if key in self.variants:
                return self.variants[key]
        return self


class Program(Model):
    """Films in order. Immutable: a change is the next `rev`."""

    v: Version
    program: Name
    rev: Positive
    """Its revision: what was published under one never changes."""
    show: Show
    issued: WireTime
    """When it was written."""
    items: Annotated[list[Item], Field(min_length=1, max_length=1000)]
