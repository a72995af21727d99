"""Evaluates runs on the same unseen images."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING

import torch

from stargan_fw.data.source import decode
from stargan_fw.errors import LabelError
from stargan_fw_evaluate import metrics
from stargan_fw_evaluate.across import AcrossTarget, score_across, split_targets
from stargan_fw_evaluate.candidate import (
    data_config,
    datasets_to_score,
    describe_other_settings,
    find_plugins,
    open_candidates,
    open_source,
    targets_to_read,
)
from stargan_fw_evaluate.classifier import Settings, load_or_train
from stargan_fw_evaluate.evaluation_record import METRICS, SHARES, Evaluation, Row
from stargan_fw_evaluate.evaluation_request import LabelTarget, list_targets, select_targets
from stargan_fw_evaluate.feature_distances import FeatureDistances
from stargan_fw_evaluate.ground_truth import find_ground_truth
from stargan_fw_evaluate.held_out import log_warnings
from stargan_fw_evaluate.intervals import interval, mean_interval
from stargan_fw_evaluate.scoring import (
    EvaluationImages,
    LabelReader,
    Outcomes,
    Scorer,
    score_drift,
    score_real_images,
    score_target,
)
from stargan_fw_evaluate.unasked import LabelWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized
    from pathlib import Path

    from torch import Tensor

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw_evaluate.candidate import Candidate
    from stargan_fw_evaluate.classifier import LabelClassifier, Progress
    from stargan_fw_evaluate.evaluation_request import EvaluationRequest

SPEED_BATCH = 16
MOST_ERROR = 0.03  # the largest share of real images that a classifier may misread and still be a measure
MOST_REGRESSION_ERROR = 0.1  # the same of a number, as a share of its range
# feature space → how readers call its Fréchet distance and its kernel distance
SPACES = {
    "classifier": ("Fréchet distance", "The kernel distance"),
    "inception": ("FID", "KID"),
    "embedding": ("The embedding's Fréchet distance", "Its kernel distance"),
}
FEWEST_IMAGES = {"inception": 10_000, "embedding": 10_000}  # below, FID is mostly bias (Chong & Forsyth, 2020)


@dataclass(frozen=True)
class EvaluationSetup:
    """What all runs are measured with. Dictionaries are by dataset to whose labels images are translated.

    Attributes:
        request: what to measure.
        targets: the labels to translate to.
        scorers: measure the translations.
        images: the images to translate, of one dataset or of several.
        real: by feature space, the features of the real test images that have one of the target labels.
        rows: results about the real images.
        notes: what a reader of the results must know.
        across: the edits of several datasets to translate to.
        origins: the images that are translated to these edits, by dataset.
        classifiers: read the labels of each dataset.
        readers: look for further labels.
        features: compares pictures by the features of a network that was trained elsewhere, if that was asked for.
    """

    request: EvaluationRequest
    targets: dict[str, list[LabelTarget]]
    scorers: dict[str, Scorer] = field(default_factory=dict)
    images: dict[str, list[EvaluationImages]] = field(default_factory=dict)
    real: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    across: list[AcrossTarget] = field(default_factory=list)
    origins: dict[str, EvaluationImages] = field(default_factory=dict)
    classifiers: dict[str, LabelClassifier] = field(default_factory=dict)
    readers: list[LabelReader] = field(default_factory=list)
    features: FeatureDistances | None = None

    @cached_property
    def watch(self) -> LabelWatch:
        """Looks for labels that changed although nobody asked."""
        return LabelWatch(self.classifiers)

    @property
    def translated(self) -> dict[str, EvaluationImages]:
        """All images that are translated, by their dataset."""
        every = [*chain.from_iterable(self.images.values()), *self.origins.values()]
        return {images.source.alias: images for images in every}

    @property
    def pairs(self) -> list[tuple[str, EvaluationImages]]:
        """Each dataset to whose labels images are translated, with the images of each of their datasets."""
        return [(name, images) for name, several in self.images.items() for images in several]


def evaluate(
    runs: Sequence[Path],
    request: EvaluationRequest,
    device: torch.device,
    progress: Progress = lambda _, steps: steps,
) -> list[Evaluation]:
    """Evaluates runs. Only decoded images and classifiers are written.

    Args:
        runs: run folders.
        request: what to measure.
        device: the device to compute on.
        progress: wraps long loops; its first argument describes the loop.

    Returns:
        One evaluation per run, in order.

    Raises:
        RequestError: the request, a run or the data is wrong; raised before anything is trained or translated.
    """
    request.check()
    inception = metrics.load_inception(request.inception, device) if request.inception else None
    candidates = open_candidates(runs, request, device)
    setup = _prepare(candidates, request, device, inception, progress)
    return [_evaluate(candidate, setup, device, progress) for candidate in candidates]


def _prepare(
    candidates: Sequence[Candidate],
    request: EvaluationRequest,
    device: torch.device,
    inception: Callable[[Tensor], Tensor] | None,
    progress: Progress,
) -> EvaluationSetup:
    """Reads the data, trains the classifiers that are missing, and scores the real test images with them."""
    names = datasets_to_score(candidates, request.datasets)
    to_read = targets_to_read(candidates, request.read)
    read_names = [label.schema.name for label in to_read]
    image_names = request.image_datasets
    config = data_config(candidates, list(dict.fromkeys([*names, *image_names, *read_names])), request)
    plugins = find_plugins(candidates, config, request)
    asked, size = request.embedding, config.data.image_size
    features = FeatureDistances.load(asked, plugins, size, device) if asked else None
    sources = {name: open_source(name, config, plugins, candidates) for name in config.datasets}
    log_warnings(sources.values(), candidates[0].run.path)
    schemas = [source.schema for source in sources.values()]
    single, across = split_targets(request.to, schemas, names)
    _check_across(candidates, request, across)
    every = [one for name in names for one in list_targets(sources[name].schema)]
    wanted = select_targets(every, single, schemas) if single or not across else []
    targets = {name: [target for target in wanted if target.schema.name == name] for name in names}
    targets = {name: found for name, found in targets.items() if found}
    setup = EvaluationSetup(request, targets, across=across, features=features)
    joined = dict.fromkeys(name for target in across for name in target.datasets)
    setup.notes.extend(describe_other_settings(candidates, config, plugins))
    translated = image_names or dict.fromkeys([*setup.targets, *joined])
    indices = {name: request.select_images(sources[name], schemas) for name in translated}
    scored = dict.fromkeys([*setup.targets, *read_names, *joined, *image_names])
    stores = decode(config, [source for name, source in sources.items() if name in {*scored, *indices}])
    for name, store in stores.items():
        sources[name] = sources[name].without(store.errors) if store.errors else sources[name]
    origins = {name: _open_images(setup, sources[name], stores[name], indices[name]) for name in indices}
    settings = Settings(request.classifier_steps, config.training.flip, request.seed)
    scorers: dict[str, Scorer] = {}
    for name in scored:
        classifier = load_or_train(sources[name], stores[name], settings, device, progress)
        scorers[name], setup.classifiers[name] = Scorer(classifier, inception, device, features), classifier
        _add_real_images(setup, scorers[name], sources[name], stores[name], progress)
    setup.readers.extend(LabelReader(label, scorers[label.schema.name].classifier) for label in to_read)
    for name in setup.targets:
        setup.scorers[name] = replace(scorers[name], readers=setup.readers, watch=setup.watch)
        setup.images[name] = [origins[origin] for origin in image_names or [name]]
    setup.origins.update({name: origins[name] for name in image_names or joined})
    if not metrics.has_torchmetrics():
        setup.notes.append(f"Without torchmetrics there are no distances. {metrics.REMEDY}")
    return setup


def _open_images(setup: EvaluationSetup, source: Source, store: Store, indices: Sequence[int]) -> EvaluationImages:
    """Returns the readable ones of these images with their true pictures, and notes why there are none."""
    truth, note = find_ground_truth(source, store)
    setup.notes.extend([note] if note else [])
    return EvaluationImages(source, store, [index for index in indices if index not in store.errors], truth)


def _check_across(candidates: Sequence[Candidate], request: EvaluationRequest, across: Sequence[AcrossTarget]) -> None:
    """Raises a RequestError if a run cannot translate to an edit of several datasets in the request's variant."""
    if across and request.variant:
        raise LabelError(f"'{across[0].name}' is of several datasets and has no wrong mask: name labels of one dataset")
    for candidate in candidates:
        candidate.translator.warn_of_untrained([target.edits for target in across])


def _add_real_images(setup: EvaluationSetup, scorer: Scorer, source: Source, store: Store, progress: Progress) -> None:
    """Adds the features and the classification errors of a dataset's real test images."""
    name = source.alias
    show = partial(progress, f"real images of {name}")
    whole, attributes = score_real_images(scorer, EvaluationImages(source, store, source.test), show)
    targets = setup.targets.get(name, [])
    labels = torch.from_numpy(source.labels[list(source.test)])
    has = torch.stack(
        [torch.zeros(len(labels), dtype=torch.bool), *(target.matches(labels) for target in targets)]
    ).any(0)
    setup.real[name] = {space: torch.cat(found)[has] for space, found in whole.features.items()}
    parts = (
        {f"{name}.{attribute}": outcomes for attribute, outcomes in attributes.items()}
        if len(attributes) > 1 or not whole.values
        else {}
    )
    rows = {target: _means(outcomes, target, setup.request.seed) for target, outcomes in {name: whole, **parts}.items()}
    setup.rows.extend(row for found in rows.values() for row in found)
    setup.notes.extend(
        f"The classifier reads {row.value:.1%} of the real test images of {row.target} wrong, more than "
        f"{MOST_ERROR:.0%}: its reading of translations is no measure there."
        for target in parts or [name]
        for row in rows[target]
        if row.metric == "real_classification_error" and row.value > MOST_ERROR
    )
    for attribute in (attribute for attribute in source.schema.attributes if attribute.continuous):
        for row in rows[f"{name}.{attribute.name}"]:
            if row.value > MOST_REGRESSION_ERROR * attribute.error(1.0, 0.0):
                setup.notes.append(
                    f"The classifier misreads {row.target} by {row.text} on average on real test images, more than a tenth of "
                    "its range: its reading of translations is no measure there."
                )


def _evaluate(candidate: Candidate, setup: EvaluationSetup, device: torch.device, progress: Progress) -> Evaluation:
    settings = {**setup.request.document(), "precision": str(candidate.precision)}
    evaluation = Evaluation(str(candidate.run.path), candidate.checkpoint, settings)
    evaluation.rows += setup.rows
    evaluation.notes += setup.notes
    single = [(target.edit,) for targets in setup.targets.values() for target in targets]
    edits = [*single, *(target.edits for target in setup.across)]
    evaluation.notes += [f"{candidate.run.path}: {text}" for text in candidate.translator.warn_of_untrained(edits)]
    read = defaultdict[str, list[Outcomes]](list)
    run = candidate.run.path.name
    for name, images in setup.pairs:
        targets, found = setup.targets[name], dict[str, Outcomes]()
        place = _place(images, setup.request.image_datasets)
        for number, target in enumerate(targets, 1):
            show = partial(progress, f"{run}: {target.name}{place} ({number} of {len(targets)})")
            found[target.name] = score_target(candidate, setup.scorers[name], images, target, show)
        _add_dataset(evaluation, setup, name, found, place)
        read[place] += found.values()
    for place, found in _add_across(evaluation, candidate, setup, device, progress):
        read[place] += found.values()
    for name, images in setup.translated.items():
        if name in candidate.labels.datasets:
            drifted = score_drift(candidate, images, device, partial(progress, f"{run}: drift of {name}"))
            evaluation.rows += _means(drifted, name, setup.request.seed)
    for place, parts in read.items():
        for label, outcomes in Outcomes.merge(parts).read.items():
            evaluation.rows += _means(outcomes, label + place, setup.request.seed)
    evaluation.rows += _costs(candidate, setup, device)
    return evaluation


def _place(images: EvaluationImages, datasets: Sized) -> str:
    """Returns what follows the name of a figure to tell the images of several datasets apart; empty if there is one alone."""
    return f" on {images.source.alias}" if len(datasets) > 1 else ""


def _add_across(
    evaluation: Evaluation, candidate: Candidate, setup: EvaluationSetup, device: torch.device, progress: Progress
) -> Iterator[tuple[str, dict[str, Outcomes]]]:
    """Adds the results of edits of several datasets, for the images of each dataset apart; yields their outcomes as well."""
    pairs = [
        (target, images)
        for target in setup.across
        for name, images in setup.origins.items()
        if setup.request.images or name in target.datasets
    ]
    for number, (target, images) in enumerate(pairs, 1):
        show = partial(progress, f"{candidate.run.path.name}: labels of several datasets ({number} of {len(pairs)})")
        found = score_across(
            candidate.translator,
            setup.classifiers,
            images,
            target,
            device,
            readers=setup.readers,
            watch=setup.watch,
            features=setup.features,
            progress=show,
        )
        for name, outcomes in found.items():
            evaluation.rows += _means(outcomes, name, setup.request.seed)
            _note_refused(evaluation, outcomes, name)
        yield _place(images, setup.origins), found


def _add_dataset(
    evaluation: Evaluation, setup: EvaluationSetup, name: str, found: dict[str, Outcomes], place: str
) -> None:
    """Adds the results of one dataset's labels: for all targets together, and for each."""
    whole = Outcomes.merge(found.values())
    whole.values.pop("regression_error", None)  # errors in different units have no mean
    of_number: dict[str, list[Outcomes]] = {}
    for target in setup.targets[name]:
        if target.attribute.continuous:
            of_number.setdefault(f"{name}.{target.attribute.name}", []).append(found[target.name])
    numbers = {number: Outcomes.merge(outcomes) for number, outcomes in of_number.items()}
    for what, outcomes in {name: whole, **numbers, **found}.items():
        evaluation.rows += _means(outcomes, what + place, setup.request.seed)
    if metrics.has_torchmetrics():
        evaluation.rows += _distances(evaluation, setup.real[name], whole, name + place, setup.request.seed)
    _note_refused(evaluation, whole, f"labels of {name}{place}")


def _note_refused(evaluation: Evaluation, outcomes: Outcomes, what: str) -> None:
    if outcomes.refused:
        evaluation.notes.append(
            f"{evaluation.run}: {outcomes.refused} of the translations to {what} are none that the method was trained for; "
            "they are left out."
        )


def _means(outcomes: Outcomes, target: str, seed: int) -> list[Row]:
    rows = []
    for metric in METRICS:
        values = outcomes.values.get(metric)
        if values:
            find = interval if metric in SHARES else mean_interval
            low, high = find(values, outcomes.groups[metric], seed) or (None, None)
            rows.append(Row(metric, target, sum(values) / len(values), low, high, n=len(values)))
    return rows


def _distances(evaluation: Evaluation, real: dict[str, Tensor], generated: Outcomes, name: str, seed: int) -> list[Row]:
    """Returns the distances of translations from real images; notes why there is no FID if there are too few for it."""
    rows = []
    for space, (named, other) in SPACES.items():
        real_features, batches = real.get(space, torch.empty(0)), generated.features.get(space, [])
        features = torch.cat(batches) if batches else torch.empty(0)
        fewer = min(len(real_features), len(features))
        if fewer < 2:
            continue
        if fewer >= FEWEST_IMAGES.get(space, 2):
            frechet = metrics.frechet_distance(real_features, features)
            rows.append(Row(f"{space}_frechet_distance", name, frechet, n=len(features)))
        else:
            evaluation.notes.append(
                f"{named} of {name} is left out: it depends on the number of images below {FEWEST_IMAGES[space]:,}, and of real "
                f"images and translations one side has {fewer:,}. {other} does not."
            )
        kernel = metrics.kernel_distance(real_features, features, seed)
        rows.append(Row(f"{space}_kernel_distance", name, kernel, n=len(features)))
    return rows


def _costs(candidate: Candidate, setup: EvaluationSetup, device: torch.device) -> list[Row]:
    """Returns the number of parameters of all networks, and the images per second of the first batch."""
    rows = [Row("parameters", "", float(candidate.count_parameters()), split="")]
    for name, images in setup.pairs:
        for target in setup.targets[name]:
            for indices, inputs, labels in images.batches(images.select(target)[:SPEED_BATCH], device):
                rates = candidate.images_per_second(inputs, target, labels if images.are_labelled_for(target) else None)
                return [*rows, Row("images_per_second", "", *rates, split="", n=len(indices))]
    return rows
