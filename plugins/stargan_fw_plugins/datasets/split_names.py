"""What the names of splits mean: of folders, in a column, and of the splits of a Hugging Face dataset."""

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
    """Returns whether the name is one of a split, in any case."""
    return name.casefold() in KNOWN


def resolve_splits(names: Iterable[str]) -> dict[str, SplitName]:
    """Returns "train" or "test" for each name that is one of a split.

    Nothing is tuned on validation images, so they are trained on. If there is no test split, they are the test images.
    """
    known = [name for name in names if is_split(name)]
    validation: SplitName = "train" if any(name.casefold() in TEST for name in known) else "test"
    meaning: dict[str, SplitName] = {
        **dict.fromkeys(TRAIN, "train"),
        **dict.fromkeys(VALIDATION, validation),
        **dict.fromkeys(TEST, "test"),
    }
    return {name: meaning[name.casefold()] for name in known}
