"""What is asked of an evaluation, checked against the runs and the data before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from stargan_fw.config import DatasetConfig
from stargan_fw.data.source import Source
from stargan_fw.errors import ConfigError, DataError, RunError, closest
from stargan_fw.evaluation.candidate import Candidate, Variant
from stargan_fw.evaluation.targets import Target, chosen, targets, with_labels
from stargan_fw_registry.edits import parse_edit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from stargan_fw.config import Config
    from stargan_fw.data.store import Store
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_registry import LabelSchema


@dataclass(frozen=True)
class Asked:
    """What to measure.

    Attributes:
        datasets: whose labels to translate to; none takes those that all runs have.
        images: the dataset whose unseen images to translate; None takes each dataset's own.
        source: labels that an image must have, as an edit; None takes all.
        to: labels to translate to, as edits of one label; none takes all.
        limit: how many test images of a dataset at most, spread over them; None takes all.
        data: the folder of datasets; None takes the runs' own.
        cache: the folder of decoded images and classifiers; None takes the usual one.
        classifier_steps: updates of a classifier; None leaves it to the size of the data.
        inception: weights for FID proper; None leaves it out.
        seed: of all that is random.
        mask: "right" translates with the labels' own mask, "wrong" with that of another dataset, if the method has one.
        read: labels, as edits of one label, whose share among inputs and translations is counted.
    """

    datasets: tuple[str, ...] = ()
    images: str | None = None
    source: str | None = None
    to: tuple[str, ...] = ()
    limit: int | None = None
    data: str | None = None
    cache: str | None = None
    classifier_steps: int | None = None
    inception: Path | None = None
    seed: int = 0
    mask: Literal["right", "wrong"] = "right"
    read: tuple[str, ...] = ()

    @property
    def variant(self) -> Variant | None:
        """The variant of the runs' methods that translates; None is a method as it was trained."""
        return None if self.mask == "right" else ("mask", self.mask)

    def document(self) -> dict[str, Any]:
        """Returns what decides the figures, as JSON."""
        return {
            "datasets": list(self.datasets),
            "images": self.images,
            "source": self.source,
            "to": list(self.to),
            "limit": self.limit,
            "classifier_steps": self.classifier_steps,
            "seed": self.seed,
            "mask": self.mask,
            "read": list(self.read),
        }


def open_candidates(paths: Sequence[Path], device: torch.device, variant: Variant | None = None) -> list[Candidate]:
    """Opens the runs, each as a variant of its method if one is named.

    Raises:
        RunError: one is missing or empty, is named twice, or they are of several image sizes.
        LabelError, ModelError: one has no such variant.
    """
    twice = next((path for number, path in enumerate(paths) if path in paths[:number]), None)
    if twice:
        raise RunError(f"'{twice}' is named twice. Name every run once.")
    candidates = [Candidate.open(path, device, variant) for path in paths]
    sizes = {candidate.config.data.image_size: candidate for candidate in candidates}
    if len(sizes) > 1:
        described = ", ".join(f"'{candidate.run.path}' {size}" for size, candidate in sizes.items())
        raise RunError(f"The runs' images are of several sizes: {described} pixels. Evaluate them apart.")
    return candidates


def judged(candidates: Sequence[Candidate], asked: Sequence[str]) -> list[str]:
    """Returns the datasets whose labels are judged: those asked for, or those that all runs have.

    Raises:
        RunError: a run lacks one, or they have none in common.
    """
    for name in asked:
        for candidate in candidates:
            if name not in candidate.labels.datasets:
                known = candidate.labels.datasets
                raise RunError(
                    f"'{candidate.run.path}' was trained without the dataset '{name}'; {closest(name, known)}"
                )
    first, *others = (candidate.labels.datasets for candidate in candidates)
    common = [name for name in first if all(name in other for other in others)]
    if not common:
        raise RunError("The runs have no dataset in common. Evaluate them apart.")
    return list(dict.fromkeys(asked)) or common


def watched(candidates: Sequence[Candidate], asked: Asked) -> list[Target]:
    """Returns the labels that are looked for besides the targets, of any dataset that a run knows.

    Raises:
        LabelError: an edit that cannot be read, or that is not one label.
    """
    schemas = {schema.name: schema for candidate in candidates for schema in candidate.labels.schemas}
    every = [target for schema in schemas.values() for target in targets(schema)]
    return chosen(every, asked.read, list(schemas.values())) if asked.read else []


def complete_config(config: Config, names: Sequence[str], candidates: Sequence[Candidate], asked: Asked) -> Config:
    """Returns the configuration that data is read with: the whole training split, wherever it is said to lie."""
    places = {key: value for key, value in (("path", asked.data), ("cache", asked.cache)) if value is not None}
    tables = {}
    for name in names:
        found = [candidate.config.datasets[name] for candidate in candidates if name in candidate.config.datasets]
        table = found[0] if found else DatasetConfig(plugin=name)
        tables[name] = table.model_copy(update={"limit": None})
    return config.model_copy(update={"data": config.data.model_copy(update=places), "datasets": tables})


def open_source(name: str, config: Config, plugins: PluginManager, candidates: Sequence[Candidate]) -> Source:
    """Lists a dataset, and makes sure that its test images are unseen and its labels are the runs'.

    Raises:
        DataError: the data is missing or broken.
        RunError: a run has other labels, or was trained on what is held out here.
    """
    source = Source.open(name, config.datasets[name], config.data.path, plugins)
    for candidate in candidates:
        if name in candidate.labels.datasets:
            _check_labels(candidate, source.schema)
            _check_unseen(candidate, source)
    return source


def _check_labels(candidate: Candidate, schema: LabelSchema) -> None:
    trained = candidate.labels.schema(schema.name)
    if trained.to_dict() != schema.to_dict():
        raise RunError(
            f"'{candidate.run.path}' was trained with other labels of '{schema.name}': {', '.join(trained.names)}, and "
            f"not {', '.join(schema.names)}. Evaluate it apart, or restore the data."
        )


def _check_unseen(candidate: Candidate, source: Source) -> None:
    then = candidate.run.splits().get(source.alias)
    if not isinstance(then, dict):  # a run older than the record
        return
    held_out = set(then.get("test", []))
    seen = [name for name in map(source.name_of, source.test) if name not in held_out]
    if seen:
        raise RunError(
            f"'{candidate.run.path}' held out other images of '{source.alias}' at '{source.dataset.root}' than are held "
            f"out now: '{seen[0]}' is not unseen. Restore the data that it was trained on (--data)."
        )


def without_bad(source: Source, store: Store) -> Source:
    """Returns the source without images that cannot be read."""
    return source.without(store.errors) if store.errors else source


def images_with(source: Source, asked: Asked, schemas: Sequence[LabelSchema]) -> list[int]:
    """Returns the test images of a dataset that are translated.

    Args:
        source: the dataset.
        asked: with `source` and `limit`.
        schemas: of all the datasets that `source` may name.

    Raises:
        LabelError: `source` names no label.
        DataError: no test image has it.
    """
    edit = parse_edit(asked.source, schemas) if asked.source else None
    found = with_labels(source.schema, source.labels, source.test, edit)
    if not found:
        raise DataError(
            f"No test image of the dataset '{source.alias}' at '{source.dataset.root}' is '{asked.source}'. "
            "Name another --source, or leave it out."
        )
    if asked.limit is None or asked.limit >= len(found):
        return found
    return [found[number * len(found) // asked.limit] for number in range(asked.limit)]


def check(asked: Asked) -> None:
    """Raises ConfigError for figures that make no sense."""
    if asked.limit is not None and asked.limit < 1:
        raise ConfigError(f"--limit {asked.limit}: at least one image has to be translated.")
