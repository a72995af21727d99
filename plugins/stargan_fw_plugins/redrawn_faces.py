"""Draws stand-in faces again with other labels, from the seed that was written beside the images."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from stargan_fw.errors import DataError
from stargan_fw_plugins.sample_faces import (
    EXPRESSIONS,
    HAIR_COLORS,
    Look,
    Portrait,
    draw_as_gender,
    portrait_bytes,
    seeded_random,
    vary_brightness,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from pathlib import Path

    from stargan_fw_registry import LabelValue

FILE = "stand-in.json"  # only drawn data has it
FORMAT = 1
CELEBA_HAIR = {"Black_Hair": "black", "Blond_Hair": "blond", "Brown_Hair": "brown", "Gray_Hair": "grey"}
EXPRESSION, SMILE, SMILING = "expression", "Smiling", "happy"  # RaFD's label and CelebA's, and how a smile is drawn


def write_seed(root: Path, seed: int) -> None:
    """Writes the seed beside the images."""
    (root / FILE).write_text(json.dumps({"format": FORMAT, "seed": seed}) + "\n", encoding="utf-8", newline="\n")


def read_seed(root: Path) -> int | None:
    """Returns the seed that the data under `root` was drawn with; None if the data was not drawn.

    Raises:
        DataError: the file that holds the seed is broken.
    """
    path = root / FILE
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return int(document["seed"]) if document["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' cannot be read ({error}). Remove it, and no face is drawn again.") from None


def draw_portrait(portrait: Portrait) -> Image.Image:
    """Draws a portrait with the pixels that its image file would have.

    Raises:
        PluginError: the packages that draw are not installed.
    """
    return Image.open(io.BytesIO(portrait_bytes(portrait)))


def redraw(
    drawn: Portrait,
    labels: Mapping[str, LabelValue],
    key: Sequence[Hashable],
    dress: Callable[[Look], Look] = lambda look: look,
) -> Image.Image | None:
    """Draws a portrait with other labels; returns None if they do not determine what it looks like.

    Args:
        drawn: the portrait as it was drawn.
        labels: CelebA's attributes and RaFD's `expression`, by name; a label that the drawing cannot show gives None.
        key: seeds what is drawn anew.
        dress: changes what is drawn anew to what the dataset shows.
    """
    expression = _choose_expression(drawn.expression, labels)
    rest = {name: value for name, value in labels.items() if name not in {EXPRESSION, SMILE}}
    look = change_look(drawn.look, rest, key, dress)
    if look is None or expression is None:
        return None
    return draw_portrait(replace(drawn, look=look, expression=expression))


def _choose_expression(shown: str, labels: Mapping[str, LabelValue]) -> str | None:
    """Returns the key of `EXPRESSIONS` that the labels determine; None if they fit none."""
    named, smiles = labels.get(EXPRESSION), labels.get(SMILE)
    if named is not None:
        fits = named in EXPRESSIONS and (smiles is None or bool(smiles) == (named == SMILING))
        return str(named) if fits else None
    if smiles is None or bool(smiles) == (shown == SMILING):
        return shown
    return SMILING if smiles else "neutral"


def change_look(
    look: Look,
    labels: Mapping[str, LabelValue],
    key: Sequence[Hashable],
    dress: Callable[[Look], Look] = lambda look: look,
) -> Look | None:
    """Returns the person with these labels, or None if the labels do not determine what the person looks like.

    - A hair colour changes hair and beard. Grey hair makes a person old and the three others young: nothing else shows
      the age.
    - Clearing `Young` greys the hair. Setting `Young` on an old person is not enough alone, since it names no colour.
    - `Male` changes the cut of the hair, the clothes and the beard. They are drawn once per person. Skin, hair colour,
      colour of the clothes and glasses stay. Other pictures would be right, too.

    Args:
        look: the person.
        labels: by CelebA's names; a label that the drawing cannot show gives None.
        key: seeds what is drawn anew.
        dress: changes what is drawn anew for another gender to what the dataset shows.
    """
    known = {name: bool(value) for name, value in labels.items() if value is not None}
    hair = _choose_hair(look, known)
    if hair is None or not known.keys() <= {*CELEBA_HAIR, "Male", "Young"}:
        return None
    male = known.get("Male", look.male)
    if male != look.male:
        look = dress(draw_as_gender(look, seeded_random(*key, "male", male), male=male))
    if hair != look.hair:
        color = vary_brightness(seeded_random(*key, hair), HAIR_COLORS[hair], 8)
        look = replace(look, hair=hair, hair_color=color)
    return look


def _choose_hair(look: Look, known: Mapping[str, bool]) -> str | None:
    """Returns the key of `HAIR_COLORS` that the labels determine; None if they fit no colour or several."""
    wanted = {CELEBA_HAIR[name] for name, value in known.items() if name in CELEBA_HAIR and value}
    excluded = {CELEBA_HAIR[name] for name, value in known.items() if name in CELEBA_HAIR and not value}
    young = known.get("Young", None if wanted else look.young)
    if not wanted:
        wanted = {look.hair} if look.young == young else {"grey"} if not young else set()
    hair = next(iter(wanted), None)
    if len(wanted) != 1 or wanted & excluded or (young is not None and young != (hair != "grey")):
        return None
    return hair
