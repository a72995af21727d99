"""Reads tables, lists and folders of known meaning that were written in many ways, and says where a label is wrong.

    python benchmarks/mutate_data.py [--count 1000] [--seed 0]

Columns are shuffled, and words spelled, padded, quoted, left blank and encoded as spreadsheets, programs and people do.
Beside the labels stand columns that are none: captions, notes, numbers of things, people, dates, constants. Each input has to
be read as what it means, or refused with a documented error. A label that the file does not mean, a value that an image does
not have, an image that is left out without a word, and any other exception is a fault; the exit code is 1 then.
"""

import argparse
import csv
import io
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from stargan_fw.config import DatasetConfig
from stargan_fw.data.source import Source
from stargan_fw.errors import RequestError
from stargan_fw.plugin_manager import PluginManager

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
    """

    plugin: str
    location: Path
    labels: Mapping[str, Mapping[str, Value]]
    splits: Mapping[str, str] = field(default_factory=dict)
    described: str = ""
    named: bool = True


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
    labels, kinds = _add_labels(random, columns, names)
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


def _add_labels(
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
    "valence": lambda random, _: f"{random.uniform(-1, 1):.6f}",
}


def _write(random: random.Random, folder: Path, header: Sequence[str], rows: Sequence[list[str]]) -> tuple[Path, str]:
    """Writes rows as a file, and returns it with a description."""
    suffix = random.choice([".csv"] * 6 + [".tsv", ".jsonl", ".parquet", ".txt"])
    path = folder / f"labels{suffix}"
    if suffix == ".parquet":
        cells = {name: pa.array([row[number] for row in rows]) for number, name in enumerate(header)}
        pq.write_table(pa.table(cells), path)
        return path, suffix
    if suffix == ".jsonl":
        lines = [json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) for row in rows]
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
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
    encoding = random.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    try:
        path.write_bytes(written.encode(encoding))
    except UnicodeEncodeError:
        encoding = "utf-8"
        path.write_bytes(written.encode())
    return path, f"{suffix} {separator!r} {ending!r} {encoding} quoting {quoting} pad {len(pad)}"


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
WRITERS = [write_table, write_table, write_table, write_list, write_folder]


def read(written: Written, plugins: PluginManager) -> tuple[Source | None, str]:
    """Opens an input as a training does, and returns it, or nothing and why it is refused.

    Raises:
        Exception: an error that is not documented.
    """
    try:
        config = DatasetConfig(plugin=written.plugin, location=str(written.location))
        return Source.open("mutated", config, "", plugins), ""
    except RequestError as error:
        return None, str(error)


def find_faults(written: Written, source: Source) -> Iterator[str]:
    """Yields what was read and is not what the input means."""
    rows = {Path(str(example.image)).name: example for example in source.examples}
    meant = {name for values in written.labels.values() for name in values}
    if set(rows) != meant or len(source.examples) != len(meant):
        yield f"{len(source.examples)} images are read instead of {len(meant)}"
        return
    read_names = list(dict.fromkeys(name for example in source.examples for name in example.labels))
    for label in read_names:
        values = {name: example.labels.get(label) for name, example in rows.items()}
        candidates = [written.labels[label]] if label in written.labels else []
        if not candidates and not written.named:
            candidates = list(written.labels.values())
        if not any(_same(values, candidate) for candidate in candidates):
            yield f"label '{label}' is not what was written: {dict(list(values.items())[:3])}"
    said = " ".join(source.dataset.remarks)
    for label in written.labels if written.named else ():
        if label not in read_names and label not in said:
            yield f"label '{label}' is left out without a word"
    if written.splits and source.dataset.test_split == "given":
        wrong = [name for name, example in rows.items() if example.split != written.splits[name]]
        if wrong:
            yield f"{len(wrong)} images are on the other side, such as {wrong[0]}"
    elif written.splits:
        yield f"the split is not taken, but drawn: {source.dataset.test_split}"


def _same(values: Mapping[str, object], meant: Mapping[str, Value]) -> bool:
    def plain(value: object) -> object:
        return value.strip() if isinstance(value, str) else value

    return all(plain(values[name]) == plain(value) for name, value in meant.items())


def mutate(count: int, seed: int, work: Path) -> tuple[Counter[str], list[str], list[str]]:
    """Writes and reads `count` inputs.

    Returns:
        The number of inputs that were read and refused, by kind; a line per refusal; and a line per fault.
    """
    plugins = PluginManager.discover()
    outcomes: Counter[str] = Counter()
    refusals, faults = [], []
    for number in range(count):
        choose = random.Random(f"{seed} {number}")  # noqa: S311 - no secret
        write = choose.choice(WRITERS)
        folder = work / str(number)
        folder.mkdir()
        written = write(choose, folder)
        place = f"{number} ({written.described})"
        try:
            source, refusal = read(written, plugins)
        except Exception as error:  # noqa: BLE001 - which one it is is the question
            faults.append(f"{place}: {type(error).__name__}: {error}")
            continue
        kind = "read" if source else "refused"
        outcomes[f"{write.__name__.removeprefix('write_')} {kind}"] += 1
        faults += [f"{place}: {fault}" for fault in (find_faults(written, source) if source else ())]
        refusals += [f"refused {place}: {refusal}"] if refusal else []
    return outcomes, refusals, faults


def main() -> None:
    """Prints the counts and the faults."""
    parser = argparse.ArgumentParser(description="Whether labels are read as files mean them.")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="show why inputs are refused")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        outcomes, refusals, faults = mutate(options.count, options.seed, Path(name))
    print("\n".join(refusals if options.verbose else ()))
    print(", ".join(f"{kind}: {number}" for kind, number in sorted(outcomes.items())))
    print("\n".join([*faults, f"{len(faults)} faults"]))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
