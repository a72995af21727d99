"""`stargan-fw translate` and `stargan-fw sheet`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
SHEET_IMAGES = 4  # of each dataset, where none are named

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A run folder.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, mps; a GPU where there is one.")]


def translate(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Files or folders.")],
    *,
    to: Annotated[list[str], typer.Option(metavar="LABELS", help="'Blond_Hair,Male=0', 'happy', 'rafd.happy'.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder, or a file for one picture.")] = Path("translated"),
    device: DeviceOption = None,
) -> None:
    """Translate pictures to other labels; what is not named keeps the value that the model reads from the picture."""
    from stargan_fw.inference.translator import Translator

    files = list(_image_files(images))
    translator = Translator.from_pretrained(model, device=device)
    for edit in to:
        translator.labels.resolve(edit)
    for source, edit, target in list(_targets(files, to, out)):
        target.parent.mkdir(parents=True, exist_ok=True)
        translator.translate(source, to=edit).save(target)
        typer.echo(target)


def sheet(
    model: Model,
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGE...]", help="Files or folders; the run's held-out images.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture to write.")] = Path("sheet.png"),
    device: DeviceOption = None,
) -> None:
    """Draw pictures in every domain: first the input, then each label of each dataset (Figs. 4 and 5)."""
    from stargan_fw.inference.translator import Translator

    pictures = [file for file, _ in _image_files(images)] if images else _held_out(model)
    translator: Translator = Translator.from_pretrained(model, device=device)
    picture = translator.sheet(pictures)
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.save(out)
    typer.echo(out)


def _held_out(model: str) -> list["Image.Image"]:
    """Returns a few test images of each of a run's datasets."""
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw.training.run_folder import RunFolder
    from stargan_fw.training.split_record import recorded_sources

    run = RunFolder(Path(model))
    config = run.config()
    sources = recorded_sources(run, PluginManager.discover(tuple(config.plugins)))
    return [
        picture
        for source in sources
        for picture in source.pictures(source.held_out(SHEET_IMAGES), config.data.image_size)
    ]


def _image_files(images: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yields each picture with the path that it has below its folder.

    Raises:
        DataError: a path that is missing or no picture, or a folder without pictures.
    """
    from PIL import Image

    from stargan_fw.data.images import UNREADABLE, reason

    for path in images:
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not found:
            raise DataError(f"The folder '{path}' holds no pictures ({', '.join(sorted(SUFFIXES))}).")
        for file in found:
            try:
                Image.open(file).close()
            except UNREADABLE as error:
                raise DataError(f"The image '{file}' cannot be read: {reason(error)}.") from None
            yield file, file.relative_to(path) if path.is_dir() else Path(file.name)


def _targets(files: Sequence[tuple[Path, Path]], edits: Sequence[str], out: Path) -> Iterator[tuple[Path, str, Path]]:
    """Yields picture, edit and where the result goes: `OUT/<path>-<edit>.png`, or OUT where it is a file's name."""
    one = len(files) == len(edits) == 1 and out.suffix.lower() in SUFFIXES
    taken: dict[Path, Path] = {}
    for source, relative in files:
        for edit in edits:
            name = re.sub(r"[^\w=,.+-]", "_", edit)
            target = out if one else out / relative.with_name(f"{relative.stem}-{name}.png")
            if taken.setdefault(target, source) != source:
                raise DataError(f"'{taken[target]}' and '{source}' would both become '{target}'. Translate them apart.")
            yield source, edit, target
