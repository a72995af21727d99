"""Draws stand-in data, with which everything can be tried without the real data."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from stargan_fw.errors import DataError
from stargan_fw.files import check_writable, replacing
from stargan_fw.interfaces import DrawsStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stargan_fw.plugin_manager import PluginManager


def draw_stand_ins(
    plugins: PluginManager,
    folder: Path,
    *,
    images: int,
    people: int,
    seed: int,
    begins: Callable[[str], None] | None = None,
) -> Iterator[tuple[str, Path]]:
    """Draws stand-in data of every dataset that can, and yields each dataset's name and folder, `folder/<name>`.

    The folders appear together, once all are drawn.

    Args:
        plugins: have the datasets.
        folder: the folder to write.
        images: the number of images of a dataset that counts images.
        people: the number of people of a dataset that counts people.
        seed: the seed of the drawing.
        begins: gets the name of each dataset before it is drawn.

    Raises:
        DataError: if one of the folders exists already.
        RequestError: if the folder cannot be written to.
    """
    able = {name: kind for name, kind in plugins.index("dataset").items() if issubclass(kind, DrawsStandIn)}
    taken = next((folder / name for name in able if (folder / name).exists()), None)
    if taken:
        raise DataError(f"'{taken}' exists already. Name another folder, or remove it first.")
    check_writable(folder, "Name another folder.")
    with ExitStack() as drawn:
        for name, kind in able.items():
            if begins:
                begins(name)
            partial = drawn.enter_context(replacing(folder / name))
            partial.mkdir()
            kind.draw_stand_in(partial, images=images, people=people, seed=seed)
    for name in able:
        yield name, folder / name
