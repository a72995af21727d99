"""The models of a demo: what they make of one picture, with the labels that a person chose."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stargan_fw.errors import PluginError, RequestError
from stargan_fw.inference.inputs import PictureInput
from stargan_fw.inference.target_labels import Target
from stargan_fw.inference.translator import Translator
from stargan_fw.rendering.sheets import list_domains
from stargan_fw_demo.label_controls import describe_labels, in_words
from stargan_fw_registry import Edit
from stargan_fw_translate.framing import frame_faces, held_out_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from PIL import Image

    from stargan_fw.inference.engine import PrecisionName
    from stargan_fw.inference.inputs import Reading
    from stargan_fw.inference.pipeline import Size

FACE = "face"
RESULT = "result"  # the name of the only picture of `DemoModel.translate`


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks of the models.

    Attributes:
        picture: upright and in RGB.
        known: the picture's labels of one dataset; None if nothing is known, and the model has to read them.
        find_face: whether to translate the face that is found, or else the middle of the picture.
        size: whether results have the model's size, or are pasted into the picture.
        strength: how far to go, from 0 to 1.
        wrong_mask: whether each dataset's mask bit takes the place of another's, as in Figure 7.
    """

    picture: Image.Image
    known: Edit | None = None
    find_face: bool = False
    size: Size = "model"
    strength: float = 1.0
    wrong_mask: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model made of a request.

    Attributes:
        pictures: the results by name; what the model could not make is missing.
        remarks: sentences about it: what was not trained, where no face was found, why there is no result.
    """

    pictures: dict[str, Image.Image]
    remarks: list[str]


@dataclass
class DemoModel:
    """A model that is shown. One thread at a time may use it.

    Attributes:
        name: its title.
        path: what the user called it.
        translator: the model.
        plugins: plugin files that it needs.
        no_faces: why it cannot find faces; empty if it can.
    """

    name: str
    path: str
    translator: Translator
    plugins: Sequence[Path] = ()
    no_faces: str = ""
    _framed: dict[str, Reading] = field(default_factory=dict)

    @classmethod
    def open(
        cls, path: str, name: str, *, device: str | None, precision: PrecisionName, plugins: Sequence[Path]
    ) -> DemoModel:
        """Opens a run folder, a model folder or a model on the Hub; `Translator.from_pretrained` says what may be wrong."""
        options: dict[str, Any] = {"device": device, "precision": precision, "plugins": plugins, "accelerate": True}
        try:
            return cls(name, path, Translator.from_pretrained(path, crop=FACE, **options), plugins)
        except PluginError as error:  # if the model itself lacks a plugin, the next line says so
            return cls(name, path, Translator.from_pretrained(path, **options), plugins, str(error))

    @property
    def trained_on(self) -> str:
        """Which squares of pictures the model was trained on; empty if they were the middle ones."""
        return self.translator.own_crop(())

    @property
    def has_wrong_mask(self) -> bool:
        """Whether the model can be given another dataset's mask bit."""
        try:
            self.translator.variant("mask", "wrong")
        except RequestError:
            return False
        return True

    def translate(self, request: Request, edits: Mapping[str, str]) -> Answer:
        """Translates to labels of one dataset or of several.

        Args:
            request: the picture and how to translate it.
            edits: by dataset, each as `Translator.translate` takes it; an empty one gives the model the labels that it reads.
        """
        space = self.translator.labels
        parts = [
            space.resolve(edits[name]) if edits[name] else Edit(name, ()) for name in space.datasets if name in edits
        ]
        return self._answer(request, {RESULT: Target(tuple(parts), (), request.strength)})

    def translate_to_all(self, request: Request) -> Answer:
        """Translates to each value of each label in turn, as sheets do."""
        space = self.translator.labels
        names = {domain.edit: in_words(domain.heading) for domain in list_domains(space)}
        if len(set(names.values())) < len(names):
            names = {edit: edit for edit in names}
        targets = {name: Target.make(space, edit, None, request.strength) for edit, name in names.items()}
        return self._answer(request, targets)

    def examples(self, count: int) -> list[tuple[Image.Image, Edit, str]]:
        """Returns test pictures with their labels, also in words, up to `count` per dataset; none if no run with its data is here."""
        try:
            pictures, labels = held_out_pictures(self.path, count, self.plugins)
        except (RequestError, OSError):
            return []
        words = [describe_labels(self.translator.labels.schema(edit.dataset), edit) for edit in labels]
        return list(zip(pictures, labels, words, strict=True))

    def _answer(self, request: Request, targets: Mapping[str, Target]) -> Answer:
        """Translates to the targets of one dataset together, or one by one if the model cannot translate to one of them."""
        pictures: dict[str, Image.Image] = {}
        remarks: dict[str, None] = {}
        for of_dataset in _by_dataset(targets):
            try:
                answers = [self._translate(request, of_dataset)]
            except RequestError as error:
                alone = [{name: target} for name, target in of_dataset.items()] if len(of_dataset) > 1 else []
                answers = [self._answer(request, one) for one in alone] or [Answer({}, [str(error)])]
            for answer in answers:
                pictures |= answer.pictures
                remarks |= dict.fromkeys(answer.remarks)
        return Answer(pictures, list(remarks))

    def _translate(self, request: Request, targets: Mapping[str, Target]) -> Answer:
        translator = self.translator.variant("mask", "wrong") if request.wrong_mask else self.translator
        wanted = list(targets.values())
        remarks = translator.warn_of_untrained(target.edits for target in wanted)
        image = PictureInput(request.picture, self._reading(wanted, find_face=request.find_face))
        known = [request.known] if request.known and self._knows(request.known) else None
        (translated,) = (one for batch in translator.pipeline.run([image], wanted, current=known) for one in batch)
        if image.note:
            remarks.append(f"In this picture {image.note}.")
        return Answer(dict(zip(targets, translated.results(request.size), strict=True)), remarks)

    def _reading(self, targets: Sequence[Target], *, find_face: bool) -> Reading:
        """Returns how the model reads a picture, with as much room around a face as in training if it is to be found."""
        reading, dataset = self.translator.reading(targets), targets[0].datasets[0]
        if not find_face:
            return replace(reading, crop=None)
        if dataset not in self._framed:
            self._framed[dataset] = frame_faces(reading, None, self.path, dataset, self.plugins)
        return self._framed[dataset]

    def _knows(self, edit: Edit) -> bool:
        """Tells whether the model has the labels to which an edit of another model gives values."""
        space = self.translator.labels
        return edit.dataset in space.datasets and set(dict(edit.assignments)) <= set(space.schema(edit.dataset).names)


def _by_dataset(targets: Mapping[str, Target]) -> Iterator[dict[str, Target]]:
    """Yields the targets whose pictures are read alike, since their first dataset is the same."""
    for dataset in dict.fromkeys(target.datasets[0] for target in targets.values()):
        yield {name: target for name, target in targets.items() if target.datasets[0] == dataset}
