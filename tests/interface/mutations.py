"""Odd messages made from good ones: what an enemy, a bad library or a bad line makes of them. The same for a seed."""

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

Tree = Any
"""JSON as Python has it, but for objects, which are `Pairs`, and for what no JSON writer writes, which is `Raw`."""

LONGEST = 300_000
"""About so many characters a list may have in which all stands many times; a message has 64 KiB at most."""


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may stand twice."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A text that stands in the message as it is."""

    text: str


def read(text: bytes) -> Tree:
    """A good message as a tree that can be bent."""
    return json.loads(text, object_pairs_hook=Pairs)


def write(tree: Tree, rng: Random) -> bytes:
    """A bent tree as bytes, spaced in one of several ways."""
    gap = rng.choice(("", " ", "\n\t"))
    return _text(tree, gap, rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _text(tree: Tree, gap: str, plain: bool) -> str:
    if isinstance(tree, Raw):
        return tree.text
    if isinstance(tree, Pairs):
        inner = (f"{json.dumps(key, ensure_ascii=plain)}:{gap}{_text(each, gap, plain)}" for key, each in tree)
        return "{" + f",{gap}".join(inner) + "}"
    if isinstance(tree, list):
        return "[" + f",{gap}".join(_text(each, gap, plain) for each in tree) + "]"
    return json.dumps(tree, ensure_ascii=plain)


def odd(rng: Random) -> Tree:
    """A value that hardly any field expects."""
    deep = rng.choice((3, 60, 900, 2_000, 20_000))
    return rng.choice(
        (
            *(None, True, False, 0, 1, -1, 2, 2**31, 2**53, 2**63, -(2**63), 10**30),
            *(Raw("1.0"), Raw("-0"), Raw("1e0"), Raw("0.1"), Raw("1e-400"), Raw("1e400"), Raw("9" * 5000)),
            *(Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("01"), Raw("1."), Raw("1_0"), Raw("0x1"), Raw("+1")),
            *(
                "",
                " ",
                "*",
                "@",
                "x" * 70_000,
                "x" * rng.randrange(300),
                "\0",
                "é",
                "e\u0301",
                "😀",
                "\u202e",
                "\ufeff",
            ),
            *(
                "１",
                "2025-06-02T12:00:00Z",
                "2025-06-02T12:00:60Z",
                "٢٠٢٥-06-02T12:00:00Z",
                "00000000-0000-4000-8000-000000000001",
            ),
            *(Raw('"\\ud800"'), Raw('"\\udc00\\ud800"'), Raw('"\\u0000"'), Raw('"\\x41"'), Raw('"a\tb"'), Raw("'a'")),
            *([], [[]], [None], Pairs(), Pairs([("", 1)]), Pairs([("v", 1), ("v", 1)]), Pairs([("__class__", "x")])),
            *(Raw("[" * deep + "]" * deep), Raw('{"v":' * deep + "1" + "}" * deep), Raw("[" * deep)),
            *(Raw(""), Raw("tru"), Raw("/**/1"), Raw("1 1"), Raw("undefined"), Raw('"')),
        )
    )


def _places(tree: Tree, found: list[tuple[Any, int]]) -> list[tuple[Any, int]]:
    """Every place in a tree at which a value stands: what holds it, and where in it."""
    if isinstance(tree, list):
        for index, entry in enumerate(tree):
            found.append((tree, index))
            _places(entry[1] if isinstance(tree, Pairs) else entry, found)
    return found


def bend(tree: Tree, rng: Random, keep: frozenset[str] = frozenset()) -> Tree:
    """The tree with one thing wrong in it (it is changed itself); what stands under a key of `keep` stays."""
    places = [(box, at) for box, at in _places(tree, []) if not (isinstance(box, Pairs) and box[at][0] in keep)]
    if not places or rng.random() < 0.02:
        return odd(rng)
    box, at = rng.choice(places)
    entry = box[at]
    key, value = entry if isinstance(box, Pairs) else (None, entry)

    def put(new: Tree) -> None:
        box[at] = new if key is None else (key, new)

    match rng.randrange(10):
        case 0:
            del box[at]
        case 1:
            box.insert(rng.randrange(len(box) + 1), entry if rng.random() < 0.5 or key is None else (key, odd(rng)))
        case 2 if key is not None:
            box[at] = (
                rng.choice((key.upper(), f"{key} ", f"{key}\0", "x" * 300, "", "v", "\ud800", "__proto__")),
                value,
            )
        case 3:
            box.append(("surplus", odd(rng)) if key is not None else odd(rng))
        case 4:
            other, there = rng.choice(places)
            put(deepcopy(other[there][1] if isinstance(other, Pairs) else other[there]))
        case 5 if isinstance(value, list):
            # Of long ones fewer: 2 000 times 2 000 films would be the forger's own undoing.
            times = min(rng.choice((2, 30, 2_000)), 1 + LONGEST // (1 + len(_text(value, "", True))))
            # Each a thing of its own, or what is wrong with one later would be wrong with all.
            put([deepcopy(each) for _ in range(times) for each in value] if not isinstance(value, Pairs) else [value])
        case 6 if isinstance(value, str) and value:
            cut = rng.randrange(len(value))
            put(
                value[:cut]
                + rng.choice(("", "\n", "\0", "Ā", "/", " ", value, value[cut].swapcase()))
                + value[cut + 1 :]
            )
        case 7 if isinstance(value, int):
            put(value + rng.choice((-(2**53), -1, 1, 2**53)))
        case _:
            put(odd(rng))
    return tree


def scratch(data: bytes, rng: Random) -> bytes:
    """The bytes with something wrong in them that knows nothing of JSON."""
    if not data:
        return rng.randbytes(rng.randrange(40))
    at, to = sorted((rng.randrange(len(data)), rng.randrange(len(data) + 1)))
    match rng.randrange(9):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[to:]
        case 3:
            return data[:at] + rng.randbytes(rng.randrange(1, 20)) + data[at:]
        case 4:
            return data[:to] + data[at:to] * rng.choice((1, 1, 50)) + data[to:]
        case 5:
            return data + rng.choice((b"\0", b" ", b"\n", data, b"}", b"\xff"))
        case 6:
            return rng.choice((b"\xef\xbb\xbf", b" ", b"[", b"\0", b"\x1f\x8b")) + data
        case 7:
            return data.decode("latin-1").encode(rng.choice(("utf-16", "utf-32", "utf-8")))
        case _:
            flipped = bytearray(data)
            for _ in range(rng.randrange(1, 30)):
                flipped[rng.randrange(len(flipped))] = rng.randrange(256)
            return bytes(flipped)


def _respelled(text: str, rng: Random) -> str:
    """Other base64 that some decoders take for the same bytes: set bits beyond the end, where there are any."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    if len(bare) == len(text):
        return text + "===="
    return bare[:-1] + letters[letters.index(bare[-1]) | rng.choice((1, 2, 3))] + text[len(bare) :]


BASE64: tuple[Callable[[str, Random], str], ...] = (
    lambda text, _: text.translate(str.maketrans("+/", "-_")),
    lambda text, _: text.rstrip("="),
    lambda text, _: text + "=",
    lambda text, _: f" {text}\n",
    lambda text, rng: "\n".join((text[: (cut := rng.randrange(len(text) + 1))], text[cut:])),
    lambda text, _: base64.b64encode(text.encode()).decode(),
    lambda text, _: text + text,
    lambda text, _: text + "é",
    lambda text, _: text + "\ud800",
    lambda text, _: f"{text}\0",
    lambda text, _: base64.b64decode(text).hex(),
    lambda text, rng: text.replace(rng.choice(text or "A"), "=", 1),
    lambda text, rng: text[: rng.randrange(len(text) + 1)],
    _respelled,
)
"""Ways to spell base64 that a strict reader refuses, or that lead to other bytes."""
