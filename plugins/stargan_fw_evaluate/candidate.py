"""The trained runs that are evaluated, the images that they have not seen, and checks that runs and data fit together."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stargan_fw.components import check_plugins_named, count_parameters, data_components, dataset_options
from stargan_fw.compute.machine import Precision, wait_for
from stargan_fw.config import DatasetConfig
from stargan_fw.data.cache import CACHED_FILE, cache_folder
from stargan_fw.data.source import Source
from stargan_fw.errors import RunError, closest
from stargan_fw.inference.translator import Translator
from stargan_fw.interfaces import ReadsLabels
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.rendering.sheets import translate_if_possible
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_evaluate.evaluation_request import list_targets, select_targets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

    from stargan_fw.config import Config
    from stargan_fw_evaluate.evaluation_request import EvaluationRequest, LabelTarget
    from stargan_fw_registry import LabelSpace

ROUNDS = 5


SQUARES = ("crop_size", "fit", "background", "grey_range")  # settings that decide what the pixels of a dataset are


@dataclass(frozen=True)
class Candidate:
    """A run that is evaluated, with its configuration and label space.

    `translator` translates with the newest checkpoint, and `checkpoint` is that checkpoint's name. All translations are
    computed in `precision`.
    """

    run: RunFolder
    config: Config
    labels: LabelSpace
    translator: Translator
    checkpoint: str
    precision: Precision

    @classmethod
    def open(cls, path: Path, request: EvaluationRequest, device: torch.device) -> Candidate:
        """Opens a run folder at its newest checkpoint, in the request's variant and precision.

        Raises:
            RunError: there is no run, or it has no checkpoint yet.
            PluginError: the run needs plugin files that the request does not name.
            ModelError: the weights do not fit, or the method has no such variant.
            LabelError: the run has too few datasets for the variant.
        """
        run = RunFolder(path)
        config, labels, checkpoint = run.config(), run.labels(), run.checkpoints.latest().name
        name, variant = request.precision, request.variant
        translator = Translator.from_pretrained(
            path, device=str(device), precision=name, accelerate=True, plugins=request.plugins
        )
        translator = translator.variant(*variant) if variant else translator
        return cls(run, config, labels, translator, checkpoint, Precision.choose(name, device))

    def count_parameters(self) -> int:
        """Returns the number of parameters of all networks, which together serve all domains."""
        return sum(count_parameters(self.translator.method).networks.values())

    def complete(self, images: Tensor, dataset: str, labels: Tensor) -> Tensor:
        """Returns labels (B, d) of images, with those that are NaN as the method reads them, if it reads any."""
        if not labels.isnan().any() or not isinstance(self.translator.method, ReadsLabels):
            return labels
        read = self.translator.pipeline.read_labels(images, dataset).to(labels)
        return read.where(labels.isnan(), labels)

    @torch.no_grad()
    def translate(self, images: Tensor, target: LabelTarget, current: Tensor | None) -> tuple[Tensor, Tensor]:
        """Translates the images that the method can translate.

        Args:
            images: (B, 3, H, W) in [-1, 1], on the device.
            target: the label to change.
            current: (B, d), the images' labels of the target's dataset; None lets the method read them if it has to.

        Returns:
            The translations (B, 3, H, W), and (B,) booleans: False if the method has no way from an image's labels.
        """
        if current is None:
            return translate_if_possible(lambda some: self.translator.translate(some, to=target.name).float(), images)
        return self._translate(images, target.schema.name, target.apply(current), current)

    @torch.no_grad()
    def restore(self, images: Tensor, target: LabelTarget, current: Tensor) -> tuple[Tensor, Tensor]:
        """Translates the results of `translate` back to the labels `current`; returns the same kind of pair."""
        return self._translate(images, target.schema.name, current, target.apply(current))

    @torch.no_grad()
    def keep_labels(self, images: Tensor, dataset: str, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Translates images to the labels (B, d) that they have; returns the same kind of pair as `translate`."""
        return self._translate(images, dataset, labels, labels)

    def _translate(self, images: Tensor, dataset: str, wanted: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        def translate(some: Tensor, to: Tensor, own: Tensor) -> Tensor:
            with self.precision.autocast():
                return self.translator.method.translate(some, dataset, to, own).float()

        return translate_if_possible(translate, images, wanted, current)

    def images_per_second(
        self, images: Tensor, target: LabelTarget, current: Tensor | None
    ) -> tuple[float, float, float]:
        """Returns the median, slowest and fastest rate of five translations of a batch, after one that warms up."""
        rates = []
        for _ in range(ROUNDS + 1):
            wait_for(images.device)
            start = time.perf_counter()
            self.translate(images, target, current)
            wait_for(images.device)
            rates.append(len(images) / (time.perf_counter() - start))
        return statistics.median(rates[1:]), min(rates[1:]), max(rates[1:])


def open_candidates(paths: Sequence[Path], request: EvaluationRequest, device: torch.device) -> list[Candidate]:
    """Opens runs that can be compared; see `Candidate.open`.

    Raises:
        RunError: a run is missing, empty or named twice, or the runs have different image sizes.
        LabelError, ModelError, PluginError: as `Candidate.open` does.
    """
    twice = next((path for number, path in enumerate(paths) if path in paths[:number]), None)
    if twice:
        raise RunError(f"'{twice}' is named twice. Name every run once.")
    candidates = [Candidate.open(path, request, device) for path in paths]
    sizes = {candidate.config.data.image_size: candidate for candidate in candidates}
    if len(sizes) > 1:
        described = ", ".join(f"'{candidate.run.path}' {size}" for size, candidate in sizes.items())
        raise RunError(f"The runs' images are of several sizes: {described} pixels. Evaluate them apart.")
    return candidates


def datasets_to_score(candidates: Sequence[Candidate], names: Sequence[str]) -> list[str]:
    """Returns the named datasets, or those that all runs have if no names are passed.

    Raises:
        RunError: a run lacks a named dataset, or the runs have no dataset in common.
    """
    for name in names:
        for candidate in candidates:
            known = candidate.labels.datasets
            if name not in known:
                raise RunError(
                    f"'{candidate.run.path}' was trained without the dataset '{name}'; {closest(name, known)}"
                )
    first, *others = (candidate.labels.datasets for candidate in candidates)
    common = [name for name in first if all(name in other for other in others)]
    if not common:
        raise RunError("The runs have no dataset in common. Evaluate them apart.")
    return list(dict.fromkeys(names)) or common


def targets_to_read(candidates: Sequence[Candidate], names: Sequence[str]) -> list[LabelTarget]:
    """Returns the labels to look for besides the targets, of any dataset that a run knows.

    Raises:
        LabelError: a name cannot be read as an edit, or edits more than one label.
    """
    schemas = {schema.name: schema for candidate in candidates for schema in candidate.labels.schemas}
    targets = [target for schema in schemas.values() for target in list_targets(schema)]
    return select_targets(targets, names, list(schemas.values())) if names else []


def data_config(candidates: Sequence[Candidate], names: Sequence[str], request: EvaluationRequest) -> Config:
    """Returns the first run's configuration, with these datasets unlimited and the request's folders.

    A run may come from anybody, so the cache that it names is used only if it holds decoded images already.
    """
    folders: dict[str, str | None] = {
        key: value for key, value in (("path", request.data), ("cache", request.cache)) if value is not None
    }
    cache = cache_folder(candidates[0].config.data)
    if not cache.is_dir() or not any(CACHED_FILE.fullmatch(path.name) for path in cache.iterdir()):
        folders.setdefault("cache", None)
    tables = {}
    for name in names:
        found = [candidate.config.datasets[name] for candidate in candidates if name in candidate.config.datasets]
        table = found[0] if found else DatasetConfig(plugin=name)
        tables[name] = table.model_copy(update={"limit": None})
    config = candidates[0].config
    return config.model_copy(update={"data": config.data.model_copy(update=folders), "datasets": tables})


def find_plugins(candidates: Sequence[Candidate], config: Config, request: EvaluationRequest) -> PluginManager:
    """Returns the plugins that read the configuration's datasets.

    Raises:
        PluginError: a dataset needs plugin files of a run that the request does not name.
    """
    plugins = PluginManager.discover(request.plugins)
    for candidate in candidates:
        check_plugins_named(data_components(config), candidate.config, plugins, candidate.run.path)
    return plugins


def describe_other_settings(candidates: Sequence[Candidate], config: Config, plugins: PluginManager) -> list[str]:
    """Returns a note on each run that was trained with other settings of a dataset than it is measured with.

    Args:
        candidates: the runs.
        config: what `data_config` returned for them.
        plugins: have the datasets' classes.
    """
    notes = []
    for candidate in candidates:
        for name in (name for name in config.datasets if name in candidate.config.datasets):
            tables = (one.datasets[name] for one in (config, candidate.config))
            measured, trained = (
                {key: getattr(table, key) for key in SQUARES} | dataset_options(name, table, plugins)
                for table in tables
            )
            if differing := [key for key, value in measured.items() if trained.get(key) != value]:
                notes.append(
                    f"{candidate.run.path} was trained with other settings of '{name}' ({', '.join(differing)}) than it is "
                    "measured with, which are those of the first run."
                )
    return notes


def open_source(name: str, config: Config, plugins: PluginManager, candidates: Sequence[Candidate]) -> Source:
    """Lists a dataset's images. Checks that the runs have its labels and were not trained on its test images.

    Raises:
        DataError: the data is missing or broken.
        RunError: a run has other labels, or was trained on an image that is a test image now.
    """
    source = _divide_as_recorded(
        Source.open(name, config.datasets[name], config.data.path, plugins), config, candidates
    )
    for candidate in candidates:
        if name in candidate.labels.datasets:
            _check(candidate, source)
    return source


def _divide_as_recorded(source: Source, config: Config, candidates: Sequence[Candidate]) -> Source:
    """Returns the source with the first run's test images, if files that lie there now divide the dataset otherwise."""
    recorded = next((one.run.splits()[source.alias] for one in candidates if source.alias in one.run.splits()), None)
    usual = config.datasets[source.alias].test_split or type(source.dataset).test_split
    if recorded is None or source.dataset.test_split == usual or config.datasets[source.alias].limit:
        return source
    names = list(map(source.name_of, range(len(source.examples))))
    held_out = set(recorded["test"])
    if not held_out.issubset(names) or held_out == {names[index] for index in source.test}:
        return source
    train = [index for index, name in enumerate(names) if name not in held_out]
    return replace(source, train=train, test=[index for index, name in enumerate(names) if name in held_out])


def _check(candidate: Candidate, source: Source) -> None:
    schema, trained = source.schema, candidate.labels.schema(source.schema.name)
    if trained.to_dict() != schema.to_dict():
        raise RunError(
            f"'{candidate.run.path}' was trained with other labels of '{schema.name}': {', '.join(trained.names)}, and "
            f"not {', '.join(schema.names)}. Evaluate it apart, or restore the data."
        )
    recorded = candidate.run.splits().get(source.alias)
    if not isinstance(recorded, dict):  # the run is older than the record of splits
        return
    held_out = set(recorded.get("test", []))
    seen = [name for name in map(source.name_of, source.test) if name not in held_out]
    if seen:
        raise RunError(
            f"'{candidate.run.path}' held out other images of '{source.alias}' at '{source.dataset.root}' than are "
            f"held out now: '{seen[0]}' is not unseen. Restore the data that it was trained on (--data)."
        )


def held_out_pictures(
    runs: Sequence[Path],
    dataset: str,
    request: EvaluationRequest,
    device: torch.device,
) -> list[Image.Image]:
    """Returns test images of a dataset that none of the runs was trained on, at the runs' image size.

    Args:
        runs: run folders.
        dataset: a dataset's alias in the runs, or the name of a dataset plugin.
        request: `source`, `limit` and `data` of the request select the images, `plugins` opens the runs.
        device: the device to open the runs on.

    Raises:
        RequestError: if a run cannot be used, the data is missing, or no test image fits the request.
    """
    candidates = open_candidates(list(dict.fromkeys(runs)), request, device)
    config = data_config(candidates, [dataset], request)
    source = open_source(dataset, config, find_plugins(candidates, config, request), candidates)
    indices = request.select_images(source, [source.schema])
    return source.pictures(indices, config.data.image_size)
