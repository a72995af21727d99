"""The same drawn person with another gender, hair colour or age."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stargan_fw_plugins.sample_faces import HAIR_COLORS, Look, draw_clothing_of, private_generator, vary

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from stargan_fw_registry import LabelValue

HAIR = {"Black_Hair": "black", "Blond_Hair": "blond", "Brown_Hair": "brown", "Gray_Hair": "grey"}


def changed(look: Look, labels: Mapping[str, LabelValue], key: Sequence[Hashable]) -> Look | None:
    """Returns the person with these labels, or None where they do not say what the person looks like.

    - A hair colour colours hair and beard. Grey is old, and the three others are young: age shows in nothing else.
    - `Young` cleared greys the hair. Set on an old face it says no colour, so that alone is not enough.
    - `Male` gives other hair and clothes, and a beard or none, drawn once for each person. Skin, hair colour, colour of
      the clothes and glasses stay. It is one of the pictures that would be right.

    Args:
        look: the person.
        labels: by CelebA's names; one that is not drawn gives None.
        key: of what is drawn anew.
    """
    known = {name: bool(value) for name, value in labels.items() if value is not None}
    hair = _hair(look, known)
    if hair is None or not known.keys() <= {*HAIR, "Male", "Young"}:
        return None
    male = known.get("Male", look.male)
    if male != look.male:
        look = draw_clothing_of(look, private_generator(*key, "male", male), male=male)
    if hair != look.hair:
        look = replace(look, hair=hair, hair_color=vary(private_generator(*key, hair), HAIR_COLORS[hair], 8))
    return look


def _hair(look: Look, known: Mapping[str, bool]) -> str | None:
    """Returns the key of `HAIR_COLORS` that the labels ask for; None where they ask for none or for two things."""
    asked = {HAIR[name] for name, value in known.items() if name in HAIR and value}
    refused = {HAIR[name] for name, value in known.items() if name in HAIR and not value}
    young = known.get("Young", None if asked else look.young)
    if not asked:
        asked = {look.hair} if look.young == young else {"grey"} if not young else set()
    hair = next(iter(asked), None)
    if len(asked) != 1 or asked & refused or (young is not None and young != (hair != "grey")):
        return None
    return hair
