"""What the names of splits mean: of folders, in a column, and of the splits of a Hugging Face dataset."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stargan_fw_registry.split_words import SPLIT_WORDS, TEST, TRAIN, VALIDATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stargan_fw.interfaces.dataset import SplitName

KNOWN = TRAIN | VALIDATION | TEST
# In the cells of a column there are more, without the signs between their words.
CELLS: Mapping[str, str] = {
    **SPLIT_WORDS,
    **dict.fromkeys(("trainset", "trainingset", "trainsplit", "tr", "learn", "learning"), "train"),
    **dict.fromkeys(("testset", "testingset", "testsplit", "te", "holdout", "heldout"), "test"),
    **dict.fromkeys(("valset", "validationset", "devset", "development", "evalset"), "val"),
}
COLUMNS = frozenset(["split", "splits", "usage", "subset", "partition", "part", "set", "phase", "fold"])


def is_split(name: str) -> bool:
    """Returns whether the name is one of a split, in any case."""
    return name.casefold() in KNOWN


def means_split(cell: str) -> bool:
    """Returns whether a cell's text is the name of a split."""
    return _simplify(cell) in CELLS


def names_splits(column: str) -> bool:
    """Returns whether a column seems to divide the images, by its name."""
    return _simplify(column) in COLUMNS or means_split(_simplify(column).removeprefix("is"))


def resolve_splits(names: Iterable[str]) -> dict[str, SplitName]:
    """Returns "train" or "test" for each name that is one of a split, as `sides_of` has it."""
    return _resolve({name: CELLS[name.casefold()] for name in names if is_split(name)})


def resolve_split_cells(cells: Iterable[str], column: str) -> dict[str, SplitName]:
    """Returns "train" or "test" for each text that names a split in a column: 0, 1 and 2 are those of CelebA."""
    texts = [cell for cell in cells if cell]
    if set(texts) == {"0", "1", "2"} and _simplify(column) in COLUMNS - {"fold"}:
        return {"0": "train", "1": "train", "2": "test"}
    known = {text: CELLS[_simplify(text)] for text in texts if means_split(text)}
    flag = _simplify(column).removeprefix("is")
    if flag in CELLS and {text.casefold() for text in texts} <= {"true", "false", "yes", "no", "1", "0"}:
        other = "test" if CELLS[flag] == "train" else "train"
        known = {text: CELLS[flag] if text.casefold() in {"true", "yes", "1"} else other for text in texts}
    return _resolve(known)


def is_split_column(column: str, cells: Iterable[str]) -> bool:
    """Returns whether a column holds nothing but the names of splits: of both sides, or of one if its name says so."""
    texts = {cell for cell in cells if cell}
    sides = resolve_split_cells(texts, column)
    return bool(texts) and sides.keys() == texts and (len(set(sides.values())) > 1 or _simplify(column) in COLUMNS)


def sides_of(kinds: Iterable[str]) -> dict[str, SplitName]:
    """Returns the side of each kind of split, "train", "test" and "val", if there are these kinds.

    Nothing is tuned on validation images, so they are trained on. If there is no test split, they are the test images.
    """
    validation: SplitName = "train" if "test" in kinds else "test"
    return {"train": "train", "test": "test", "val": validation}


def _resolve(kinds: Mapping[str, str]) -> dict[str, SplitName]:
    sides = sides_of(kinds.values())
    return {name: sides[kind] for name, kind in kinds.items()}


def _simplify(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())
