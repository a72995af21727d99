"""Stand-in data of every dataset that can draw it."""

from collections.abc import Iterator
from pathlib import Path

from stargan_fw.errors import DataError
from stargan_fw.files import replacing
from stargan_fw.interfaces.dataset import Dataset
from stargan_fw.plugin_manager import PluginManager


def draw_stand_ins(
    plugins: PluginManager, folder: Path, *, images: int, people: int, seed: int
) -> Iterator[tuple[str, Path]]:
    """Draws into `folder/<name>` and yields each dataset's name and folder, which appears whole or not at all.

    Args:
        plugins: asked for their datasets; those without `draw_stand_in` are passed over.
        folder: need not exist.
        images: as `Dataset.draw_stand_in` takes it.
        people: likewise.
        seed: likewise.

    Raises:
        DataError: a dataset's folder is there already.
    """
    able = {name: kind for name, kind in plugins.index("dataset").items() if _draws(kind)}
    taken = next((folder / name for name in able if (folder / name).exists()), None)
    if taken:
        raise DataError(f"'{taken}' exists already. Name another folder, or remove it first.")
    for name, kind in able.items():
        with replacing(folder / name) as partial:
            partial.mkdir()
            kind.draw_stand_in(partial, images=images, people=people, seed=seed)
        yield name, folder / name


def _draws(kind: type[Dataset]) -> bool:
    return kind.draw_stand_in.__func__ is not Dataset.draw_stand_in.__func__  # type: ignore[attr-defined]
