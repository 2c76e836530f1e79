"""The bits that the page is put together from, thin over NiceGUI.

Everything from outside goes into an element as its text or as an attribute, never as HTML.
"""

from collections.abc import Callable
from typing import Any

from nicegui import events
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from agent.board.plots import HEIGHT, WIDTH


class Bit(TextElement):
    """An HTML element with a text; the browser hears of it only when something about it changes."""

    def __init__(self, classes: str = "", text: str = "", tag: str = "div", **attributes: str) -> None:
        super().__init__(tag=tag, text=text)
        self.classes(classes)
        self._fixed = classes
        self._kind = ""
        for name, value in attributes.items():
            self.props[name.rstrip("_").replace("_", "-")] = value

    def say(self, text: str) -> None:
        """Show this text."""
        self.text = text

    def kind(self, kind: str) -> None:
        """Be of this kind (a further class), instead of the last one."""
        if kind != self._kind:
            self._kind = kind
            self.classes(replace=f"{self._fixed} {kind}")

    def attribute(self, name: str, value: str | None) -> None:
        """Give it this attribute, or none."""
        if self.props.get(name) != value:
            self.props.set_optional(name, value)

    def shown(self, shown: bool) -> None:
        """Be there or not."""
        if self.visible != shown:
            self.set_visibility(shown)


class Press(Bit):
    """A button whose press goes through `framezero.press`: only while the page is live, and with its instant."""

    def __init__(self, classes: str, text: str, pressed: Callable[[dict[str, Any]], Any], key: str = "") -> None:
        super().__init__(f"fz-button {classes}", text, "button", type="button")
        if key:
            self.props["data-key"] = key

        def take(event: events.GenericEventArguments) -> Any:
            return pressed(event.args)

        self.on("click", take, js_handler="(event) => framezero.press(emit, event.currentTarget)")


class Countdown(Element, component="countdown.js"):
    """A countdown to an instant, or the time of day (`clock`), by the house clock and drawn by the browser."""

    def __init__(self, classes: str, *, idle: str = "", clock: bool = False) -> None:
        super().__init__()
        self.classes(classes)
        self.props["idle"], self.props["clock"] = idle, clock

    def to(self, due_us: int | None) -> None:
        """Count down to this instant, in UTC microseconds."""
        if self.props.get("due_us") != due_us:
            self.props.set_optional("due_us", due_us)

    def title(self, title: str) -> None:
        """What the browser's tab says before the rest of the time."""
        if self.props.get("title") != title:
            self.props["title"] = title


class HoldFire(Element, component="holdfire.js"):
    """A button that fires only when it is held for `seconds`, by mouse, touch or its key."""

    def __init__(self, label: str, hint: str, seconds: float, key: str, fired: Callable[[dict[str, Any]], Any]) -> None:
        super().__init__()
        self.props.update(label=label, hint=hint, seconds=seconds, hotkey=key)

        def take(event: events.GenericEventArguments) -> Any:
            return fired(event.args)

        self.on("fire", take)

    def hint(self, hint: str) -> None:
        """What it says below its name."""
        if self.props.get("hint") != hint:
            self.props["hint"] = hint


class Pulse(Element, component="pulse.js"):
    """The board's heartbeat: without it the page says that it is not live."""

    def beat(self, seen: str) -> None:
        """Tell that the board lives; `seen` is the time that it shows."""
        if self.props.get("seen") != seen:
            self.props["seen"] = seen


class Plot(Element):
    """A picture of paths, stretched over its place."""

    def __init__(self, classes: str, words: str) -> None:
        super().__init__("svg")
        self.classes(classes)
        self.props.update(
            {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "preserveAspectRatio": "none", "role": "img", "aria-label": words}
        )

    def path(self, classes: str, drawn: str = "") -> "Path":
        """A path in it."""
        with self:
            return Path(classes, drawn)


class Path(Element):
    """A path of a plot."""

    def __init__(self, classes: str, drawn: str) -> None:
        super().__init__("path")
        self.classes(classes)
        self.props["d"] = drawn

    def draw(self, drawn: str) -> None:
        """Draw this instead."""
        if self.props["d"] != drawn:
            self.props["d"] = drawn
