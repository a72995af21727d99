"""Your own dataset in one file: circles, squares and triangles, filled or not.

stargan-fw data sample data/mine --plugin examples/shapes.py --images 500
stargan-fw train --plugin examples/shapes.py --datasets shapes,celeba --data data/mine --preset quickstart
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from stargan_fw import Dataset, Example, hookimpl
from stargan_fw_registry import Binary, Categorical

CORNERS = {"circle": 60, "square": 4, "triangle": 3}


class Shapes(Dataset):
    """`root/<shape>/<number>.png`; the name of a filled shape ends in f."""

    name = "shapes"
    attributes = (Categorical("shape", list(CORNERS)), Binary("filled"))

    def examples(self) -> Iterator[Example]:
        for path in sorted(self.root.glob("*/*.png")):
            yield Example(image=path, labels={"shape": path.parent.name, "filled": path.stem.endswith("f")})

    @classmethod
    def draw_stand_in(cls, root: Path, *, images: int, people: int, seed: int) -> None:  # noqa: ARG003 - there are no people here
        random = Random(seed)
        for number in range(images):
            shape, filled = list(CORNERS)[number % 3], random.random() < 0.5
            picture = Image.new("RGB", (64, 64), tuple(random.randrange(150, 256) for _ in range(3)))
            colour = tuple(random.randrange(120) for _ in range(3))
            centre, turn = (
                (random.uniform(24, 40), random.uniform(24, 40), random.uniform(12, 20)),
                random.uniform(-9, 9),
            )
            draw = ImageDraw.Draw(picture)
            draw.regular_polygon(centre, CORNERS[shape], turn, colour if filled else None, colour, width=3)
            (root / shape).mkdir(exist_ok=True)
            picture.save(root / shape / f"{number:05d}{'f' if filled else 'o'}.png")


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(Shapes)
