"""Draws stand-in faces: avatars with chosen, and therefore known, hair, gender, age and expression.

The art is the style "avataaars" by Pablo Stanley (free for personal and commercial use), drawn at run time by
`dicebear` and rasterised by `resvg`; no image of it is shipped. After a dataset's centre crop, every face has the same
place and scale, so that one model can train on several stand-in datasets.
"""

from __future__ import annotations

import colorsys
import io
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module, resources
from random import Random
from typing import TYPE_CHECKING, Any

from PIL import Image

from stargan_fw.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Color = tuple[int, int, int]

JPEG_QUALITY = 92
# Fewer portraits are drawn faster than worker processes start.
POOL_THRESHOLD = 300
MOST_WORKERS = 8
# The square of the 280 x 280 drawing that the centre crop keeps: left, top and side.
FACE_LEFT, FACE_TOP, FACE_SIDE = 46.0, 14.0, 188.0
CANVAS = 'viewBox="0 0 280 280"'
EYES_LEFT, EYES_PLACE = 98, 'transform="translate({} 98)"'

HAIR_COLORS: Mapping[str, Color] = {
    "black": (38, 26, 24),
    "blond": (222, 188, 104),
    "brown": (114, 65, 51),
    "grey": (176, 173, 178),
}
YOUNG_HAIR = ("black", "blond", "brown")
SKINS: Sequence[Color] = ((255, 219, 180), (237, 185, 138), (208, 139, 91), (174, 93, 41), (141, 85, 36))
SKIN_WEIGHTS = (30, 32, 18, 10, 10)
LONG_TOPS = (
    "bob",
    "curly",
    "curvy",
    "longButNotTooLong",
    "straight01",
    "straight02",
    "straightAndStrand",
)
FRINGES = frozenset({"bob", "curvy", "straightAndStrand"})  # hang into the face
SHORT_TOPS = (
    "dreads01",
    "frizzle",
    "shortCurly",
    "shortFlat",
    "shortRound",
    "shortWaved",
    "theCaesar",
    "theCaesarAndSidePart",
)
BALDING_TOP = "sides"
WOMENS_CLOTHES = ("shirtScoopNeck", "shirtVNeck", "overall")
MENS_CLOTHES = ("hoodie", "collarAndSweater", "blazerAndShirt", "shirtCrewNeck")
CLOTHES_COLORS: Sequence[Color] = (
    (38, 46, 51),
    (81, 153, 228),
    (37, 85, 124),
    (146, 149, 152),
    (167, 212, 180),
    (200, 90, 90),
    (236, 236, 230),
    (126, 95, 150),
)
BEARDS = ("beardLight", "beardMedium")
MOUSTACHES = ("moustacheFancy", "moustacheMagnum")
GLASSES = ("prescription01", "prescription02", "round")
GLASSES_COLOR: Color = (38, 46, 51)

# Eyes, eyebrows and mouth.
EXPRESSIONS: Mapping[str, tuple[str, str, str]] = {
    "angry": ("squint", "angry", "grimace"),
    "contemptuous": ("eyeRoll", "upDown", "serious"),
    "disgusted": ("squint", "frownNatural", "tongue"),
    "fearful": ("surprised", "sadConcerned", "concerned"),
    "happy": ("happy", "default", "smile"),
    "neutral": ("default", "flatNatural", "serious"),
    "sad": ("default", "sadConcernedNatural", "sad"),
    "surprised": ("surprised", "raisedExcited", "screamOpen"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that all portraits of one person share.

    Attributes:
        male: True gives short hair and sometimes a beard, False long hair.
        hair: a key of `HAIR_COLORS`; old people have "grey", and nobody else has.
        skin_tone: index into `SKINS`, 0 is the lightest.
        hair_color, clothes_color: (red, green, blue) of 0 to 255.
        top, clothes, facial_hair, glasses: variants of the style; None means none.
    """

    male: bool
    hair: str
    hair_color: Color
    skin_tone: int
    top: str
    clothes: str
    clothes_color: Color
    facial_hair: str | None
    glasses: str | None

    @property
    def young(self) -> bool:
        return self.hair != "grey"


@dataclass(frozen=True, slots=True)
class Portrait:
    """One picture to draw, with everything that a worker process needs.

    Attributes:
        path: the JPEG to write; its folder exists.
        look: the person.
        expression: a key of `EXPRESSIONS`.
        background: (red, green, blue) of 0 to 255.
        size: width and height in pixels, the height at least the width; the face fills the centre square.
        gaze: how far the eyes move to the picture's right, in units of the 280 x 280 drawing.
    """

    path: Path
    look: Look
    expression: str
    background: Color
    size: tuple[int, int]
    gaze: float = 0.0


def seeded_random(*key: object) -> Random:
    """Returns a random generator that depends on the key alone, so that no drawing affects another."""
    return Random("-".join(str(part) for part in key))  # noqa: S311 - nothing secret is drawn


def draw_look(generator: Random) -> Look:
    """Draws a person: half are men; a fifth are old with grey hair, the others' hair is black, blond or brown."""
    male = generator.random() < 0.5
    hair = "grey" if generator.random() < 0.22 else generator.choice(YOUNG_HAIR)
    tops = SHORT_TOPS if male else LONG_TOPS
    balding = male and hair == "grey" and generator.random() < 0.1
    return Look(
        male=male,
        hair=hair,
        hair_color=vary_brightness(generator, HAIR_COLORS[hair], 8),
        skin_tone=generator.choices(range(len(SKINS)), SKIN_WEIGHTS)[0],
        top=BALDING_TOP if balding else generator.choice(tops),
        clothes=generator.choice(MENS_CLOTHES if male else WOMENS_CLOTHES),
        clothes_color=vary_brightness(generator, generator.choice(CLOTHES_COLORS), 12),
        facial_hair=_draw_facial_hair(generator) if male else None,
        glasses=generator.choice(GLASSES) if generator.random() < 0.08 else None,
    )


def draw_as_gender(look: Look, generator: Random, *, male: bool) -> Look:
    """Returns the person as a gender: hair, clothes and beard are drawn anew; colours and glasses stay."""
    return replace(
        look,
        male=male,
        top=generator.choice(SHORT_TOPS if male else LONG_TOPS),
        clothes=generator.choice(MENS_CLOTHES if male else WOMENS_CLOTHES),
        facial_hair=_draw_facial_hair(generator) if male else None,
    )


def _draw_facial_hair(generator: Random) -> str | None:
    if generator.random() < 0.45:
        return None
    return generator.choice(BEARDS if generator.random() < 0.7 else MOUSTACHES)


def vary_brightness(generator: Random, color: Color, spread: int) -> Color:
    """Returns the colour made lighter or darker by at most `spread` of 255, with nearly the same hue."""
    change = generator.randint(-spread, spread)
    red, green, blue = (min(255, max(0, channel + change)) for channel in color)
    return red, green, blue


def draw_soft_color(generator: Random) -> Color:
    """Draws a background of any hue, pale to mid-tone, never saturated."""
    channels = colorsys.hsv_to_rgb(generator.random(), generator.uniform(0.05, 0.30), generator.uniform(0.65, 0.95))
    red, green, blue = (round(255 * channel) for channel in channels)
    return red, green, blue


def write_portraits(portraits: Sequence[Portrait], workers: int | None = None) -> None:
    """Draws the portraits and writes each as a JPEG; the bytes depend on the portraits alone.

    Args:
        portraits: what to draw. Worker processes draw many portraits. They import the main module again, so a script
            that calls this keeps its own work under `if __name__ == "__main__":`.
        workers: how many processes; None means the number of cores for many portraits, and 1 for a few.

    Raises:
        PluginError: the packages that draw are not installed.
    """
    _drawing_packages()
    if workers is None:
        workers = min(os.cpu_count() or 1, MOST_WORKERS) if len(portraits) >= POOL_THRESHOLD else 1
    if workers == 1:
        for portrait in portraits:
            write_portrait(portrait)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        # Consuming the iterator raises what a worker raised.
        list(pool.map(write_portrait, portraits, chunksize=32))


def write_portrait(portrait: Portrait) -> None:
    """Draws one portrait at its final size and writes it."""
    portrait.path.write_bytes(portrait_bytes(portrait))


def portrait_bytes(portrait: Portrait) -> bytes:
    """Draws one portrait at its final size and returns the JPEG."""
    image = rasterise(portrait_svg(portrait), portrait.size, portrait.background)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def portrait_svg(portrait: Portrait) -> str:
    """Returns the drawing as SVG, with a view box that places the face in the centre square."""
    avatar, _ = _drawing_packages()
    svg: str = avatar(_avatar_options(portrait)).to_string()
    width, height = portrait.size
    tall = FACE_SIDE * height / width
    top = FACE_TOP - (tall - FACE_SIDE) / 2
    svg = svg.replace(CANVAS, f'viewBox="{FACE_LEFT} {top} {FACE_SIDE} {tall}"', 1)
    return svg.replace(EYES_PLACE.format(EYES_LEFT), EYES_PLACE.format(EYES_LEFT + portrait.gaze))


def rasterise(svg: str, size: tuple[int, int], background: Color) -> Image.Image:
    """Returns the SVG as an RGB image of `size` (width, height) on a plain background."""
    _, svg_to_bytes = _drawing_packages()
    width, height = size
    png = svg_to_bytes(
        svg_string=svg, width=width, height=height, background=_to_hex(background), skip_system_fonts=True
    )
    return Image.open(io.BytesIO(png)).convert("RGB")


def _avatar_options(portrait: Portrait) -> dict[str, Any]:
    """Returns the style's options; each has a single choice, so the style's own seed has no effect."""
    look = portrait.look
    eyes, eyebrows, mouth = EXPRESSIONS[portrait.expression]
    return {
        "seed": "stand-in",
        "eyesVariant": [eyes],
        "eyebrowsVariant": [eyebrows],
        "mouthVariant": [mouth],
        "topVariant": [look.top],
        "hairColor": [_to_hex(look.hair_color)],
        "skinColor": [_to_hex(SKINS[look.skin_tone])],
        "clothesVariant": [look.clothes],
        "clothesColor": [_to_hex(look.clothes_color)],
        "facialHairVariant": [look.facial_hair or BEARDS[0]],
        "facialHairColor": [_to_hex(look.hair_color)],
        "facialHairProbability": 100 if look.facial_hair else 0,
        "accessoriesVariant": [look.glasses or GLASSES[0]],
        "accessoriesColor": [_to_hex(GLASSES_COLOR)],
        "accessoriesProbability": 100 if look.glasses else 0,
    }


def _to_hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


@cache
def _drawing_packages() -> tuple[Callable[[dict[str, Any]], Any], Callable[..., bytes]]:
    """Returns the function from options to an avatar, and the rasteriser; the extra `sample` installs both."""
    try:
        dicebear, resvg_py = import_module("dicebear"), import_module("resvg_py")
        definition = resources.files("dicebear_styles").joinpath("avataaars.json").read_text("utf-8")
    except ImportError as error:
        message = f"Drawing stand-in faces needs the package '{error.name}'. Run: pip install 'stargan-fw[sample]'"
        raise PluginError(message) from error
    style = dicebear.Style(json.loads(definition))
    return lambda options: dicebear.Avatar(style, options), resvg_py.svg_to_bytes
