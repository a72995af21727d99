"""Building what a configuration names."""

import re

import pytest
import torch

from stargan_fw.components import build_method, complete, count_config_parameters, count_parameters
from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import ConfigError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_registry import Binary, LabelSchema, LabelSpace, UnknownNameError

SPACE = LabelSpace([LabelSchema("one", [Binary("x"), Binary("y")]), LabelSchema("two", [Binary("z")])])


def test_a_method_is_built_with_the_networks_and_options_that_are_named(configured):
    method = build_method(*_with_space(configured("method.keep=3", "generator.width=6", "data.image_size=8")))

    assert (method.keep, method.image_size, method.space) == (3.0, 8, SPACE)
    assert method.generator.first.weight.shape == (6, 3 + 5, 3, 3), "three colours; three labels and two of the mask"
    assert method.discriminator.labels.out_features == 3


def _with_space(configured):
    config, plugins = configured
    return config, SPACE, plugins


def test_networks_begin_as_the_random_state_says(configured):
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(build_method(*_with_space(configured())).generator.first.weight)

    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_parameters_are_counted_without_being_allocated(configured):
    config, _, plugins = _with_space(configured("generator.width=100000"))
    count = count_config_parameters(config, SPACE, plugins)

    assert count.networks["generator"] == 100000 * (9 * (3 + 5) + 1) + 2 * 100000 + 3 * (9 * 100000 + 1)
    assert count.total == sum(count.networks.values())


def test_networks_that_only_training_needs_are_not_counted(configured, monkeypatch):
    method = build_method(*_with_space(configured()))
    monkeypatch.setattr(method, "auxiliary", ("discriminator",))

    assert set(count_parameters(method).networks) == {"generator"}


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ({"method": {"name": "swop"}}, UnknownNameError, "no method is called 'swop'; did you mean 'swap'"),
        ({"method": {"name": "swap", "kep": 1}}, ConfigError, "a: Unknown key 'method.kep': did you mean 'keep'"),
        (
            {"method": {"name": "swap"}, "datasets": {"shapes": {"sise": 1}}},
            ConfigError,
            "a: Unknown key 'datasets.shapes.",
        ),
        ({}, ConfigError, "The configuration has no method.name."),
    ],
)
def test_what_nobody_registers_is_refused(tables, error, message):
    layers = [Layer("a", tables)]

    with pytest.raises(error, match=f"^{re.escape(message)}"):
        complete(merge(layers), PluginManager.discover(), layers)
