"""What every registered experiment must be, whatever it shows; and the little arithmetic of those that come along."""

import inspect
from dataclasses import dataclass

import pytest

from stargan_fw.components import build_method
from stargan_fw.data.source import build_dataset
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_registry import LabelSchema, LabelSpace
from stargan_fw_reproduce import Experiment
from stargan_fw_reproduce.experiments.expressions import mean, written
from stargan_fw_reproduce.experiments.fig7 import share_read
from stargan_fw_reproduce.reproduction import ReproductionRequest, configure_run

PLUGINS = PluginManager.discover()
EXPERIMENTS = dict(PLUGINS.index("experiment").items())
RUNS = {run.name: run for experiment in EXPERIMENTS.values() for run in experiment.runs}
EVERY_EXPERIMENT = pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)


def test_the_contract_names_these():
    assert {"table3", "fig4", "fig5", "fig6", "fig7", "params"} <= set(EXPERIMENTS)


@EVERY_EXPERIMENT
def test_an_experiment_says_what_it_is(experiment):
    assert issubclass(experiment, Experiment)
    assert inspect.getdoc(experiment)
    assert len(experiment.title) < 80
    assert experiment.about.strip().endswith(".")
    assert bool(experiment.runs) == (experiment.minutes > 0)


@EVERY_EXPERIMENT
def test_runs_of_one_name_are_the_same(experiment):
    assert all(RUNS[run.name] is run for run in experiment.runs)


@pytest.mark.parametrize("size", ["small", "paper"])
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_run_can_be_configured_at_every_size(run, size, tmp_path):
    import torch

    config, plugins = configure_run(run, ReproductionRequest(data=str(tmp_path)), size=size)
    assert config.data.image_size == {"small": 64, "paper": 128}[size]
    datasets = {alias: build_dataset(alias, table, str(tmp_path), plugins) for alias, table in config.datasets.items()}
    space = LabelSpace([LabelSchema(alias, list(dataset.attributes)) for alias, dataset in datasets.items()])
    with torch.device("meta"):
        assert build_method(config, space, plugins).networks


@dataclass
class Figure:
    value: float
    low: float | None = None
    high: float | None = None
    text: str = "5% [4%, 6%]"
    n: int = 10


class Measured:
    def __init__(self, figure):
        self.figure = figure

    def value(self, metric, target=""):
        return self.figure


def test_seeds_are_summed_up_by_their_mean_and_range():
    figures = [Figure(0.05), Figure(0.10), Figure(0.30)]
    assert mean(figures) == pytest.approx(0.15)
    assert written(figures) == "15.00% (mean of 3 seeds, 5.00% to 30.00%)"
    assert written(figures[:1]) == "5% [4%, 6%]"


def test_the_share_that_is_read_has_the_interval_of_the_error_turned_round():
    assert share_read(Measured(Figure(0.2, 0.1, 0.4))) == "80.00% [60.00%, 90.00%]"
    assert share_read(Measured(Figure(0.2))) == "80.00%"
