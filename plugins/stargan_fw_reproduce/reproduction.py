"""What `reproduce` is asked for, checked before anything is written: the experiment, its runs and their lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stargan_fw.api import Layer, RunFolder, check_datasets, check_same_run, configure_layers
from stargan_fw.errors import ConfigError, RunError
from stargan_fw_reproduce.run_length import RunRecord, save_every

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stargan_fw.api import Config, PluginManager
    from stargan_fw_reproduce.experiment import Experiment, PlannedRun, Size

CLOSE = 0.01  # the share by which two budgets may differ and still count as the same


@dataclass(frozen=True)
class ReproductionRequest:
    """What the user asks for.

    Attributes:
        data: the folder of datasets.
        budget: minutes of training in all; None is the experiment's own budget at the small size.
        steps: steps of every run, instead of a budget.
        images: images that every run sees, instead of a budget: the steps are this number divided by the batch.
        only: the parts of the experiment that are wanted; if empty, all.
        seeds: from how many seeds the `seeded` runs are trained; None is the experiment's own number.
        size: the size of the runs.
        runs: the folder that the run folders are in.
        settings: `key=value` items that are set over every run's configuration.
        cache: the folder of decoded images and classifiers; None is the usual one.
        plugins: plugin files.
        limit: how many images are translated at most; None translates all.
        classifier_steps: updates of the evaluation's classifiers; None decides by the size of the data.
    """

    data: str = "data"
    budget: float | None = None
    steps: int | None = None
    images: int | None = None
    only: Sequence[str] = ()
    seeds: int | None = None
    size: Size = "small"
    runs: Path = Path("runs/reproduce")
    settings: Sequence[str] = ()
    cache: str | None = None
    plugins: Sequence[str] = ()
    limit: int | None = None
    classifier_steps: int | None = None

    def given_steps(self, config: Config) -> int | None:
        """Returns the steps of a run that the user gives, directly or by a number of images; None if there are none."""
        return self.steps if self.images is None else math.ceil(self.images / config.training.batch_size)

    def check(self) -> None:
        """Raises ConfigError if several options set how long is trained, or the budget has no end."""
        named = {"--budget": self.budget, "--steps": self.steps, "--images": self.images}
        given = [option for option, value in named.items() if value is not None]
        if len(given) > 1:
            count = "both" if len(given) == 2 else "all"
            raise ConfigError(
                f"{' and '.join(given)} are {count} given, and each sets how long is trained. Give one alone."
            )
        if self.budget is not None and not math.isfinite(self.budget):
            raise ConfigError(f"--budget {self.budget}: no training ends by that. Give a number of minutes.")

    @property
    def sets_length(self) -> bool:
        """Whether the user gives steps or images."""
        return self.steps is not None or self.images is not None


@dataclass
class SeededRun:
    """A planned run with a seed and a run folder.

    Attributes:
        planned: the planned run.
        seed: the seed of everything random.
        folder: the run folder.
        size: the size that the run is trained at.
        config: complete. Its length is that of the run in the folder, or else the preset's own.
        plugins: the plugins that the configuration names.
        own_settings: what the command that trains the run sets over the preset.
        usual_steps: the preset's own number of steps; None if the preset has a number of epochs.
        record: the record of earlier calls; None if there was none.
    """

    planned: PlannedRun
    seed: int
    folder: RunFolder
    size: Size
    config: Config
    plugins: PluginManager
    own_settings: Mapping[str, Any]
    usual_steps: int | None
    record: RunRecord | None = None

    @property
    def title(self) -> str:
        """The run's title, with the seed if the run has several."""
        return f"{self.planned.title}, seed {self.seed}" if self.planned.seeded else self.planned.title

    @property
    def step(self) -> int:
        """The step of the newest checkpoint; 0 if there is no checkpoint."""
        paths = self.folder.checkpoints.paths()
        return int(paths[-1].name.removeprefix("step-")) if paths else 0

    @property
    def steps(self) -> int | None:
        """The length of the run; None if nothing has set it yet."""
        return self.config.training.steps or (self.record.steps if self.record else None)

    @property
    def minutes(self) -> float | None:
        """The budget that an earlier call gave the run; None if the call gave steps, or if there was no earlier call."""
        return self.record.minutes if self.record else None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train."""
        return self.folder.holds_run and self.step > 0 and self.step == self.steps

    def set_length(self, steps: int) -> None:
        """Sets how many steps the run trains, and with that when it saves checkpoints and sample sheets."""
        every = save_every(steps)
        own = {"steps": steps, "epochs": None, "save_every": every, "sample_every": every}
        training = self.config.training.model_copy(update=own)
        self.config = self.config.model_copy(update={"training": training})


@dataclass(frozen=True)
class Reproduction:
    """An experiment with its runs.

    Attributes:
        experiment: what is reproduced.
        request: what the user asks for.
        runs: all runs that the experiment needs; the seeds of one planned run follow each other.
    """

    experiment: Experiment
    request: ReproductionRequest
    runs: list[SeededRun] = field(default_factory=list)

    @classmethod
    def make(cls, name: str, request: ReproductionRequest, plugins: PluginManager) -> Reproduction:
        """Checks what is asked for against the runs and the data that are there.

        Args:
            name: the experiment's name.
            request: what the user asks for.
            plugins: have the experiment.

        Raises:
            RequestError: the request cannot be met.
        """
        experiment: Experiment = plugins.index("experiment").get(name)()
        request.check()
        found = cls(experiment, request)
        for planned in experiment.plan(plugins, request.only):
            seeds = range(found.seeds if planned.seeded else 1)
            found.runs.extend(seeded_run(planned, seed, request) for seed in seeds)
        found.check_data()
        found.check_lengths()
        return found

    @property
    def seeds(self) -> int:
        """From how many seeds a `seeded` run is trained."""
        return self.request.seeds or self.experiment.seeds

    @cached_property
    def share(self) -> float | None:
        """The minutes of each run that is not there yet; None if steps are given or the presets' own lengths hold."""
        if self.request.sets_length or not self.runs:
            return None
        if self.request.budget is not None:
            return self.request.budget / len(self.runs)
        earlier = {run.minutes for run in self.begun}
        if self.experiment.equal == "time" and len(earlier) == 1 and earlier != {None}:
            return earlier.pop()
        own = self.experiment.minutes if self.request.size == "small" else 0
        return own / len(self.runs) if own else None

    @property
    def begun(self) -> list[SeededRun]:
        """The runs that earlier calls began or finished."""
        return [run for run in self.runs if run.folder.holds_run]

    def of(self, planned: PlannedRun) -> list[SeededRun]:
        """Returns the seeds of a planned run."""
        return [run for run in self.runs if run.planned is planned]

    def check_data(self) -> None:
        """Raises DataError if a dataset of the runs is missing or broken."""
        checked = set()
        for run in self.runs:
            if run.planned.datasets not in checked:
                check_datasets(run.config, run.plugins)
            checked.add(run.planned.datasets)

    def check_lengths(self) -> None:
        """Raises RunError if runs of earlier calls do not have the length that the request needs."""
        if self.experiment.equal == "steps":
            self._check_equal_steps()
        elif not self.request.sets_length:
            for run in self.begun:
                if self._must_be_equal() or self._was_sized_here(run):
                    self._check_share(run)

    def _must_be_equal(self) -> bool:
        """Whether finished runs must have had the budget that is asked for now; not if all are there and had the same."""
        complete = self.request.budget is None and len(self.begun) == len(self.runs)
        return self.experiment.equal == "time" and not (complete and len({run.minutes for run in self.runs}) == 1)

    def _was_sized_here(self, run: SeededRun) -> bool:
        """Whether this experiment itself gave the run its length, and the user now names a budget."""
        named = self.request.budget is not None
        return named and run.record is not None and run.record.experiment == self.experiment.name

    def _check_share(self, run: SeededRun) -> None:
        was, now = run.minutes, self.share
        if was is None and now is None:
            self._check_usual_length(run)
            return
        if was is None or now is None or not math.isclose(was, now, rel_tol=CLOSE):
            had = "the steps that it was given" if was is None else f"{was:.2f} minutes"
            same = "" if was is None else f"Give --budget {was * len(self.runs):.6g}, which is {was:.2f} for each, or n"
            wanted = "its preset's own length" if now is None else f"{now:.2f} minutes, as every run would now get"
            raise RunError(
                f"'{run.folder.path}' has trained for {had}, and not {wanted}. {same or 'N'}ame another folder with --runs."
            )

    def _check_usual_length(self, run: SeededRun) -> None:
        """Raises RunError if the run was given another length than the missing runs would now get, that of their presets."""
        if run.config.training.steps != run.usual_steps:
            raise RunError(
                f"'{run.folder.path}' was given {run.steps} steps, and the missing runs would get the lengths of their presets. "
                "Give --steps or --images as before, or name another folder with --runs."
            )

    def _check_equal_steps(self) -> None:
        lengths = {run.steps: run for run in self.begun if run.steps}
        if len(lengths) > 1:
            found = ", ".join(f"'{run.folder.path}' of {steps}" for steps, run in lengths.items())
            raise RunError(
                f"The runs are to train for the same steps, and there are {found}. Name another folder with --runs."
            )


def seeded_run(planned: PlannedRun, seed: int, request: ReproductionRequest) -> SeededRun:
    """Configures a run, and compares the configuration with that of the run in the folder.

    Raises:
        ConfigError: an unknown preset, key or value.
        RunError: the folder holds a run with other settings.
    """
    suffix = "" if request.size == "small" else f"-{request.size}"
    folder = RunFolder(request.runs / f"{planned.name}{suffix}-seed{seed}")
    config, plugins = configure_run(planned, request, request.settings, seed=seed)
    own = planned.at(request.size).settings
    usual, record = config.training.steps, RunRecord.read(folder.path)
    run = SeededRun(planned, seed, folder, request.size, config, plugins, own, usual, record)
    given = request.given_steps(config)
    if given is not None:
        run.set_length(given)
    if folder.holds_run:
        previous = folder.config()
        if given is None and previous.training.steps:
            run.set_length(previous.training.steps)
        check_same_run(folder, run.config, plugins, "--runs")
    return run


def configure_run(
    planned: PlannedRun,
    request: ReproductionRequest,
    settings: Sequence[str] = (),
    *,
    seed: int | None = None,
    size: Size | None = None,
) -> tuple[Config, PluginManager]:
    """Returns the complete configuration of a planned run, and its plugins.

    Args:
        planned: the run.
        request: says where the data is, which plugin files to use, and the size if `size` is None.
        settings: `key=value` items that are set over everything else.
        seed: the seed; None is the preset's own.
        size: the size of the run.
    """
    own = planned.at(size or request.size)
    places = {"data.path": request.data, "data.cache": request.cache, "plugins": list(request.plugins) or None}
    keys = {**own.settings, **places, "training.trackers": [], "training.seed": seed}
    layers = [Layer.from_keys(planned.name, keys), Layer.from_settings(settings)]
    return configure_layers(layers, datasets=planned.datasets, preset=own.preset)
