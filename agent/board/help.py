"""The keys, on a sheet over the page: `?` brings it, any press takes it away."""

from agent.board.parts import Bit

_LOOKING = (("/", "filter the venues"), ("?", "this sheet"))
_HANDS = (
    ("space", "GO: send what is in standby"),
    ("↑ ↓", "move standby"),
    ("h", "hold: stand still, in sync"),
    ("r", "resume: play on"),
    ("b", "black"),
    ("s", "stop: the slate"),
    ("hold p", "PANIC: all walls black, at once"),
    ("hold l", "lift the panic"),
)


class Help:
    """The sheet; it is a native dialog's worth of keys, opened and closed in the browser alone."""

    def __init__(self, hands: bool) -> None:
        # Wholly the browser's: help must come while the board is away, too.
        opener = Bit("fz-help-open", "?", "button", type="button", data_key="?", aria_label="help: the keys")
        opener.on("click", js_handler="() => document.querySelector('.fz-help').showModal()")
        sheet = Bit("fz-help", tag="dialog", aria_label="keys")
        sheet.on("click", js_handler="(event) => event.currentTarget.close()")
        with sheet:
            Bit("fz-label", "KEYS", "h2")
            with Bit("fz-keys", tag="dl"):
                for key, means in (*(_HANDS if hands else ()), *_LOOKING):
                    with Bit("", tag="dt"):
                        Bit("fz-key", key, "kbd")
                    Bit("", means, "dd")
            Bit("fz-nothing", "Keys do nothing while you type. Esc closes this.")
