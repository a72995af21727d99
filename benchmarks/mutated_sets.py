"""Writes CelebA, RaFD and Hugging Face datasets of known meaning in the many ways in which people have them."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from mutated_tables import IMAGES, JUNK, NOT_LABELS, Value, Written, add_labels, draw
from PIL import Image

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PAPER = ["Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"]
OTHERS = ["Smiling", "Bald", "5_o_Clock_Shadow", "Eyeglasses", "Wearing_Hat"]
IMAGE_PLACES = [
    "img_align_celeba",
    "img_align_celeba/img_align_celeba",
    "images",
    "Img/img_align_celeba_png",
    "Img/img_align_celeba",
]
EXPRESSIONS = ["angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]


def write_celeba(random: random.Random, folder: Path) -> Written:
    """Writes images with CelebA's attribute file, and perhaps the files of people and of partitions."""
    ending = random.choice(["jpg", "jpg", "png"])
    listed = [f"{number + 1:06d}.jpg" for number in range(IMAGES)]
    names = [name.replace("jpg", ending) for name in listed]
    place = random.choice(IMAGE_PLACES)
    for number, name in enumerate(names):
        draw(folder / place / name, number)
    columns = [*PAPER, *random.sample(OTHERS, random.randint(0, 5))]
    random.shuffle(columns)
    values = [{name: random.random() < 0.4 for name in columns} for _ in names]
    texts, how = _attributes(random, columns, listed, values)
    below = random.choice(["", "Anno/"])
    _save(random, folder / below / f"list_attr_celeba.{texts[0]}", texts[1])
    labels: dict[str, dict[str, Value]] = {name: {} for name in PAPER}
    for image, row in zip(names, values, strict=True):
        several = sum(row[name] for name in PAPER[:3]) > 1
        for name in PAPER:
            labels[name][image] = None if several and name in PAPER[:3] else row[name]
    written = Written("celeba", folder, labels, described=f"celeba {how}, images in {place}, {ending}")
    written.splits = _add_partition(random, folder, names, listed)
    written.identities = _add_people(random, folder, names, listed)
    _add_junk(random, folder, place)
    if random.random() < 0.15:
        written.damaged = _damage(random, folder, place, names)
    return written


def _damage(random: random.Random, folder: Path, place: str, names: Sequence[str]) -> str:
    """Damages the attribute file or removes an image, and returns what is wrong then."""
    what = random.choice(["absent", "short", "value", "twice"])
    if what == "absent":
        (folder / place / random.choice(names)).unlink()
        return what
    (path,) = folder.rglob("list_attr_celeba.*")
    encoding = "utf-16" if path.read_bytes()[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    lines = path.read_bytes().decode(encoding).splitlines()
    row = random.randint(3, len(lines) - 1)
    (header,) = [line for line in lines if "Male" in line]
    if what == "value" and re.split(r"[,;\t ]+", header.strip())[-1] not in PAPER:  # other columns are not learned
        what = "twice"
    if what == "short":
        lines[row] = lines[row][: -len(re.split(r"[,;\t]|\s+", lines[row])[-1]) - 1].rstrip()
    elif what == "value":
        lines[row] = re.sub(r"(?<=[,;\t ])[^,;\t ]+$", "7", lines[row])
    else:
        lines[row] = lines[row - 1]
    path.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return what


def _attributes(
    random: random.Random, columns: Sequence[str], names: Sequence[str], values: Sequence[Mapping[str, bool]]
) -> tuple[tuple[str, str], str]:
    """Returns the ending and the text of an attribute file, and how it is written."""
    yes, no = random.choice([("1", "-1"), ("1", "-1"), ("1", "0"), ("1.0", "-1.0"), ("True", "False")])
    cells = [[yes if row[name] else no for name in columns] for row in values]
    if random.random() < 0.5:
        sign = random.choice([",", ",", ";", "\t"])
        first = random.choice(["image_id", "image_id", "file", "filename", ""])
        rows = [sign.join([name, *row]) for name, row in zip(names, cells, strict=True)]
        return ("csv", "\n".join([sign.join([first, *columns]), *rows, ""])), f"csv {sign!r} {first} {yes}/{no}"
    pad = random.choice([" ", "  "])
    rows = [
        pad.join([name, *(cell.rjust(2) if pad == " " else cell for cell in row)])
        for name, row in zip(names, cells, strict=True)
    ]
    count = random.choice([[str(len(names))], [str(len(names))], []])
    return ("txt", "\n".join([*count, " ".join(columns), *rows, ""])), f"text, count {count} {yes}/{no}"


def _save(random: random.Random, path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = text.replace("\n", random.choice(["\n", "\n", "\r\n"]))
    path.write_bytes(text.encode(random.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))


def _add_pairs(random: random.Random, path: Path, header: str, pairs: Mapping[str, str]) -> None:
    order = random.sample(list(pairs), len(pairs)) if random.random() < 0.3 else list(pairs)
    if random.random() < 0.5:
        lines = [
            *([f"image_id,{header}"] if random.random() < 0.8 else []),
            *(f"{name},{pairs[name]}" for name in order),
        ]
        _save(random, path.with_suffix(".csv"), "\n".join([*lines, ""]))
    else:
        _save(random, path.with_suffix(".txt"), "\n".join([*(f"{name} {pairs[name]}" for name in order), ""]))


def _add_partition(random: random.Random, folder: Path, names: Sequence[str], listed: Sequence[str]) -> dict[str, str]:
    if random.random() < 0.4:
        return {}
    sides = random.choice(["012", "02", "01"])
    chosen = [random.choice(sides) for _ in names]
    chosen[:2] = sides[0], sides[-1]
    pairs = dict(zip(listed, chosen, strict=True))
    _add_pairs(random, folder / random.choice(["", "Eval"]) / "list_eval_partition", "partition", pairs)
    return {name: "test" if side == sides[-1] else "train" for name, side in zip(names, chosen, strict=True)}


def _add_people(random: random.Random, folder: Path, names: Sequence[str], listed: Sequence[str]) -> dict[str, str]:
    if random.random() < 0.4:
        return {}
    people = [str(random.randint(1, 9)) for _ in names]
    _add_pairs(
        random,
        folder / random.choice(["", "Anno"]) / "identity_CelebA",
        "identity",
        dict(zip(listed, people, strict=True)),
    )
    return dict(zip(names, people, strict=True))


def _add_junk(random: random.Random, folder: Path, place: str) -> None:
    for name in random.sample(JUNK, random.randint(0, 3)):
        path = folder / random.choice([".", place]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"junk")


def write_rafd(random: random.Random, folder: Path) -> Written:
    """Writes pictures with RaFD's file names, however people spell, crop and move them; or folders of expressions."""
    chosen = EXPRESSIONS if random.random() < 0.7 else random.sample(EXPRESSIONS, random.randint(4, 7))
    spell = random.choice([str, str, str.lower, str.upper, str.title])
    before, after = random.choice(["", "", "crop_", "01-"]), random.choice(["", "", "_cropped", " (1)", "_256x256"])
    ending = random.choice([".jpg", ".JPG", ".png", ".jpeg"])
    layout = random.choice(["flat", "flat", "nested", "people", "split"])
    written = Written(
        "rafd", folder, {"expression": {}}, {}, f"rafd {layout} {spell.__name__} {before!r} {after!r} {ending}"
    )
    labels, splits, people = dict[str, Value](), dict[str, str](), dict[str, str]()
    for number in range(IMAGES * 2):
        person, expression, angle = (
            number // len(chosen) + 1,
            chosen[number % len(chosen)],
            random.choice([90, 90, 45, 135, 0, 180]),
        )
        gaze = random.choice(["frontal", "left", "right"])
        stem = f"Rafd{angle:03d}_{person:02d}_Caucasian_{random.choice(['male', 'female'])}_{expression}_{gaze}"
        name = f"{before}{spell(stem)}{after}{ending}"
        side = ("train", "test")[number % 5 == 0]
        where = {"nested": f"RafD/{angle}", "people": f"{person:02d}", "split": f"{spell(side)}/{spell(expression)}"}
        draw(folder / where.get(layout, ".") / name, number)
        if angle in {45, 90, 135}:
            labels[name], people[name] = expression, f"{person:02d}"
            splits |= {name: side} if layout == "split" else {}
    _add_junk(random, folder, ".")
    if random.random() < 0.1:
        written.damaged = "unknown expression"
        draw(folder / f"Rafd090_01_Caucasian_male_bored_frontal{ending}", 3)
    written.labels, written.splits, written.identities = {"expression": labels}, splits, people
    return written


def write_huggingface(random: random.Random, folder: Path) -> Written:
    """Writes parquet files or an imagefolder with a metadata file, or what the library saves itself."""
    keys = [str(number) for number in range(IMAGES)]
    columns: dict[str, list[str]] = {}
    labels, kinds = add_labels(random, columns, keys)
    for header in random.sample(list(NOT_LABELS), random.randint(0, 3)):
        columns[header] = [NOT_LABELS[header](random, number) for number in range(IMAGES)]
    cells = {name: _typed(random, column) for name, column in columns.items()}
    written = Written("huggingface", folder / "set", labels, {}, "; ".join(kinds))
    if random.random() < 0.3:
        _add_several(random, written, cells, keys)
    if random.random() < 0.3:
        _add_condition(random, written, cells, keys)
    sides = _choose_sides(random, keys)
    form = random.choice([_write_parquet, _write_parquet, _write_folder])
    written.described = (
        f"huggingface {form.__name__} {sorted(set(sides.values()))} {written.described} {written.options}"
    )
    kept = next(iter(written.labels.values()))
    if len(set(sides.values())) > 1:
        written.splits = {key: "test" if sides[key] == "test" else "train" for key in kept}
    order = random.sample(list(cells), len(cells))
    form(random, written.location, {name: cells[name] for name in order}, sides)
    return written


def _typed(random: random.Random, column: Sequence[str]) -> list[Any]:
    """Returns a column as texts, or as the booleans or numbers that its texts say, with None for empty cells."""
    meanings: Sequence[Mapping[str, object]] = (
        {"True": True, "False": False, "": None},
        {"1": 1, "0": 0, "": None},
        {"1.0": 1.0, "-1.0": -1.0, "0.0": 0.0, "": None},
    )
    meaning = next((one for one in meanings if set(column) <= one.keys()), None)
    if meaning is None or random.random() < 0.3:
        return list(column)
    return [meaning[cell] for cell in column]


def _add_several(random: random.Random, written: Written, cells: dict[str, list[Any]], keys: Sequence[str]) -> None:
    """Adds a column with several labels in each cell, as a text or as a list."""
    words = ["hat", "beard", "scarf"]
    chosen: list[set[str] | None] = [set(random.sample(words, random.randint(1, 3))) for _ in keys]
    chosen[:4] = [{"hat", "beard"}, {"beard", "scarf"}, {"scarf"}, None]
    sign = random.choice("|;/")
    as_lists = random.random() < 0.4
    cells["tags"] = [None if each is None else sorted(each) if as_lists else sign.join(sorted(each)) for each in chosen]
    written.options = {**written.options, "separator": sign}
    labels = {
        word: {key: None if each is None else word in each for key, each in zip(keys, chosen, strict=True)}
        for word in words
    }
    written.labels = {**written.labels, **labels}


def _add_condition(random: random.Random, written: Written, cells: dict[str, list[Any]], keys: Sequence[str]) -> None:
    """Adds a column of numbers and a condition that keeps some rows."""
    numbers = [random.randint(0, 9) / 4 for _ in keys]
    cells["sharpness"] = list(numbers)
    bound = sorted(numbers)[3]
    written.options = {**written.options, "where": f"sharpness > {bound}"}
    kept = [key for key, number in zip(keys, numbers, strict=True) if number > bound]
    written.labels = {name: {key: values[key] for key in kept} for name, values in written.labels.items()}


def _choose_sides(random: random.Random, keys: Sequence[str]) -> dict[str, str]:
    if random.random() < 0.5:
        return dict.fromkeys(keys, "train")
    return {key: "test" if int(key) % 5 == 0 else "train" for key in keys}


def _write_parquet(random: random.Random, root: Path, cells: Mapping[str, list[Any]], sides: Mapping[str, str]) -> None:
    header = random.choice(["image", "image", "img", "photo"])
    for side in sorted(set(sides.values())):
        rows = [number for number, key in enumerate(sides) if sides[key] == side]
        columns = {name: pa.array([column[row] for row in rows], _kind(column)) for name, column in cells.items()}
        images = pa.array([{"bytes": _encode(row), "path": None if row % 2 else f"{row}.png"} for row in rows])
        path = root / "data" / f"{side}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({**columns, header: images}), path)


def _kind(column: Sequence[object]) -> pa.DataType:
    """Returns the type of a whole column, so that all splits have the same."""
    return pa.array(column).type


def _encode(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (number * 9 % 256, number * 31 % 256, number)).save(buffer, "PNG")
    return buffer.getvalue()


def _write_folder(random: random.Random, root: Path, cells: Mapping[str, list[Any]], sides: Mapping[str, str]) -> None:
    ending = random.choice(["csv", "jsonl", "parquet"])
    deep = random.choice(["", "pictures/"])
    several = len(set(sides.values())) > 1
    for side in sorted(set(sides.values())):
        top = root / side if several else root
        rows = [number for number, key in enumerate(sides) if sides[key] == side]
        for row in rows:
            draw(top / deep / f"{row}.png", row)
        table = {name: [column[row] for row in rows] for name, column in cells.items()}
        table = {"file_name": [f"{deep}{row}.png" for row in rows], **table}
        _write_metadata(top / f"metadata.{ending}", table)


def _write_metadata(path: Path, table: Mapping[str, list[Any]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.table(dict(table)), path)
    elif path.suffix == ".jsonl" or any(isinstance(cell, list) for column in table.values() for cell in column):
        rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        path.with_suffix(".jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        import pandas as pd  # noqa: PLC0415 - comes with the library `datasets`

        pd.DataFrame(dict(table)).to_csv(path, index=False)
