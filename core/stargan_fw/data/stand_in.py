"""Stand-in data of every dataset that can draw it."""

from collections.abc import Iterator
from pathlib import Path

from stargan_fw.errors import DataError
from stargan_fw.files import replacing
from stargan_fw.interfaces.dataset import DrawsStandIn
from stargan_fw.plugin_manager import PluginManager


def draw_stand_ins(
    plugins: PluginManager, folder: Path, *, images: int, people: int, seed: int
) -> Iterator[tuple[str, Path]]:
    """Draws into `folder/<name>` and yields each dataset's name and folder, which appears whole or not at all.

    Args:
        plugins: their datasets that can draw stand-in data do so; the others are left out.
        folder: need not exist.
        images: as `DrawsStandIn.draw_stand_in` takes it.
        people: as `DrawsStandIn.draw_stand_in` takes it.
        seed: as `DrawsStandIn.draw_stand_in` takes it.

    Raises:
        DataError: a dataset's folder is there already.
    """
    able = {name: kind for name, kind in plugins.index("dataset").items() if issubclass(kind, DrawsStandIn)}
    taken = next((folder / name for name in able if (folder / name).exists()), None)
    if taken:
        raise DataError(f"'{taken}' exists already. Name another folder, or remove it first.")
    for name, kind in able.items():
        with replacing(folder / name) as partial:
            partial.mkdir()
            kind.draw_stand_in(partial, images=images, people=people, seed=seed)
        yield name, folder / name
