"""Two vendors' drawings of the same people: Google's are labelled by skin tone alone, Twitter's by gender alone.

The drawings are Noto Emoji (Google, Apache-2.0) and Twemoji (CC-BY 4.0; credit: Twitter and other contributors). They come
from the vendors' packages of npm, which have 65 MB each:

npm install --no-save --prefix data emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0
stargan-fw train --plugin examples/emoji.py --datasets google_tone,twitter_gender --preset quickstart
stargan-fw evaluate runs/quickstart --plugin examples/emoji.py

Every person is drawn by both vendors in six tones and three genders, so that each edit has a true picture, also an edit to
the labels of the other dataset. 53 motifs (a farmer, a shrug) × 3 genders × 6 tones: every sixth motif is a test motif.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeAlias

from PIL import Image

from stargan_fw import Dataset, Example, hookimpl
from stargan_fw.errors import DataError
from stargan_fw.interfaces.dataset import ImageSource
from stargan_fw_registry import Categorical, LabelValue

VERSION = "16.0.0"
GenderAndTone: TypeAlias = tuple[LabelValue, LabelValue]
TONES = {
    "yellow": "",
    "light": "1F3FB",
    "medium_light": "1F3FC",
    "medium": "1F3FD",
    "medium_dark": "1F3FE",
    "dark": "1F3FF",
}
GENDERS = ("man", "woman", "neutral")
PORTRAITS = {"person", "person-role", "person-gesture", "person-fantasy"}  # people of other categories are drawn small

SIGN = {"2640": "woman", "2642": "man"}  # ends the code of a person: a woman with a turban
FIRST = {"1F468": "man", "1F469": "woman", "1F9D1": "neutral"}  # begins it: a woman with a tractor is a farmer
ALONE = [  # people with a code of their own for each gender, in the order of woman, man and neutral
    ("1F467", "1F466", "1F9D2"),
    ("1F469", "1F468", "1F9D1"),
    ("1F475", "1F474", "1F9D3"),
    ("1F478", "1F934", "1FAC5"),
    ("1F930", "1FAC3", "1FAC4"),
    ("1F936", "1F385", "1F9D1-200D-1F384"),
]
BY_CODE = {
    code: ("-".join(codes), gender)
    for codes in ALONE
    for code, gender in zip(codes, ("woman", "man", "neutral"), strict=True)
}


def motif_and_gender(code: str) -> tuple[str, str]:
    """Returns what a person without a tone shows, and the gender: ("1F33E", "woman") for a woman with a sheaf of rice."""
    code = code.replace("-FE0F", "")
    if code in BY_CODE:
        return BY_CODE[code]
    first, _, last = code.partition("-200D-")
    if last in SIGN:
        return first, SIGN[last]
    return (last, FIRST[first]) if last and first in FIRST else (code, "neutral")


class Emoji(Dataset):
    """The people whom a vendor draws in all tones and genders; a subclass names the vendor and the labels."""

    test_split = "given"
    vendor: ClassVar[str]
    genders: ClassVar[tuple[str, ...]] = GENDERS

    def __init__(self, root: Path) -> None:
        places = [root, root / "node_modules" / self.package(), root.parent / "node_modules" / self.package()]
        super().__init__(next((place for place in places if (place / "emoji.json").is_file()), root))

    @classmethod
    def package(cls) -> str:
        return f"emoji-datasource-{cls.vendor}"

    @cached_property
    def pictures(self) -> dict[str, dict[GenderAndTone, Path]]:
        """The file of each person: motif → (gender, tone) → path. Only motifs with all genders and tones are there."""
        if not (self.root / "emoji.json").is_file():
            raise DataError(
                f"'{self.root}' does not hold the package {self.package()}. "
                f'Run: npm install --no-save --prefix "{self.root.parent}" {self.package()}@{VERSION}'
            )
        people: dict[str, dict[GenderAndTone, Path]] = {}
        for entry in json.loads((self.root / "emoji.json").read_text(encoding="utf-8")):
            tones = {"": entry, **entry.get("skin_variations", {})}
            if entry["subcategory"] in PORTRAITS and tones.keys() >= set(TONES.values()):
                motif, gender = motif_and_gender(entry["unified"])
                for tone, code in TONES.items():
                    path = self.root / "img" / self.vendor / "64" / tones[code]["image"]
                    people.setdefault(motif, {})[gender, tone] = path
        return {motif: people[motif] for motif in sorted(people) if len(people[motif]) == len(GENDERS) * len(TONES)}

    @cached_property
    def person(self) -> dict[ImageSource, tuple[str, LabelValue, LabelValue]]:
        """The motif, gender and tone of each file."""
        return {path: (motif, *key) for motif, paths in self.pictures.items() for key, path in paths.items()}

    def examples(self) -> Iterator[Example]:
        for number, (motif, paths) in enumerate(self.pictures.items()):
            for (gender, tone), path in paths.items():
                if gender in self.genders:
                    values = {"gender": gender, "tone": tone}
                    labels = {attribute.name: values[attribute.name] for attribute in self.attributes}
                    yield Example(path, labels, identity=motif, split="train" if number % 6 else "test")

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Returns the same person with another gender or tone, whichever of the two datasets has the label."""
        motif, gender, tone = self.person[example.image]
        wanted = {"gender": gender, "tone": tone, **labels}
        path = self.pictures[motif].get((wanted.pop("gender"), wanted.pop("tone")))
        if path is None or wanted:
            return None
        with Image.open(path) as picture:
            return picture.copy()

    counterfactual_across = counterfactual


class GoogleTone(Emoji):
    name, vendor = "google_tone", "google"
    attributes = (Categorical("tone", list(TONES)),)


class TwitterGender(Emoji):
    name, vendor = "twitter_gender", "twitter"
    genders = ("man", "woman")
    attributes = (Categorical("gender", list(genders)),)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(GoogleTone)
    register(TwitterGender)
