"""Reads data of known meaning that was written in many ways, and says where a label is wrong.

The inputs are tables, lists, folders, CelebA's files, RaFD's names, and parquet files and imagefolders of Hugging Face.

    python benchmarks/mutate_data.py [--count 1000] [--seed 0]

Columns are shuffled, and words spelled, padded, quoted, left blank and encoded as spreadsheets, programs and people do.
Beside the labels stand columns that are none: captions, notes, numbers of things, people, dates, constants. Each input has to
be read as what it means, or refused with a documented error. A label that the file does not mean, a value that an image does
not have, an image that is left out without a word, and any other exception is a fault; the exit code is 1 then.
"""

import argparse
import io
import logging
import math
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from mutated_sets import write_celeba, write_huggingface, write_rafd
from mutated_tables import Value, Written, write_folder, write_list, write_table
from PIL import Image

from stargan_fw import Example
from stargan_fw.config import DatasetConfig
from stargan_fw.data.source import Source
from stargan_fw.errors import RequestError
from stargan_fw.interfaces import EncodedImage
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_registry import Categorical

WRITERS = [write_table, write_table, write_table, write_list, write_folder, write_celeba, write_rafd, write_huggingface]


def read(written: Written, plugins: PluginManager) -> tuple[Source | None, str]:
    """Opens an input as a training does, and returns it, or nothing and why it is refused.

    Raises:
        Exception: an error that is not documented.
    """
    try:
        config = DatasetConfig(plugin=written.plugin, location=str(written.location), **written.options)
        return Source.open("mutated", config, "", plugins), ""
    except RequestError as error:
        return None, str(error)


def find_faults(written: Written, source: Source) -> Iterator[str]:
    """Yields what was read and is not what the input means."""
    rows = {_name(example): example for example in source.examples}
    meant = {name for values in written.labels.values() for name in values}
    if set(rows) != meant or len(source.examples) != len(meant):
        yield f"{len(source.examples)} images are read instead of {len(meant)}"
        return
    people = {name: rows[name].identity for name in meant if written.identities}
    if people and not _same_people(people, written.identities):
        yield f"people are not those that were written: {dict(list(people.items())[:3])}"
    yield from _find_label_faults(written, source)
    if written.splits and source.dataset.test_split == "given":
        wrong = [name for name, example in rows.items() if example.split != written.splits[name]]
        if wrong:
            yield f"{len(wrong)} images are on the other side, such as {wrong[0]}"
    elif written.splits:
        yield f"the split is not taken, but drawn: {source.dataset.test_split}"


def _find_label_faults(written: Written, source: Source) -> Iterator[str]:
    read = _labels(source)
    for label, values in read.items():
        candidates = [written.labels[label]] if label in written.labels else []
        if not candidates and not written.named:
            candidates = list(written.labels.values())
        if not any(_same(values, candidate) for candidate in candidates):
            yield f"label '{label}' is not what was written: {dict(list(values.items())[:3])}"
    said = " ".join(source.dataset.remarks)
    for label in written.labels if written.named else ():
        if label not in read and label not in said:
            yield f"label '{label}' is left out without a word"


def _labels(source: Source) -> dict[str, dict[str, object]]:
    """Returns label → image's name → value, as it is learned: of several of a group, none is known."""
    names = [_name(example) for example in source.examples]
    found: dict[str, dict[str, object]] = {}
    for attribute in source.schema.attributes:
        if isinstance(attribute, Categorical):
            values = [example.labels.get(attribute.name) for example in source.examples]
            found[attribute.name] = dict(zip(names, values, strict=True))
            continue
        for label in attribute.label_names:
            column = source.labels[:, source.schema.names.index(label)].tolist()
            flags = [None if math.isnan(value) else value == 1 for value in column]
            found[label] = dict(zip(names, flags, strict=True))
    return found


def _name(example: Example) -> str:
    """Returns the name of an image's file, or the number in its colour."""
    if not isinstance(example.image, EncodedImage):
        return Path(str(example.image)).name
    with Image.open(io.BytesIO(example.image.read())) as image:
        _, _, number = image.convert("RGB").getpixel((0, 0))  # type: ignore[misc]
    return str(number)


def _same_people(people: Mapping[str, object], meant: Mapping[str, str]) -> bool:
    """Returns whether images are of one person if, and only if, they are meant to be."""
    pairs = {(people[name], meant[name]) for name in people}
    return None not in people.values() and len(pairs) == len(set(people.values())) == len(set(meant.values()))


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
        if written.damaged and source:
            faults.append(f"{place}: is read, though it is damaged: {written.damaged}")
            continue
        faults += [f"{place}: {fault}" for fault in (find_faults(written, source) if source else ())]
        refusals += [f"refused {place}: {refusal}"] if refusal else []
    return outcomes, refusals, faults


def _keep_apart(cache: Path) -> None:
    """Lets the library `datasets` keep its copies with the inputs, and load nothing from the network."""
    import datasets  # noqa: PLC0415 - a second

    datasets.config.HF_DATASETS_CACHE = cache
    datasets.config.HF_HUB_OFFLINE = True
    datasets.disable_progress_bars()
    logging.getLogger("datasets").setLevel(logging.ERROR)


def main() -> None:
    """Prints the counts and the faults."""
    parser = argparse.ArgumentParser(description="Whether labels are read as files mean them.")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="show why inputs are refused")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _keep_apart(Path(name) / "cache")
        outcomes, refusals, faults = mutate(options.count, options.seed, Path(name))
    print("\n".join(refusals if options.verbose else ()))
    print(", ".join(f"{kind}: {number}" for kind, number in sorted(outcomes.items())))
    print("\n".join([*faults, f"{len(faults)} faults"]))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
