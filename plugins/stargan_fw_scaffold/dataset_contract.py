"""What a dataset promises: see `stargan_fw.Dataset`."""

from __future__ import annotations

import math
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from stargan_fw import Dataset, Example
from stargan_fw.data.images import open_image
from stargan_fw.errors import DataError, RequestError
from stargan_fw.interfaces import Counterfactual, DrawsStandIn
from stargan_fw_registry import LabelError, LabelSchema
from stargan_fw_scaffold.faults import FaultError
from stargan_fw_scaffold.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stargan_fw_scaffold.faults import Check, Given
    from stargan_fw_scaffold.target import Found

FEW = 24  # images that are opened


class DatasetSubject:
    """A dataset with data to read: what the user names, the dataset's own stand-in, or drawn folders of classes."""

    def __init__(self, found: Found, given: Given) -> None:
        self.kind: type[Dataset] = found.item
        self.given = given

    def open(self, root: Path) -> Dataset:
        """Builds the dataset."""
        return self.kind(root, **self.given.options or {})

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset with its data."""
        with self._reading():
            return self.open(self.root)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Makes a fault of data that the dataset cannot read."""
        try:
            yield
        except (DataError, OSError) as error:
            read = f"'{self.given.data}'" if self.given.data else "what its own draw_stand_in draws"
            raise FaultError(
                f"cannot read {read}: {str(error).rstrip('.')}",
                self.about_drawn or "Name another folder with --data, or correct examples().",
            ) from error

    @property
    def about_drawn(self) -> str:
        """What else to do about a fault of the dataset's stand-in data; empty if the user named data."""
        if self.given.data or not issubclass(self.kind, DrawsStandIn):
            return ""
        return (
            "Let draw_stand_in draw what examples() reads; or delete it, and check with your own images: --data FOLDER "
            "(data=… in Python)."
        )

    @cached_property
    def root(self) -> Path:
        """Where the data is."""
        if self.given.data:
            return self.given.data
        if issubclass(self.kind, DrawsStandIn):
            return self.draw_stand_in()
        for root in _draw_usual_layouts():
            if self._can_read(root):
                return root
        raise FaultError(
            "has no data to be checked on",
            f"Name data with --data FOLDER (data=… in Python), or give {self.kind.__name__} a classmethod "
            "draw_stand_in(cls, root, *, images, people, seed).",
        )

    def draw_stand_in(self) -> Path:
        """Lets the dataset draw its stand-in data into a new folder."""
        root = temporary_folder() / "data"
        root.mkdir()
        self.kind.draw_stand_in(root, images=FEW, people=3, seed=0)  # type: ignore[attr-defined]
        return root

    def _can_read(self, root: Path) -> bool:
        try:
            dataset = self.open(root)
            examples = list(dataset.examples())
            schema = LabelSchema("checked", list(dataset.attributes))
            return bool([schema.encode(example.labels) for example in examples])
        except Exception:  # noqa: BLE001 - whatever a dataset makes of another layout than its own
            return False

    @cached_property
    def schema(self) -> LabelSchema:
        """The dataset's labels."""
        try:
            return LabelSchema(self.kind.name, list(self.dataset.attributes))
        except LabelError as error:
            raise FaultError(f"has attributes that cannot be: {error}", "Change `attributes`.") from error

    @cached_property
    def examples(self) -> list[Example]:
        """All examples."""
        with self._reading():
            examples = list(self.dataset.examples())
        if not examples:
            raise FaultError(
                f"lists no example at '{self.root}'",
                self.about_drawn or "Let examples() yield one for each image there.",
            )
        for example in examples:
            if not isinstance(example, Example):
                raise FaultError(
                    f"yields {type(example).__name__} {example!r} as an example",
                    "Yield stargan_fw.Example(image=path, labels={…}).",
                )
        return examples

    @cached_property
    def few(self) -> list[Example]:
        """Some examples from everywhere in the dataset."""
        return self.examples[:: max(1, len(self.examples) // FEW)][:FEW]


def _draw_usual_layouts() -> tuple[Path, Path]:
    """Draws images in a folder per class, and a table that lists them; returns the folder and the table."""
    root = temporary_folder()
    rows = ["image,class,young"]
    for number in range(FEW):
        name = f"classes/{('cat', 'dog', 'owl')[number % 3]}/{number:03d}.png"
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        Image.new("RGB", (64, 64), (number * 10, 100, 255 - number * 10)).save(root / name)
        rows.append(f"{name},{Path(name).parent.name},{number % 2}")
    (root / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root / "classes", root / "table.csv"


def its_labels_form_a_schema(subject: DatasetSubject) -> None:
    if not list(subject.dataset.attributes):
        raise FaultError(
            "has no attributes, so there is nothing to translate to",
            'Set attributes = [Categorical("species", ["cat", "dog"])], or the like.',
        )
    assert subject.schema


def it_lists_examples(subject: DatasetSubject) -> None:
    assert subject.examples


def the_order_is_the_same_at_each_call(subject: DatasetSubject) -> None:
    examples, again = subject.examples, list(subject.dataset.examples())
    for number, (first, second) in enumerate(zip(examples, again, strict=False)):
        if (str(first.image), first.labels) != (str(second.image), second.labels):
            raise FaultError(
                f"lists '{first.image}' as example {number} at one call of examples(), and '{second.image}' at the next",
                "Sort the files: sorted(root.glob(…)), and loop over no set.",
            )
    if len(again) != len(examples):
        raise FaultError(
            f"lists {len(examples)} examples at one call of examples(), and {len(again)} at the next",
            "Begin anew at each call: keep no iterator or open file in the dataset.",
        )


def every_label_is_in_the_schema(subject: DatasetSubject) -> None:
    for example in subject.examples:
        try:
            subject.schema.encode(example.labels)
        except LabelError as error:
            raise FaultError(
                f"gives '{example.image}' a label outside of its schema: {error}",
                f"Correct examples(), or add the value to `attributes`. {subject.about_drawn}",
            ) from error


def every_attribute_is_known_of_an_example(subject: DatasetSubject) -> None:
    encoded = [_known(subject, example) for example in subject.examples]
    for position, name in enumerate(subject.schema.names):
        if all(math.isnan(labels[position]) for labels in encoded):
            raise FaultError(
                f"never knows the label '{name}': no example has a value for it",
                f"Put it into Example.labels, or take it out of `attributes`. {subject.about_drawn}",
            )


def _known(subject: DatasetSubject, example: Example) -> list[float]:
    try:
        return subject.schema.encode(example.labels)
    except LabelError:  # another check reports it
        return [0.0] * subject.schema.dim


def there_is_something_to_translate(subject: DatasetSubject) -> None:
    if len({tuple(_known(subject, example)) for example in subject.examples}) == 1:
        raise FaultError(
            f"gives all {len(subject.examples)} examples the same labels, so there is nothing to translate between",
            "Read each image's own labels in examples().",
        )


def every_image_can_be_opened(subject: DatasetSubject) -> None:
    for example in subject.few if not subject.given.data else subject.examples[:FEW]:
        if isinstance(example.image, str | Path) and not Path(example.image).is_file():
            raise FaultError(
                f"lists '{example.image}', which is no file",
                f"Give the path from self.root on: self.root / name; leave out what is absent. {subject.about_drawn}",
            )
        try:
            with open_image(example.image) as image:
                image.load()
        except OSError as error:
            raise FaultError(
                f"lists '{example.image}', which is no image: {error}", "List image files alone in examples()."
            ) from error


def no_image_is_listed_twice(subject: DatasetSubject) -> None:
    seen: set[str] = set()
    for example in subject.examples:
        if str(example.image) in seen:
            raise FaultError(
                f"lists '{example.image}' twice, so that it may be trained on and tested on",
                "Yield one example for each image, with all of its labels.",
            )
        seen.add(str(example.image))


def unknown_people_are_none(subject: DatasetSubject) -> None:
    for example in subject.examples:
        if example.identity is not None and example.identity.lower() in {"nan", "none", "", "<na>"}:
            raise FaultError(
                f"names the person on '{example.image}' '{example.identity}', so that all such images are one person's",
                "Give identity=None if nobody knows who is on an image.",
            )
        if example.identity is not None and example.identity.endswith(".0") and example.identity[:-2].isdigit():
            raise FaultError(
                f"numbers the person on '{example.image}' {example.identity}, a float",
                "Convert it before: identity=str(int(number)).",
            )


def its_split_can_be_made(subject: DatasetSubject) -> None:
    how = subject.dataset.test_split
    if how == "person" and not any(example.identity for example in subject.examples):
        raise FaultError(
            'has test_split = "person", and no example names a person',
            'Set Example.identity, or test_split = "random".',
        )
    if how == "given" and {example.split for example in subject.examples} < {"train", "test"}:
        raise FaultError(
            'has test_split = "given", and not both a training and a test image',
            'Set Example.split to "train" or "test", or test_split = "random".',
        )
    for example in subject.examples:
        if example.split not in {None, "train", "test"}:
            raise FaultError(
                f"puts '{example.image}' into the split '{example.split}'", 'Give "train", "test" or None.'
            )


def an_absent_folder_is_a_clear_error(subject: DatasetSubject) -> None:
    absent = temporary_folder() / "absent"
    try:
        list(subject.open(absent).examples())
    except RequestError:
        return
    except Exception as error:
        raise FaultError(
            f"raises {type(error).__name__} if its folder is missing",
            "Raise stargan_fw.errors.DataError, with a message that says where to get the data.",
        ) from error


def crops_lie_inside_their_images(subject: DatasetSubject) -> None:
    for example in (each for each in subject.few if each.crop):
        with open_image(example.image) as image:
            square = example.crop.find(image.convert("RGB")) if example.crop else None
            if square and not _inside(square.left, square.top, square.side, image.size):
                raise FaultError(
                    f"crops '{example.image}' outside of its {image.size[0]} x {image.size[1]} pixels: {square}",
                    "Make the square with stargan_fw.Square.around or Square.centred, which keep inside.",
                )


def _inside(left: int, top: int, side: int, size: tuple[int, int]) -> bool:
    return min(left, top) >= 0 and side > 0 and left + side <= size[0] and top + side <= size[1]


def stand_in_data_is_the_same_from_the_same_seed(subject: DatasetSubject) -> None:
    if not issubclass(subject.kind, DrawsStandIn):
        return
    first, second = (_bytes_in(subject.draw_stand_in()) for _ in range(2))
    if first != second:
        names = sorted(name for name in {*first, *second} if first.get(name) != second.get(name))
        raise FaultError(
            f"draws another '{names[0]}' at the second call of draw_stand_in with the same seed",
            "Draw from random.Random(seed) alone, and write no time or path.",
        )


def _bytes_in(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def the_truth_without_a_change_is_the_image(subject: DatasetSubject) -> None:
    dataset: Any = subject.dataset
    if not isinstance(dataset, Counterfactual):
        return
    example = subject.examples[0]
    truth = dataset.counterfactual(example, {})
    with open_image(example.image) as image:
        if truth is not None and truth.convert("RGB").tobytes() != image.convert("RGB").tobytes():
            raise FaultError(
                f"shows another picture than '{example.image}' as its counterfactual with no label changed",
                "Draw the example's own pixels if there are no labels to change.",
            )


DATASET_CHECKS: tuple[Check, ...] = (
    its_labels_form_a_schema,
    it_lists_examples,
    the_order_is_the_same_at_each_call,
    every_label_is_in_the_schema,
    every_attribute_is_known_of_an_example,
    there_is_something_to_translate,
    every_image_can_be_opened,
    no_image_is_listed_twice,
    unknown_people_are_none,
    its_split_can_be_made,
    an_absent_folder_is_a_clear_error,
    crops_lie_inside_their_images,
    stand_in_data_is_the_same_from_the_same_seed,
    the_truth_without_a_change_is_the_image,
)
