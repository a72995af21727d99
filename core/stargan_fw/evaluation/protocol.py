"""Evaluates runs on the same unseen images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from stargan_fw.data.source import decode
from stargan_fw.evaluation import distances, evaluation_request as request
from stargan_fw.evaluation.classifier import Settings, trained_classifier
from stargan_fw.evaluation.ground_truth import GroundTruth
from stargan_fw.evaluation.intervals import interval
from stargan_fw.evaluation.scoring import Faces, Judge, Outcomes, Reader, judge_target, real_outcomes
from stargan_fw.evaluation.targets import Target, chosen, targets
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.evaluation_record import METRICS, Evaluation, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from torch import Tensor

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw.evaluation.candidate import Candidate
    from stargan_fw.evaluation.evaluation_request import Asked

    Progress = Callable[[str, Iterable[int]], Iterable[int]]

SPEED_BATCH = 16
MOST_ERROR = 0.03  # of real images that a classifier may read wrong and still be a measure
SPACES = ("classifier", "inception")


@dataclass(frozen=True)
class Arena:
    """What all runs are measured with: it is made once.

    Attributes:
        asked: what to measure.
        judges: by dataset whose labels are judged.
        faces: by dataset whose labels are judged: the images to translate.
        targets: by dataset whose labels are judged.
        rows: about the real images.
        notes: what a reader must know.
    """

    asked: Asked
    judges: dict[str, Judge]
    faces: dict[str, Faces]
    targets: dict[str, list[Target]]
    real: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def evaluate(
    runs: Sequence[Path], asked: Asked, device: torch.device, progress: Progress = lambda _, steps: steps
) -> list[Evaluation]:
    """Evaluates runs; nothing is written but decoded images and classifiers.

    Args:
        runs: run folders.
        asked: what to measure.
        device: to compute on.
        progress: wraps what takes long, given a description.

    Returns:
        One for each run, in order.

    Raises:
        RequestError: of the kind that fits what is wrong, before anything is trained or translated.
    """
    request.check(asked)
    inception = distances.inception(asked.inception, device) if asked.inception else None
    candidates = request.open_candidates(runs, device, asked.variant)
    arena = prepare(candidates, asked, device, inception, progress)
    return [measure(candidate, arena, device, progress) for candidate in candidates]


def prepare(
    candidates: Sequence[Candidate],
    asked: Asked,
    device: torch.device,
    inception: Callable[[Tensor], Tensor] | None = None,
    progress: Progress = lambda _, steps: steps,
) -> Arena:
    """Reads the data, trains what classifiers are missing, and has them read the real test images."""
    names = request.judged(candidates, asked.datasets)
    watched = request.watched(candidates, asked)
    extra = [*([asked.images] if asked.images else []), *(label.schema.name for label in watched)]
    every = list(dict.fromkeys([*names, *extra]))
    config = request.complete_config(candidates[0].config, every, candidates, asked)
    plugins = PluginManager.discover(tuple(dict.fromkeys(file for one in candidates for file in one.config.plugins)))
    sources = {name: request.open_source(name, config, plugins, candidates) for name in every}
    schemas = [source.schema for source in sources.values()]
    wanted = chosen([target for name in names for target in targets(sources[name].schema)], asked.to, schemas)
    by_dataset = {name: [target for target in wanted if target.schema.name == name] for name in names}
    arena = Arena(asked, {}, {}, {name: found for name, found in by_dataset.items() if found})
    chosen_images = {
        name: request.images_with(sources[name], asked, schemas)
        for name in ([asked.images] if asked.images else arena.targets)
    }
    needed = {*arena.targets, *chosen_images, *(label.schema.name for label in watched)}
    stores = decode(config, [source for name, source in sources.items() if name in needed])
    readable = {name: request.without_bad(sources[name], store) for name, store in stores.items()}
    settings = Settings(asked.classifier_steps, config.training.flip, asked.seed)
    judges: dict[str, Judge] = {}
    for name in dict.fromkeys([*arena.targets, *(label.schema.name for label in watched)]):
        model = trained_classifier(readable[name], stores[name], settings, device, progress)
        judges[name] = Judge(model, inception, device)
        _look_at_real_images(arena, judges[name], readable[name], stores[name])
    readers = [Reader(label, judges[label.schema.name].classifier) for label in watched]
    for name in arena.targets:
        arena.judges[name] = replace(judges[name], readers=readers)
        origin = asked.images or name
        arena.faces[name] = _faces(arena, readable[origin], stores[origin], chosen_images[origin], own=origin == name)
    if not distances.can_measure():
        arena.notes.append(f"Without torchmetrics there are no distances and no SSIM. {distances.REMEDY}")
    return arena


def _faces(arena: Arena, source: Source, store: Store, indices: Sequence[int], *, own: bool) -> Faces:
    """Returns the images to translate, with the true pictures where the targets are labels of their own."""
    truth, why = GroundTruth.of(source, store) if own else (None, "")
    if why:
        arena.notes.append(why)
    return Faces(source, store, [index for index in indices if index not in store.errors], truth)


def _look_at_real_images(arena: Arena, judge: Judge, source: Source, store: Store) -> None:
    name = source.alias
    whole, attributes = real_outcomes(judge, Faces(source, store, source.test))
    wanted = arena.targets.get(name, [])
    has = [any(source.labels[i, one.position] == one.value for one in wanted) for i in source.test]
    arena.real[name] = {space: torch.cat(found)[has] for space, found in whole.features.items()}
    parts = (
        {f"{name}.{attribute}": outcomes for attribute, outcomes in attributes.items()} if len(attributes) > 1 else {}
    )
    rows = {target: _means(outcomes, target, arena.asked.seed) for target, outcomes in {name: whole, **parts}.items()}
    arena.rows.extend(row for found in rows.values() for row in found)
    arena.notes.extend(
        f"The classifier reads {row.value:.1%} of the real test images of {row.target} wrong, more than "
        f"{MOST_ERROR:.0%}: its reading of translations is no measure there."
        for target in parts or [name]
        for row in rows[target]
        if row.value > MOST_ERROR
    )


def measure(
    candidate: Candidate, arena: Arena, device: torch.device, progress: Progress = lambda _, steps: steps
) -> Evaluation:
    """Measures one run in an arena that is prepared."""
    evaluation = Evaluation(str(candidate.run.path), candidate.checkpoint, arena.asked.document())
    evaluation.rows += arena.rows
    evaluation.notes += arena.notes
    read: list[Outcomes] = []
    for name, judge in arena.judges.items():
        faces, every = arena.faces[name], arena.targets[name]
        found: dict[str, Outcomes] = {}
        for number in progress(f"{candidate.run.path.name}: {name}", range(len(every))):
            found[every[number].name] = judge_target(candidate, judge, faces, every[number])
        _summarise(evaluation, arena, name, found)
        read += found.values()
    for label, outcomes in Outcomes.together(read).read.items():
        evaluation.rows += _means(outcomes, label, arena.asked.seed)
    evaluation.rows += _costs(candidate, arena, device)
    return evaluation


def _summarise(evaluation: Evaluation, arena: Arena, name: str, found: dict[str, Outcomes]) -> None:
    """Adds the figures of one dataset: of each target, and of all in one."""
    whole = Outcomes.together(found.values())
    for target, outcomes in {name: whole, **found}.items():
        evaluation.rows += _means(outcomes, target, arena.asked.seed)
    if distances.can_measure():
        evaluation.rows += _distances(arena.real[name], whole, name, arena.asked.seed)
    if whole.refused:
        evaluation.notes.append(
            f"{evaluation.run}: {whole.refused} of the translations to labels of {name} are none that the method was "
            "trained for; they are left out."
        )


def _means(outcomes: Outcomes, target: str, seed: int) -> list[Row]:
    rows = []
    for metric in METRICS:
        values = outcomes.values.get(metric)
        if values:
            low, high = interval(values, outcomes.groups[metric], seed) or (None, None)
            rows.append(Row(metric, target, sum(values) / len(values), low, high, n=len(values)))
    return rows


def _distances(real: dict[str, Tensor], generated: Outcomes, name: str, seed: int) -> list[Row]:
    rows = []
    for space in SPACES:
        of_real, batches = real.get(space, torch.empty(0)), generated.features[space]
        of_generated = torch.cat(batches) if batches else torch.empty(0)
        if min(len(of_real), len(of_generated)) < 2:
            continue
        frechet = distances.frechet_distance(of_real, of_generated)
        kernel = distances.kernel_distance(of_real, of_generated, seed)
        for formula, value in (("frechet", frechet), ("kernel", kernel)):
            rows.append(Row(f"{space}_{formula}_distance", name, value, n=len(of_generated)))
    return rows


def _costs(candidate: Candidate, arena: Arena, device: torch.device) -> list[Row]:
    """Returns what a run costs: parameters of all its networks, and images a second."""
    rows = [Row("parameters", "", float(sum(candidate.parameters().values())), split="")]
    for name, faces in arena.faces.items():
        for target in arena.targets[name]:
            for indices, images, labels in faces.batches(faces.of(target)[:SPEED_BATCH], device):
                rates = candidate.images_per_second(images, target, labels if faces.own(target) else None)
                return [*rows, Row("images_per_second", "", *rates, split="", n=len(indices))]
    return rows
