"""Labels of several datasets in one edit: how many translations show those of each dataset, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stargan_fw.errors import LabelError
from stargan_fw.rendering.sheets import translate_if_possible
from stargan_fw_evaluate.evaluation_request import labels_to_change
from stargan_fw_evaluate.scoring import Outcomes
from stargan_fw_evaluate.unasked import LabelWatch
from stargan_fw_registry import quote_name
from stargan_fw_registry.edits import Edit, parse_edits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor

    from stargan_fw.inference.translator import Translator
    from stargan_fw_evaluate.classifier import LabelClassifier
    from stargan_fw_evaluate.feature_distances import FeatureDistances
    from stargan_fw_evaluate.scoring import EvaluationImages, LabelReader, Wrap
    from stargan_fw_registry import Attribute, LabelSchema, LabelValue

WHOLE, PART = "across_error", "across_part_error"


@dataclass(frozen=True)
class AcrossPart:
    """The labels that an edit names of one dataset.

    Attributes:
        schema: the dataset's labels.
        edit: the change of these labels.
        wanted: the position and value of each label that is named; what follows from them is left out, such as the other hair
            colours that a hair colour clears.
    """

    schema: LabelSchema
    edit: Edit
    wanted: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, schema: LabelSchema, edit: Edit) -> AcrossPart:
        """Returns the part of an edit; raises LabelError if it turns a label over, since the target then depends on the image."""
        for label in edit.flips:
            name = f"{schema.name}.{quote_name(label)}"
            raise LabelError(f"'{name}=flip' is another target for each image: write {name} or {name}=0")
        if edit.moves:
            named = ",".join(f"{schema.name}.{part}" for part in schema.write(edit))
            raise LabelError(f"'{named}' is another target for each image: give what all are to have")
        for label, value in schema.named(edit).items():
            if value not in {0, 1} and not schema.kinds[label].continuous:
                raise LabelError(f"'{label}={value:g}' has a strength, which no classifier reads: leave it out")
        return cls(schema, edit, tuple((schema.position(label), value) for label, value in schema.named(edit).items()))

    @property
    def name(self) -> str:
        """The labels as an edit names them: "pets.cat,pets.young=0"."""
        return ",".join(f"{self.schema.name}.{part}" for part in self.schema.write(self.edit))

    def matches(self, labels: Tensor) -> Tensor:
        """Returns (B,) booleans: which of the dataset's labels (B, d) have all values that the edit names."""
        shown = [self.kind(at).matches(labels[:, at], value) for at, value in self.wanted]
        return torch.stack(shown, dim=1).all(dim=1)

    def kind(self, position: int) -> Attribute:
        """Returns the attribute of a label."""
        return self.schema.kinds[self.schema.names[position]]

    def changes(self, labels: Sequence[float]) -> bool:
        """Tells whether the edit changes labels (d,), as far as they are known."""
        wanted = [(self.kind(at), labels[at], value) for at, value in self.wanted if labels[at] == labels[at]]
        return not all(kind.matches(label, value) for kind, label, value in wanted)


@dataclass(frozen=True)
class AcrossTarget:
    """An edit of labels of several datasets, one part per dataset."""

    parts: tuple[AcrossPart, ...]

    @property
    def name(self) -> str:
        """The edit with the datasets' names: "celeba.Male,rafd.happy"."""
        return ",".join(part.name for part in self.parts)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """One edit per dataset."""
        return tuple(part.edit for part in self.parts)

    @property
    def datasets(self) -> list[str]:
        """The datasets of the parts."""
        return [part.schema.name for part in self.parts]

    @property
    def change(self) -> dict[str, LabelValue] | None:
        """The labels of all datasets to change, by name; None if two datasets' labels of one name get different values."""
        found: dict[str, LabelValue] = {}
        for part in self.parts:
            labels = labels_to_change(part.schema, part.edit)
            if any(found.get(name, value) != value for name, value in labels.items()):
                return None
            found |= labels
        return found

    def select(self, images: EvaluationImages) -> list[int]:
        """Returns the images that the edit changes, as far as their own dataset's labels tell; otherwise all."""
        own = [part for part in self.parts if part.schema.name == images.source.alias]
        if not own:
            return list(images.indices)
        labels, (part,) = images.source.labels, own
        return [index for index in images.indices if part.changes(labels[index])]


def split_targets(
    texts: Sequence[str], schemas: Sequence[LabelSchema], datasets: Collection[str]
) -> tuple[list[str], list[AcrossTarget]]:
    """Returns the edits of one dataset as they are, and the others as targets.

    Args:
        texts: edits, as `--to` takes them.
        schemas: the datasets whose labels the texts may name.
        datasets: those of them to whose labels images may be translated.

    Raises:
        LabelError: an edit of several datasets is of another one, or turns a label over; or an edit cannot be read.
    """
    by_name, single, several = {schema.name: schema for schema in schemas}, [], dict[str, AcrossTarget]()
    for text in texts:
        edits = parse_edits(text, schemas)
        if len(edits) == 1:
            single.append(text)
            continue
        for edit in edits:
            if edit.dataset not in datasets:
                raise LabelError(
                    f"'{text}' names labels of '{edit.dataset}', and images are translated to labels of {', '.join(datasets)}: "
                    "add it to --datasets"
                )
        target = AcrossTarget(tuple(AcrossPart.of(by_name[edit.dataset], edit) for edit in edits))
        several.setdefault(target.name, target)
    return single, list(several.values())


@torch.no_grad()
def score_across(
    translator: Translator,
    classifiers: Mapping[str, LabelClassifier],
    images: EvaluationImages,
    target: AcrossTarget,
    device: torch.device,
    *,
    readers: Sequence[LabelReader] = (),
    watch: LabelWatch | None = None,
    features: FeatureDistances | None = None,
    progress: Wrap = lambda starts: starts,
) -> dict[str, Outcomes]:
    """Translates images to an edit, and reads the labels of each dataset with its own classifier.

    The images' own labels serve as current labels; the method reads those of the other datasets.

    Args:
        translator: the run's.
        classifiers: by dataset, what reads its labels.
        images: the images to translate.
        target: the labels to translate to.
        device: the device to compute on.
        readers: look for further labels.
        watch: looks for labels that changed although nobody asked.
        features: compares pictures by their features.
        progress: wraps the loop over batches.

    Returns:
        The outcomes of the whole edit and of each of its parts, by the name of what was measured.
    """
    schema, where = images.source.schema, f"{target.name} on {images.source.alias}"
    whole, parts = Outcomes(), [Outcomes() for _ in target.parts]

    def translate(some: Tensor, labels: Tensor) -> Tensor:
        known = [schema.known(row) for row in labels.tolist()]
        return translator.translate(some, to=target.name, current=known).float()

    for indices, inputs, labels in images.batches(target.select(images), device, progress):
        translated, possible = translate_if_possible(translate, inputs, labels)
        whole.refused += int((~possible).sum())
        if not possible.any():
            continue
        kept = [index for index, able in zip(indices, possible.tolist(), strict=True) if able]
        groups, translated, right = images.groups(kept), translated[possible], possible[possible]
        read = {dataset: classifiers[dataset].read(translated)[0] for dataset in target.datasets}
        for part, outcomes in zip(target.parts, parts, strict=True):
            shown = part.matches(read[part.schema.name])
            outcomes.add(PART, (~shown).float().tolist(), groups)
            right &= shown
        whole.add(WHOLE, (~right).float().tolist(), groups)
        whole.add_read(readers, inputs[possible], translated, groups)
        true = images.truth.pictures(images.truth.across, kept, target.change) if images.truth else None
        whole.add_comparison(true or [], inputs[possible], translated, groups, features)
        changes = (watch or LabelWatch({})).changes(
            images.source.alias,
            kept,
            inputs[possible],
            translated,
            edits=target.edits,
            pictures=true if images.truth and images.truth.across else None,
            read=read,
        )
        whole.add_unasked(changes, groups)
    return {where: whole, **{f"{part.name} of {where}": own for part, own in zip(target.parts, parts, strict=True)}}
