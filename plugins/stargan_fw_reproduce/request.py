"""What `reproduce` is asked for, checked before anything is written: the experiment, its runs and how long they train."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stargan_fw.api import RunFolder, check_datasets, check_same_run, configure
from stargan_fw.errors import ConfigError, RunError
from stargan_fw_reproduce.ledger import Ledger
from stargan_fw_reproduce.pace import save_every

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stargan_fw.api import Config, PluginManager
    from stargan_fw_reproduce.experiment import Experiment, PlannedRun, Size

CLOSE = 0.01  # share by which two budgets may differ and be the same


@dataclass(frozen=True)
class Asked:
    """What the user asks for.

    Attributes:
        data: the folder of datasets.
        budget: minutes of training in all; None is the experiment's own at the small size.
        steps: of every run, instead.
        seeds: of the runs that are seeded; None is the experiment's own number.
        size: of the runs.
        runs: the folder that they lie in.
        settings: `key=value` over every run's configuration.
        cache: the folder of decoded images and classifiers; None takes the usual one.
        plugins: plugin files.
        limit: how many images are translated at most; None takes all.
        classifier_steps: updates of the evaluation's classifiers; None leaves it to the size of the data.
    """

    data: str = "data"
    budget: float | None = None
    steps: int | None = None
    seeds: int | None = None
    size: Size = "small"
    runs: Path = Path("runs/reproduce")
    settings: Sequence[str] = ()
    cache: str | None = None
    plugins: Sequence[str] = ()
    limit: int | None = None
    classifier_steps: int | None = None


@dataclass
class SeededRun:
    """A planned run with a seed and a place.

    Attributes:
        planned: what it is.
        seed: of everything random.
        folder: its run folder.
        size: that it is trained at.
        config: complete; its length is that of the run that is there, or else the preset's own.
        plugins: with what it names.
        ledger: what is known of an earlier call; None where there was none.
        own_settings: what the command that trains it sets over the preset.
    """

    planned: PlannedRun
    seed: int
    folder: RunFolder
    size: Size
    config: Config
    plugins: PluginManager
    own_settings: Mapping[str, Any]
    ledger: Ledger | None = None

    @property
    def title(self) -> str:
        """The run's title, with the seed where it has several."""
        return f"{self.planned.title}, seed {self.seed}" if self.planned.seeded else self.planned.title

    @property
    def step(self) -> int:
        """The newest checkpoint's; 0 where there is none."""
        paths = self.folder.checkpoints.paths()
        return int(paths[-1].name.removeprefix("step-")) if paths else 0

    @property
    def steps(self) -> int | None:
        """The length of the run; None where nothing has fixed it yet."""
        return self.config.training.steps or (self.ledger.steps if self.ledger else None)

    @property
    def minutes(self) -> float | None:
        """The budget that an earlier call gave it; None where that was steps, or nothing is known of it."""
        return self.ledger.minutes if self.ledger else None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train."""
        return self.folder.holds_run and self.step > 0 and self.step == self.steps

    def last(self, steps: int) -> None:
        """Says how many steps it trains; what is shown and kept follows from that."""
        every = save_every(steps)
        own = {"steps": steps, "epochs": None, "save_every": every, "sample_every": every}
        training = self.config.training.model_copy(update=own)
        self.config = self.config.model_copy(update={"training": training})


@dataclass(frozen=True)
class Reproduction:
    """An experiment with its runs.

    Attributes:
        experiment: what is reproduced.
        asked: how.
        plugins: where the components are.
        runs: all that it needs, those of one planned run together.
    """

    experiment: Experiment
    asked: Asked
    plugins: PluginManager
    runs: list[SeededRun] = field(default_factory=list)

    @classmethod
    def make(cls, name: str, asked: Asked, plugins: PluginManager) -> Reproduction:
        """Checks what is asked for against the runs and the data that are there.

        Raises:
            RequestError: of the kind that fits what is wrong.
        """
        experiment: Experiment = plugins.index("experiment").get(name)()
        if asked.budget is not None and asked.steps is not None:
            raise ConfigError("--budget and --steps are both given, and each sets how long is trained. Leave one out.")
        found = cls(experiment, asked, plugins)
        for planned in experiment.runs:
            found.runs.extend(seeded_run(planned, seed, asked) for seed in range(found.seeds if planned.seeded else 1))
        check_data(found.runs)
        found.check_lengths()
        return found

    @property
    def seeds(self) -> int:
        """From how many seeds a seeded run is trained."""
        return self.asked.seeds or self.experiment.seeds

    @cached_property
    def share(self) -> float | None:
        """The minutes of a run that is not there yet; None where steps are given or the presets' own lengths hold."""
        if self.asked.steps is not None or not self.runs:
            return None
        if self.asked.budget is not None:
            return self.asked.budget / len(self.runs)
        earlier = {run.minutes for run in self.begun}
        if self.experiment.equal == "time" and len(earlier) == 1 and earlier != {None}:
            return earlier.pop()
        return self.experiment.minutes / len(self.runs) if self.asked.size == "small" else None

    @property
    def begun(self) -> list[SeededRun]:
        """The runs that earlier calls began or finished."""
        return [run for run in self.runs if run.folder.holds_run]

    def of(self, planned: PlannedRun) -> list[SeededRun]:
        """Returns a planned run's seeds."""
        return [run for run in self.runs if run.planned is planned]

    def check_lengths(self) -> None:
        """Raises RunError where runs of earlier calls are not as long as what is asked for needs them to be."""
        if self.experiment.equal == "steps":
            self._check_equal_steps()
        elif self.asked.steps is None:
            for run in self.begun:
                if self._must_be_equal() or self._sized_otherwise_here(run):
                    self._check_share(run)

    def _must_be_equal(self) -> bool:
        """Whether runs that are there must have had what is asked for now: not where all are, and had the same."""
        complete = self.asked.budget is None and len(self.begun) == len(self.runs)
        return self.experiment.equal == "time" and not (complete and len({run.minutes for run in self.runs}) == 1)

    def _sized_otherwise_here(self, run: SeededRun) -> bool:
        """Whether this experiment itself gave the run a length, and another one is asked for."""
        return (
            self.asked.budget is not None and run.ledger is not None and run.ledger.experiment == self.experiment.name
        )

    def _check_share(self, run: SeededRun) -> None:
        was, now = run.minutes, self.share
        if was is None and now is None:
            return
        if was is None or now is None or not math.isclose(was, now, rel_tol=CLOSE):
            had = "the steps that it was given" if was is None else f"{was:.2f} minutes"
            same = "" if was is None else f"Give --budget {was * len(self.runs):.6g}, which is {was:.2f} for each, or n"
            wanted = "its preset's own length" if now is None else f"{now:.2f} minutes, as every run would now get"
            raise RunError(
                f"'{run.folder.path}' has trained for {had}, and not {wanted}. {same or 'N'}ame another folder with --runs."
            )

    def _check_equal_steps(self) -> None:
        lengths = {run.steps: run for run in self.begun if run.steps}
        if len(lengths) > 1:
            said = ", ".join(f"'{run.folder.path}' of {steps}" for steps, run in lengths.items())
            raise RunError(
                f"The runs are to train for the same steps, and there are {said}. Name another folder with --runs."
            )


def seeded_run(planned: PlannedRun, seed: int, asked: Asked) -> SeededRun:
    """Configures a run, and compares it with what is in its folder.

    Raises:
        ConfigError: an unknown preset, key or value.
        RunError: the folder holds a run with other settings.
    """
    suffix = "" if asked.size == "small" else f"-{asked.size}"
    folder = RunFolder(asked.runs / f"{planned.name}{suffix}-seed{seed}")
    config, plugins = configured(planned, asked, asked.settings, seed=seed)
    own = planned.at(asked.size).settings
    run = SeededRun(planned, seed, folder, asked.size, config, plugins, own, Ledger.read(folder.path))
    if asked.steps is not None:
        run.last(asked.steps)
    if folder.holds_run:
        previous = folder.config()
        if asked.steps is None and previous.training.steps:
            run.last(previous.training.steps)
        check_same_run(previous, run.config, folder, "--runs")
    return run


def configured(
    planned: PlannedRun,
    asked: Asked,
    settings: Sequence[str] = (),
    *,
    seed: int | None = None,
    size: Size | None = None,
) -> tuple[Config, PluginManager]:
    """Returns the complete configuration of a run and its plugins."""
    own = planned.at(size or asked.size)
    place = {"data.path": asked.data, "data.cache": asked.cache, "plugins": list(asked.plugins) or None}
    keys = {**own.settings, **place, "training.trackers": [], "training.seed": seed}
    return configure(planned.name, keys, settings, datasets=planned.datasets, preset=own.preset)


def check_data(runs: Sequence[SeededRun]) -> None:
    """Raises DataError if a dataset of the runs is missing or broken."""
    checked = set()
    for run in runs:
        if run.planned.datasets not in checked:
            check_datasets(run.config, run.plugins)
        checked.add(run.planned.datasets)
