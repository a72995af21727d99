"""What the names of splits mean, wherever they stand: folders, a column, the splits of a Hugging Face dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stargan_fw.interfaces.dataset import SplitName

TRAIN = frozenset({"train", "training"})
TEST = frozenset({"test", "testing"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
KNOWN = TRAIN | VALIDATION | TEST


def is_split(name: str) -> bool:
    """Whether it is what a split is called; case does not matter."""
    return name.casefold() in KNOWN


def sides(names: Iterable[str]) -> dict[str, SplitName]:
    """Returns the side of each name that is a split's.

    Nothing is tuned on validation images: they are trained on, unless there are no test images and they stand for them.
    """
    known = [name for name in names if is_split(name)]
    validation: SplitName = "train" if any(name.casefold() in TEST for name in known) else "test"
    meaning: dict[str, SplitName] = {
        **dict.fromkeys(TRAIN, "train"),
        **dict.fromkeys(VALIDATION, validation),
        **dict.fromkeys(TEST, "test"),
    }
    return {name: meaning[name.casefold()] for name in known}
