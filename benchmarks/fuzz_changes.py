"""Changes of inputs for `fuzz.py`: of bytes, words and lines, and of the structure of JSON, TOML and safetensors' headers."""

from __future__ import annotations

import json
import struct
import tomllib
from typing import TYPE_CHECKING, Any

import tomli_w

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    Change = Callable[[bytes, random.Random], bytes]

# What readers stumble over.
LONG = [b"9" * 30, b"9" * 5000, b"[" * 2000, b"{" * 2000, b"a." * 100, b"x" * 5000]
WHITE = [b"\r", b"\n", b"\r\n", b"\t", b" "]
BYTES = [
    *LONG,
    *WHITE,
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\x1b[2J",
    b"\x85",
    b"\xc2\x85",
    b"\xe2\x80\xae",
]
BYTES += rb"""
    - -1 0 1e999 NaN Infinity 0x 1_0 true null None [red] / .. ../ ~ = , ; | . : ' " \u0000 \ud800 # \ %s {0} 1979-05-27 12:00:00
    flip =flip =0 image split train test identity
""".split()
NUMBERS = [0, 1, -1, 2**31, 2**63, 2**70, 10**400, 0.5, 1e308, -0.0, float("inf"), float("-inf"), float("nan")]
TEXTS = [
    "",
    "x",
    "\0",
    "\x1b[2J",
    "[red]",
    "a" * 5000,
    "\u202e",
    "\ud800",
    "a.b",
    "../..",
    "/dev/zero",
    "happy",
    "celeba",
]
VALUES: list[Any] = [
    None,
    True,
    False,
    *NUMBERS,
    *TEXTS,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"name": 1},
    [1, "a"],
    ["a", "a"],
]


def change_bytes(data: bytes, rng: random.Random) -> bytes:
    """Changes, removes, repeats or inserts a part."""
    start = rng.randrange(len(data) + 1)
    part = slice(start, start + rng.choice((1, 1, 2, 8, 40, len(data))))
    kind = rng.randrange(6)
    if kind == 0:
        return data[:start] + rng.choice(BYTES) + data[start:]
    if kind == 1:
        return data[:start] + rng.choice(BYTES) + data[part.stop :]
    if kind == 2:
        return data[:start] + data[part.stop :]
    if kind == 3:
        return data[: part.stop] + data[part] * rng.choice((1, 2, 30)) + data[part.stop :]
    if kind == 4:
        return data[:start] + bytes([rng.randrange(256)]) + data[start + 1 :]
    lines = data.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def change_tree(document: Any, rng: random.Random) -> Any:
    """Changes a value or a key somewhere in nested lists and tables."""
    places = [(document, key) for document in _containers(document) for key in _keys(document)]
    if not places:
        return rng.choice(VALUES)
    container, key = rng.choice(places)
    kind = rng.randrange(5)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[rng.choice(["", "x", "\x1b", "name", key.upper()])] = container.pop(key)
    elif kind == 2:
        other, name = rng.choice(places)
        container[key] = json.loads(json.dumps(other[name]))
    elif kind == 3 and isinstance(container, list):
        container.append(container[key])
    else:
        container[key] = rng.choice(VALUES)
    return document


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _keys(container: Any) -> list[Any]:
    return list(container) if isinstance(container, dict) else list(range(len(container)))


def change_json(data: bytes, rng: random.Random) -> bytes:
    """Changes a JSON document's structure."""
    try:
        return json.dumps(change_tree(json.loads(data), rng)).encode()
    except (ValueError, RecursionError):
        return change_bytes(data, rng)


def change_toml(data: bytes, rng: random.Random) -> bytes:
    """Changes a TOML document's structure."""
    try:
        return tomli_w.dumps(change_tree(tomllib.loads(data.decode()), rng)).encode()
    except (ValueError, TypeError, RecursionError, AttributeError):
        return change_bytes(data, rng)


def change_header(data: bytes, rng: random.Random) -> bytes:
    """Changes the structure of the header of a safetensors file."""
    size = int.from_bytes(data[:8], "little")
    header = change_json(data[8 : 8 + size], rng)
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


def change_words(data: bytes, rng: random.Random) -> bytes:
    """Replaces, removes or repeats a word."""
    words = data.split(b" ")
    place = rng.randrange(len(words))
    words[place : place + 1] = rng.choice(([], [rng.choice(words)], [words[place]] * 2, [rng.choice(BYTES)]))
    return b" ".join(words)


def change_lines(data: bytes, rng: random.Random) -> bytes:
    """Changes one line of JSON lines."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    lines[place] = change_json(lines[place], rng)
    return b"\n".join(lines)
