"""What venues have answered to asks, this tool's and others', in a memory that does not grow. Pure."""

from agent.answered import Answer, AsRunPage

MOST_ANSWERS = 20_000
"""A tool that listens for weeks forgets the answers to the oldest asks: so many are those of two polls of a fleet."""

MOST_SHOT_BYTES = 32 << 20
"""What pictures take as they came; a tool that listens for weeks hears those that others ask for as well."""


class Replies:
    """The answers of all venues, by ask."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Answer]] = {}  # id of the ask → venue → its answer, without pages
        self.pages: dict[tuple[str, str], dict[int, AsRunPage]] = {}  # ask, venue that is waited for → number → page
        self._count = 0  # so many answers are kept at most; counted anew when it is too many
        self._shot_sizes: dict[str, int] = {}  # id of the ask → what the pictures for it take
        self._shot_bytes = 0

    def take(self, venue: str, answer: Answer, size: int) -> None:
        """Note an answer that came in `size` bytes.

        Pictures for the newest ask are all kept, for a fleet may answer it; older ones only while there is room. Pages
        of as-run records are kept for those who wait for them, and nobody else's.
        """
        if answer.asrun is not None:
            if (awaited := self.pages.get((answer.ask, venue))) is not None:
                awaited[answer.asrun.page] = answer.asrun
            answer = answer.model_copy(update={"asrun": None})
        self.answers.setdefault(answer.ask, {}).setdefault(venue, answer)
        if answer.shot is not None:
            self._shot_sizes[answer.ask] = self._shot_sizes.get(answer.ask, 0) + size
            self._shot_bytes += size
            while len(self._shot_sizes) > 1 and self._shot_bytes > MOST_SHOT_BYTES:
                self.forget(next(iter(self._shot_sizes)))
        self._bound()

    def forget(self, ask: str) -> None:
        """Whoever asked has what it wanted."""
        self.answers.pop(ask, None)
        self._shot_bytes -= self._shot_sizes.pop(ask, 0)

    def _bound(self) -> None:
        """Whoever asked takes what it wanted and says so; what others ask for nobody here takes."""
        self._count += 1
        if self._count <= MOST_ANSWERS:
            return
        while (left := sum(map(len, self.answers.values()))) > MOST_ANSWERS // 2 and len(self.answers) > 1:
            self.forget(next(iter(self.answers)))
        self._count = left
