"""A command of your own: `stargan-fw album MODEL FOLDER --to happy` writes a page of pictures before and after an edit.

pip install ./examples/album_command
stargan-fw album runs/quickstart data/sample/rafd --to happy,Blond_Hair
"""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.errors import DataError


def album(
    model: Annotated[str, typer.Argument(help="A run folder, a model folder or a Hub id.")],
    folder: Annotated[Path, typer.Argument(help="The folder of pictures.")],
    *,
    to: Annotated[str, typer.Option(help="The edit, such as happy or Blond_Hair,Male=0.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("album.html"),
    first: Annotated[int, typer.Option(min=1, help="Take this many pictures.")] = 24,
) -> None:
    """Write a page that shows pictures before and after an edit."""
    # The program imports this file at every start, also for --help. What takes long to import is imported here.
    from stargan_fw import Translator  # noqa: PLC0415
    from stargan_fw.api import data_uri, write_text  # noqa: PLC0415

    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    if not pictures:
        raise DataError(f"'{folder}' holds no pictures. Name a folder with .jpg, .png or .webp files.")
    translator = Translator.from_pretrained(model, accelerate=True)
    rows = [f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(to)}</title>']
    for path in pictures[:first]:
        row = translator.sheet([path], [to])
        rows.append(f'<p><img src="{data_uri(row, "webp")}" alt="{escape(path.name)}, before and after">')
    write_text(out, "\n".join(rows))
    typer.echo(f"{out}: {min(first, len(pictures))} pictures")


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    register(Command("album", album, after="translate"))
