"""Writes tables, lists and folders of known meaning in the many ways in which people and programs write them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pyarrow import feather

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Value: TypeAlias = bool | str | None
IMAGES = 24
YES_AND_NO = [("yes", "no"), ("Yes", "No"), ("YES", "NO"), ("TRUE", "FALSE"), ("True", "False"), ("true", "false")]
YES_AND_NO += [("1", "0"), ("1.0", "0.0"), ("1", "-1"), ("1.0", "-1.0"), ("y", "n"), ("T", "F"), (" yes ", "no")]
MISSING = ["", "NA", "N/A", "n/a", "nan", "NaN", "NULL", "null", "None", "#N/A", " ", "-", "?"]
CLASSES = [("cat", "dog"), ("Löwe", "Bär", "Füchsin"), ("red hair", "black hair"), ("A", "B", "C"), ("猫", "犬")]
CLASSES += [("St. Bernard", "Great Dane"), ("neutral", "happy", "sad", "angry"), ("O'Neil", "D'Arc")]
IMAGE_HEADERS = ["image", "file_name", "path", "filename", "Image", "File", "img", "FileName", "image_path"]
TRAIN, TEST = ["train", "Train", "TRAIN", "training", "Training"], ["test", "Test", "testing", "PublicTest"]
FOLDER_SPLITS = [("train", "test"), ("Train", "Test"), ("training", "testing"), ("TRAIN", "VAL"), ("train", "valid")]


@dataclass
class Written:
    """An input and what it means.

    Attributes:
        plugin: the dataset that reads it.
        location: the file or folder.
        labels: label → image's name → value. None is unknown.
        splits: image's name → side, if the input divides the images.
        described: how it was written, for a report.
        named: whether labels have the names in `labels`; otherwise only their values count.
        options: what has to be configured so that it means this.
        identities: image's name → who is on it, if the input says so.
        damaged: what is wrong with the input, which has to be refused then.
    """

    plugin: str
    location: Path
    labels: Mapping[str, Mapping[str, Value]]
    splits: Mapping[str, str] = field(default_factory=dict)
    described: str = ""
    named: bool = True
    options: Mapping[str, object] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)
    damaged: str = ""


def draw(path: Path, number: int) -> None:
    """Draws a small image that differs from those of other numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (number * 9 % 256, number * 31 % 256, number)).save(path)


def write_table(random: random.Random, folder: Path) -> Written:
    """Writes a table with one to three labels and some columns that are none."""
    below = random.choice(["", "images/", "images\\", "./", "my pictures/"])
    names = [f"{random.choice('ab')}{number:03d}.png" for number in range(IMAGES)]
    for number, name in enumerate(names):
        draw(folder / below.replace("\\", "/") / name, number)
    columns: dict[str, list[str]] = {random.choice(IMAGE_HEADERS): [below + name for name in names]}
    labels, kinds = add_labels(random, columns, names)
    splits = {}
    if random.random() < 0.3:
        train, test = random.choice(TRAIN), random.choice(TEST)
        cells = [test if number % 5 == 0 else train for number in range(IMAGES)]
        columns[random.choice(["split", "Split", "Usage", "partition", "subset"])] = cells
        splits = {name: "test" if cell == test else "train" for name, cell in zip(names, cells, strict=True)}
    others = random.sample(list(NOT_LABELS), random.randint(0, 3))
    for header in others:
        columns[header] = [NOT_LABELS[header](random, number) for number in range(IMAGES)]
    order = random.sample(list(columns), len(columns))
    path, how = _write(random, folder, order, [[columns[name][row] for name in order] for row in range(IMAGES)])
    return Written("table", path, labels, splits, f"{how}; {kinds}; beside: {others}; images {below!r}")


def add_labels(
    random: random.Random, columns: dict[str, list[str]], names: Sequence[str]
) -> tuple[dict[str, dict[str, Value]], list[str]]:
    labels: dict[str, dict[str, Value]] = {}
    kinds = []
    for header in random.sample(["smiling", "Wears Glasses", "species", "Emotion"], random.randint(1, 3)):
        missing = random.choice(MISSING) if random.random() < 0.5 else None
        words: Sequence[str] = random.choice(YES_AND_NO if header in {"smiling", "Wears Glasses"} else CLASSES)
        meaning: dict[str, Value] = {word: word for word in words}
        if header in {"smiling", "Wears Glasses"}:
            meaning = {words[0]: True, words[1]: False}
        chosen = [words[number % len(words)] for number in range(IMAGES)]
        random.shuffle(chosen)
        unknown = set(random.sample(range(IMAGES), 4)) if missing is not None else set()
        cells = [str(missing) if number in unknown else word for number, word in enumerate(chosen)]
        columns[header] = cells
        values = [None if number in unknown else meaning[word] for number, word in enumerate(chosen)]
        labels[header] = dict(zip(names, values, strict=True))
        kinds.append(f"{header} {words}, missing {missing!r}")
    return labels, kinds


NOT_LABELS: Mapping[str, Callable[[random.Random, int], str]] = {
    "caption": lambda _, number: f"a picture of number {number}, taken outside",
    "note": lambda random, _: random.choice(["blurred, but usable", "", "see the mail of Tuesday", "second try"]),
    "patient_id": lambda _, number: f"P{number // 2:03d}",
    "id": lambda _, number: str(number + 1000),
    "score": lambda random, _: f"{random.random():.4f}",
    "width": lambda *_: "178",
    "source": lambda *_: "scanner 3",
    "date": lambda _, number: f"2021-03-{number + 1:02d}",
    "md5": lambda random, _: f"{random.getrandbits(128):032x}",
    "Unnamed: 0": lambda _, number: str(number),
    "url": lambda _, number: f"https://example.org/{number}.png",
    "Age": lambda random, _: f"{random.randint(18, 90)} yrs",
    "share": lambda random, _: f"{random.randint(0, 1000) / 10} %",
    "views": lambda random, _: f"{random.randint(1, 90)},{random.randint(0, 999):03d}",
    "taken": lambda _, number: f"{number + 1}-Mar-21",
    "filled": lambda _, number: "x" if number % 3 else "",
    "valence": lambda random, _: f"{random.uniform(-1, 1):.6f}",
}


def _write(random: random.Random, folder: Path, header: Sequence[str], rows: Sequence[list[str]]) -> tuple[Path, str]:
    """Writes rows as a file, and returns it with a description."""
    suffix = random.choice([".csv"] * 8 + [".tsv", ".jsonl", ".parquet", ".txt", ".json", ".feather"])
    path = folder / f"labels{suffix}"
    if suffix in {".parquet", ".feather"}:
        table = pa.table({name: pa.array([row[number] for row in rows]) for number, name in enumerate(header)})
        (pq.write_table if suffix == ".parquet" else feather.write_feather)(table, path)
        return path, suffix
    if suffix in {".jsonl", ".json"}:
        objects = [dict(zip(header, row, strict=True)) for row in rows]
        lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in objects)
        path.write_text(lines if suffix == ".jsonl" else json.dumps(objects, ensure_ascii=False), encoding="utf-8")
        return path, suffix
    separator = "\t" if suffix == ".tsv" else random.choice(",,;\t|")
    ending = random.choice(["\n", "\r\n"])
    quoting = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    pad = " " * random.choice([0, 0, 0, 1])
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=ending, quoting=quoting)
    writer.writerow(header)
    writer.writerows([[pad + cell + pad for cell in row] for row in rows])
    written = text.getvalue() + ending * random.choice([0, 0, 1])
    written, oddity = _make_odd(random, written, separator, ending)
    encoding = random.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    try:
        path.write_bytes(written.encode(encoding))
    except UnicodeEncodeError:
        encoding = "utf-8"
        path.write_bytes(written.encode())
    path, pack = _pack(random, path)
    return path, f"{suffix}{pack} {oddity} {separator!r} {ending!r} {encoding} quoting {quoting} pad {len(pad)}"


def _make_odd(random: random.Random, text: str, separator: str, ending: str) -> tuple[str, str]:
    """Returns a text with what spreadsheets, and files that are joined, leave in it."""
    oddity = random.choice(
        [""] * 8 + ["title", "padded title", "trailing", "header again", "mark again", "invisible", "no-break"]
    )
    lines = text.split(ending)
    if oddity == "title":
        lines[:0] = ["Pets of 2021", *[""] * random.randint(0, 1)]
    elif oddity == "padded title":
        lines[:0] = ["Pets of 2021" + separator * lines[0].count(separator)]
    elif oddity == "trailing":
        lines = [line and line + separator for line in lines]
    elif oddity == "header again":
        lines.insert(len(lines) // 2, lines[0])
    elif oddity == "mark again":
        lines[len(lines) // 2] = "\ufeff" + lines[len(lines) // 2]
    elif oddity == "invisible":
        lines = [
            re.sub(r"(?<=[a-z])(?=[a-z]{2}\b)", "\u200b", line) if i and i % 3 == 0 else line
            for i, line in enumerate(lines)
        ]
    elif oddity == "no-break":
        lines = [line.replace("red hair", "red\u00a0hair").replace("Great Dane", "Great\u00a0Dane") for line in lines]
    return ending.join(lines), oddity


def _pack(random: random.Random, path: Path) -> tuple[Path, str]:
    """Packs one file in ten."""
    pack = random.choice([""] * 18 + [".gz", ".zip"])
    packed = path.with_name(path.name + pack)
    if pack == ".gz":
        packed.write_bytes(gzip.compress(path.read_bytes()))
    elif pack == ".zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, path.name)
    return packed, pack


def write_list(random: random.Random, folder: Path) -> Written:
    """Writes lines of a file's name and its label, without a header."""
    words = random.choice([("cat", "dog"), ("0", "1"), ("happy", "sad", "angry"), ("yes", "no"), ("Löwe", "Bär")])
    names = [f"{number:03d}.png" for number in range(IMAGES)]
    for number, name in enumerate(names):
        draw(folder / name, number)
    chosen = [random.choice(words[: 2 + number % 2]) for number in range(IMAGES)]
    separator, suffix = random.choice([(" ", ".txt"), ("\t", ".txt"), (",", ".csv"), (",", ".txt"), (";", ".csv")])
    ending, encoding = random.choice(["\n", "\r\n"]), random.choice(["utf-8", "utf-8-sig", "utf-16"])
    path = folder / f"list{suffix}"
    lines = [f"{name}{separator}{word}{ending}" for name, word in zip(names, chosen, strict=True)]
    path.write_bytes("".join(lines).encode(encoding))
    meaning: dict[str, Value] = dict(zip(words, words, strict=True))
    if set(words) in ({"0", "1"}, {"yes", "no"}):
        meaning = {word: word in {"1", "yes"} for word in words}
    labels = {"class": {name: meaning[word] for name, word in zip(names, chosen, strict=True)}}
    how = f"list {suffix} {separator!r} {ending!r} {encoding} {words}"
    return Written("table", path, labels, {}, how, named=False)


def write_folder(random: random.Random, folder: Path) -> Written:
    """Writes folders of classes, perhaps on two sides, with junk among them."""
    words = random.choice([*CLASSES, ("a.b", "c=d"), ("black,white", "grey")])
    sides = random.choice([None, None, *FOLDER_SPLITS])
    order = random.choice(["{side}/{word}", "{word}/{side}", "{side}{word}"]) if sides else "{word}"
    if order == "{side}{word}":
        words = ("A", "B", "C")[: random.randint(2, 3)]
    labels: dict[str, Value] = {}
    splits = {}
    for number in range(IMAGES):
        name, word = f"{number:03d}{random.choice(['.png', '.PNG', '.png'])}", words[number % len(words)]
        side = "" if sides is None else sides[number % 8 < len(words)]
        draw(folder / order.format(side=side, word=word) / name, number)
        labels[name] = word
        if sides:
            splits[name] = "test" if side == sides[1] else "train"
    junk = random.sample(JUNK, random.randint(0, 3))
    for name in junk:
        path = folder / random.choice([".", order.format(side=sides[0] if sides else "", word=words[0])]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"junk")
    how = f"folders {order} of {words}, sides {sides}, junk {junk}"
    return Written("folder", folder, {"class": labels}, splits, how, named=False)


JUNK = [".DS_Store", "Thumbs.db", "._000.png", "desktop.ini", ".ipynb_checkpoints/000.png", "@eaDir/000.png"]
JUNK += ["__MACOSX/._a.png", "readme.txt"]
