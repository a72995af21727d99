"""What stand-in data remembers of how it was drawn, so that a face can be drawn again with other labels."""

import io
import json
from pathlib import Path

from PIL import Image

from stargan_fw.errors import DataError
from stargan_fw_plugins.sample_faces import Portrait, portrait_bytes

FILE = "stand-in.json"  # only drawn data has it
FORMAT = 1


def write_record(root: Path, seed: int) -> None:
    """Writes the seed beside the images."""
    (root / FILE).write_text(json.dumps({"format": FORMAT, "seed": seed}) + "\n", encoding="utf-8", newline="\n")


def drawn_with(root: Path) -> int | None:
    """Returns the seed that the data under `root` was drawn with; None where it was not drawn.

    Raises:
        DataError: the file that says so is broken.
    """
    path = root / FILE
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return int(document["seed"]) if document["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' cannot be read ({error}). Remove it, and no face is drawn again.") from None


def picture(portrait: Portrait) -> Image.Image:
    """Draws a portrait as its image file would show it.

    Raises:
        PluginError: the packages that draw are not installed.
    """
    return Image.open(io.BytesIO(portrait_bytes(portrait)))
