"""What holds of every configuration: of `--set`, of layers over each other, and of a component's options."""

import copy
import tomllib
from typing import Literal

import pytest
import tomli_w
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from stargan_fw.config import Config
from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import ConfigError
from stargan_fw.options import OptionError, check_options
from stargan_fw.training.train_request import dataset_layer, parse_datasets

# A busy machine, or the first use of torch, says nothing about the code.
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
KEYS = st.text("abc_", min_size=1, max_size=3)
NUMBERS = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SCALARS = st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=4)

# Valid values of some keys, with the ones that have rules of their own left out: the length, and components' names.
LEAVES = {
    ("data", "image_size"): st.integers(1, 512),
    ("data", "path"): TEXTS.filter(lambda text: "\0" not in text),
    ("data", "resident"): st.sampled_from(["auto", "on", "off"]),
    ("datasets", "cats", "limit"): st.integers(2, 9),
    ("datasets", "cats", "angle"): SCALARS,
    ("datasets", "dogs", "crop_size"): st.integers(1, 9),
    ("training", "batch_size"): st.integers(2, 64),
    ("training", "seed"): st.integers(0, 9),
    ("training", "ema"): st.floats(0, 0.999),
    ("training", "trackers"): st.lists(st.sampled_from(["tensorboard", "none"]), max_size=2),
    ("generator", "conv_dim"): SCALARS,
    ("loss", "lambda_gp"): SCALARS,
    ("loss", "lambda_cls"): SCALARS,
}
RULED = {
    ("training", "steps"): st.integers(1, 9),
    ("training", "epochs"): st.integers(1, 9),
    ("generator", "name"): st.sampled_from(["stargan", "attention"]),
    ("loss", "name"): st.sampled_from(["hinge", "logistic"]),
}
WRONG = {
    ("data", "image_size"): 0,
    ("data", "resident"): "maybe",
    ("datasets", "cats", "limit"): 1,
    ("training", "seed"): -1,
    ("training", "ema"): 1.5,
    ("training", "sede"): 3,
    ("loss", "name"): 3,
}


def nested(leaves):
    values = {}
    for path, value in leaves.items():
        table = values
        for key in path[:-1]:
            table = table.setdefault(key, {})
        table[path[-1]] = value
    return values


def at(values, path):
    for key in path:
        values = values[key]
    return values


def chosen(choices):
    """Some of the keys, each with a value; never both `steps` and `epochs`, which one layer may not have."""
    some = st.fixed_dictionaries({}, optional=choices)
    return some.filter(lambda leaves: not {("training", "steps"), ("training", "epochs")} <= set(leaves))


def layers(choices, most=4):
    tables = st.lists(chosen(choices), min_size=1, max_size=most)
    return tables.map(lambda found: [Layer(f"layer {n}", nested(leaves)) for n, leaves in enumerate(found)])


def merged_values(parts):
    """What some layers say together, as one layer."""
    values = {}
    for layer in parts:
        for path, value in leaves_of(layer.values):
            at_or_new(values, path[:-1])[path[-1]] = value
    return Layer("together", values)


def leaves_of(values, path=()):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves_of(value, (*path, key))
        else:
            yield (*path, key), value


def at_or_new(values, path):
    for key in path:
        values = values.setdefault(key, {})
    return values


# --set


@quick
@given(st.lists(KEYS, min_size=1, max_size=3), VALUES)
def test_a_setting_written_as_toml_is_read_back(path, value):
    text = tomli_w.dumps({"value": value}).removeprefix("value = ")
    layer = Layer.from_settings([f"{'.'.join(path)}={text}"])
    assert layer == Layer("--set", nested({tuple(path): value}))
    assert type(at(layer.values, path)) is type(value)


@quick
@given(st.lists(KEYS, min_size=1, max_size=3), st.text())
def test_any_text_is_a_value_and_plain_words_are_themselves(path, text):
    found = at(Layer.from_settings([f"{'.'.join(path)}={text}"]).values, path)
    try:
        tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        assert found == text.strip()


@quick
@given(st.dictionaries(KEYS, st.lists(st.integers(), min_size=1, max_size=3), min_size=1, max_size=4), st.data())
def test_the_last_setting_of_a_key_counts_in_whatever_order_the_keys_come(settings_of, data):
    turns = data.draw(st.permutations([key for key, values in settings_of.items() for _ in values]))
    left = {key: list(values) for key, values in settings_of.items()}
    layer = Layer.from_settings([f"table.{key}={left[key].pop(0)}" for key in turns])
    assert layer.values == {"table": {key: values[-1] for key, values in settings_of.items()}}


@quick
@given(st.text() | st.lists(st.sampled_from(["a", "b", ".", "=", "[", "1", " "]), max_size=6).map("".join))
def test_any_setting_is_read_or_refused(text):
    try:
        layer = Layer.from_settings([text])
    except ConfigError as error:
        assert str(error).startswith(f"--set {text}: ")  # noqa: PT017 - most texts are refused, some are not
        return
    assert layer.values


# Layers


@quick
@given(layers(LEAVES | RULED))
def test_the_highest_layer_that_names_a_key_decides_it(stack):
    before = copy.deepcopy(stack)
    config = merge(stack).model_dump()
    assert stack == before, "layers are left as they are"
    for path in LEAVES:
        said = [at(layer.values, path) for layer in stack if path in dict(leaves_of(layer.values))]
        if said and path[0] in {"data", "datasets", "training"}:
            assert at(config, path) == said[-1]


@quick
@given(layers(LEAVES, most=6), st.data())
def test_layers_may_be_laid_together_in_any_groups(stack, data):
    """Associative, but for the rules of lengths and names, which say what a layer replaces below."""
    start = data.draw(st.integers(0, len(stack) - 1))
    stop = data.draw(st.integers(start + 1, len(stack)))
    grouped = [*stack[:start], merged_values(stack[start:stop]), *stack[stop:]]
    assert merge(grouped) == merge(stack)


@quick
@given(layers(LEAVES | RULED))
def test_a_layer_twice_in_a_row_is_a_layer_once(stack):
    assert merge([layer for layer in stack for _ in range(2)]) == merge(stack)


@quick
@given(layers(LEAVES | RULED), layers(LEAVES | RULED))
def test_a_written_configuration_stands_for_the_layers_it_was_made_from(below, above):
    """So that `train --config RUN/config.toml --set …` is the command that made the run with `--set …`."""
    written = Layer("config.toml", tomllib.loads(merge(below).to_toml()))
    assert merge([written]) == merge(below)
    assert merge([written, *above]) == merge([*below, *above])


@quick
@given(layers(LEAVES | RULED), st.sampled_from(sorted(WRONG)), st.data())
def test_a_mistake_is_told_with_the_layer_that_made_it(stack, path, data):
    place = data.draw(st.integers(0, len(stack) - 1))
    at_or_new(stack[place].values, path[:-1])[path[-1]] = WRONG[path]
    assume(not any(path in dict(leaves_of(layer.values)) for layer in stack[place + 1 :]))
    with pytest.raises(ConfigError) as caught:
        merge(stack)
    assert str(caught.value).startswith(f"layer {place}: ")
    assert ".".join(path) in str(caught.value)


@quick
@given(layers(LEAVES | RULED), st.data())
def test_any_value_anywhere_is_taken_or_refused(stack, data):
    paths = [path for layer in stack for path, _ in leaves_of(layer.values)]
    assume(paths)
    path = data.draw(st.sampled_from(paths))
    path = path[: data.draw(st.integers(1, len(path)))]
    at_or_new(stack[-1].values, path[:-1])[path[-1]] = data.draw(VALUES)
    try:
        config = merge(stack)
    except ConfigError:
        return
    assert isinstance(config, Config)


# --datasets

ALIASES = st.text("abz_", min_size=1, max_size=3)
LOCATIONS = st.none() | st.text("ab/:=~.", min_size=1, max_size=5)


@quick
@given(st.dictionaries(ALIASES, st.tuples(ALIASES, LOCATIONS), min_size=1, max_size=4))
def test_items_of_datasets_are_read_as_they_are_written(items):
    text = ",".join(
        f"{alias}={plugin}" + (f":{location}" if location else "") for alias, (plugin, location) in items.items()
    )
    expected = {
        alias: {"plugin": plugin, **({"location": location} if location else {})}
        for alias, (plugin, location) in items.items()
    }
    assert list(parse_datasets(text).items()) == list(expected.items())
    layer = dataset_layer(text, [])
    assert list(layer.values["datasets"]) == list(items)
    assert dataset_layer(text, [layer]) == layer, "what was said before is said again"


# Options


class Component:
    def __init__(
        self,
        network: object = None,
        *,
        width: int = 64,
        norm: Literal["none", "batch"] = "none",
        rate: float = 0.5,
        sides: list[int] | None = None,
        given: int = 1,
    ) -> None:
        pass


OPTIONS = {
    "width": st.integers(),
    "norm": st.sampled_from(["none", "batch"]),
    "rate": st.floats(allow_nan=False),
    "sides": st.none() | st.lists(st.integers(), max_size=3),
}


@quick
@given(st.fixed_dictionaries({}, optional=OPTIONS), st.randoms(use_true_random=False))
def test_checked_options_are_complete_and_are_not_changed_again(options, random):
    checked = check_options(Component, options, "generator", ["given"])
    assert checked == {"width": 64, "norm": "none", "rate": 0.5, "sides": None} | options
    assert check_options(Component, checked, "generator", ["given"]) == checked
    shuffled = list(options.items())
    random.shuffle(shuffled)
    assert list(check_options(Component, dict(shuffled), "generator", ["given"])) == list(checked)


@quick
@given(st.dictionaries(st.sampled_from([*OPTIONS, "given", "network", "widht"]), VALUES | st.none(), max_size=3))
def test_any_options_are_taken_or_refused_with_their_place(options):
    known = set(options) <= set(OPTIONS)
    try:
        checked = check_options(Component, options, "generator", ["given"])
    except OptionError as error:
        place = error.path
    else:
        assert known
        assert set(checked) == set(OPTIONS)
        return
    assert place[0] == "generator"
    assert place[1] in options
    assert len(place) == 2 or isinstance(options[place[1]], dict)
