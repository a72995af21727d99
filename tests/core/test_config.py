"""The configuration: layers over each other, messages that say what and where, and the items of `--datasets`."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from stargan_fw import config as config_module
from stargan_fw.components import complete
from stargan_fw.config import Config
from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import ConfigError, is_printable
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.training.train_request import dataset_layer, parse_datasets

MODELS = [
    model
    for name, model in vars(config_module).items()
    if inspect.isclass(model) and issubclass(model, BaseModel) and model.model_fields and not name.startswith("_")
]


def in_file(**values):
    return Layer("run.toml", values)


def settings(*pairs):
    return Layer.from_settings(pairs)


@pytest.mark.parametrize(("model", "key"), [(model, key) for model in MODELS for key in model.model_fields])
def test_every_key_is_described_by_its_model(model, key):
    _, _, attributes = inspect.getdoc(model).partition("Attributes:\n")

    assert re.search(rf"^ +{key}: \S", attributes, re.MULTILINE)


def test_no_description_outlives_its_key():
    for model in MODELS:
        _, _, attributes = inspect.getdoc(model).partition("Attributes:\n")
        assert set(re.findall(r"^    (\w+): ", attributes, re.MULTILINE)) == set(model.model_fields)


def test_a_higher_layer_replaces_single_keys_and_keeps_the_others():
    low = in_file(data={"image_size": 64, "path": "low"}, training={"batch_size": 4, "seed": 1})
    high = in_file(data={"path": "high"}, training={"seed": 2})

    config = merge([low, high])

    assert (config.data.image_size, config.data.path) == (64, "high")
    assert (config.training.batch_size, config.training.seed) == (4, 2)
    assert config.training.n_critic == 5, "what no layer names has its default"


def test_layers_are_left_as_they_are():
    low, high = in_file(datasets={"pets": {}}, training={"seed": 1}), settings("training.seed=2")

    merge([low, high])

    assert low.values == {"datasets": {"pets": {}}, "training": {"seed": 1}}


def test_no_layers_are_the_defaults():
    config = merge([])

    assert config == Config()
    assert (config.training.steps, config.training.epochs) == (None, 20)


@pytest.mark.parametrize(
    ("below", "above", "length"),
    [
        ({"epochs": 20}, {"steps": 7}, (7, None)),
        ({"steps": 7}, {"epochs": 3}, (None, 3)),
        ({"steps": 7, "seed": 1}, {"seed": 2}, (7, None)),
        ({}, {"steps": 7}, (7, None)),
    ],
)
def test_the_length_of_a_higher_layer_replaces_steps_and_epochs(below, above, length):
    training = merge([in_file(training=below), in_file(training=above)]).training

    assert (training.steps, training.epochs) == length


def test_another_component_drops_the_options_below():
    low = in_file(generator={"name": "mixer", "width": 8}, loss={"name": "hinge", "margin": 5})

    config = merge([low, settings("generator.name=attention", "loss.margin=7", "loss.name=hinge")])

    assert (config.generator.name, config.generator.options) == ("attention", {})
    assert config.loss.options == {"margin": 7}


def test_a_dataset_may_have_an_option_that_is_called_name():
    low = in_file(datasets={"cats": {"plugin": "hub", "name": "train", "location": "user/cats"}})

    dataset = merge([low, settings("datasets.cats.name=test")]).datasets["cats"]

    assert (dataset.plugin, dataset.location, dataset.options) == ("hub", "user/cats", {"name": "test"})


def test_a_dataset_is_its_own_plugin_where_none_is_named():
    config = merge([in_file(datasets={"shapes": {"attributes": ["inverted"]}, "mine": {"plugin": "folder"}})])

    assert [dataset.plugin for dataset in config.datasets.values()] == ["shapes", "folder"]
    assert config.datasets["shapes"].options == {"attributes": ["inverted"]}


def test_only_what_is_given_overrides_a_dataset():
    config = merge([in_file(datasets={"a": {"crop_size": 100, "test_size": 5}, "b": {"test_size": 0.5}})])

    assert config.datasets["a"].overrides == {"crop_size": 100, "test_size": 5, "on_bad_image": "error"}
    assert isinstance(config.datasets["a"].overrides["test_size"], int)
    assert config.datasets["b"].overrides == {"test_size": 0.5, "on_bad_image": "error"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("1e-4", 1e-4),
        ("true", True),
        ("[1, 'a']", [1, "a"]),
        ("'4'", "4"),
        ("mixer", "mixer"),
        (" ~/my data ", "~/my data"),
        ("[1,", "[1,"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_setting_is_toml_or_a_string(text, value):
    assert settings(f"generator.option={text}").values == {"generator": {"option": value}}


def test_settings_make_one_layer():
    layer = settings("data.path=a", "training.seed=1", "data.path=b", "seed=2")

    assert layer == Layer("--set", {"data": {"path": "b"}, "training": {"seed": 1}, "seed": 2})


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["training.seed"], r"--set training\.seed: expected key=value\. Write it as in training\.batch_size=4"),
        (["=4"], "--set =4: expected key=value"),
        (["data=4", "data.path=x"], r"--set data\.path=x: 'data' is a value, not a table"),
    ],
)
def test_a_setting_that_cannot_be_read(pairs, message):
    with pytest.raises(ConfigError, match=message):
        settings(*pairs)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trainig": {}}, "Unknown key 'trainig': did you mean 'training'?"),
        (
            {"zzz": 1},
            "Unknown key 'zzz': known: data, datasets, discriminator, embedding, generator, loss, method, plugins,",
        ),
        ({"training": {"batchsize": 4}}, "Unknown key 'training.batchsize': did you mean 'batch_size'?"),
        ({"data": {"img_size": 4}}, "Unknown key 'data.img_size': did you mean 'image_size'?"),
        ({"data": {"image_size": 0}}, "data.image_size = 0 should be greater than 0."),
        ({"data": 3}, "data = 3 should be a valid dictionary"),
        ({"datasets": 3}, "datasets = 3 should be a valid dictionary."),
        ({"datasets": {"pets": "folder"}}, "datasets.pets = 'folder' should be a valid dictionary"),
        ({"datasets": {"pets": {"test_split": "half"}}}, "datasets.pets.test_split = 'half' should be 'random', "),
        ({"datasets": {"pets": {"test_size": "all"}}}, "datasets.pets.test_size = 'all' should be a valid number"),
        ({"datasets": {"pets": {"test_size": -1}}}, "datasets.pets.test_size = -1 should be greater than 0"),
        ({"training": {"seed": 2**63}}, "training.seed = 9223372036854775808 should be less than 9223372036854775808"),
        ({"training": {"seed": "x"}}, "training.seed = 'x' should be a valid integer"),
        ({"training": {"steps": 1.5}}, "training.steps = 1.5 should be a valid integer"),
        ({"training": {"keep_every": 0}}, "training.keep_every = 0 should be greater than 0"),
        ({"training": {"steps": 0}}, "training.steps = 0 should be greater than 0"),
        ({"training": {"precision": "fp16"}}, "training.precision = 'fp16' should be 'auto', 'fp32' or 'bf16'."),
        ({"training": {"trackers": "tensorboard"}}, "training.trackers = 'tensorboard' should be a valid list."),
        ({"training": {"trackers": [1]}}, "training.trackers = 1 should be a valid string."),
        ({"loss": {"name": 3}}, "loss.name = 3 should be a valid string."),
        ({"plugins": "pets.py"}, "plugins = 'pets.py' should be a valid list."),
    ],
)
def test_what_is_wrong_is_named_with_its_source(values, message):
    fine = Layer("below.toml", {"training": {"n_critic": 3}, "data": {"cache": "c"}})

    with pytest.raises(ConfigError) as caught:
        merge([fine, in_file(**values), settings("training.ema=0.5")])

    assert str(caught.value).startswith(f"run.toml: {message}")


def test_the_source_is_the_layer_that_brought_the_value():
    with pytest.raises(ConfigError, match=r"^--set: training\.seed = -1 "):
        merge([in_file(training={"seed": 3}), settings("training.seed=-1")])
    with pytest.raises(ConfigError, match=r"^run\.toml: training\.seed = -1 "):
        merge([in_file(training={"seed": -1}), settings("training.batch_size=4")])


def test_a_batch_that_is_too_small_for_the_method_is_explained():
    layers = [settings("method.name=swap", "training.batch_size=1", "training.seed=1")]
    with pytest.raises(ConfigError) as caught:
        complete(merge(layers), PluginManager.discover(), layers)

    assert str(caught.value) == ("--set: training.batch_size = 1: one image has no other to swap with. Use 2 or more.")


def test_the_configuration_survives_toml():
    config = merge(
        [
            in_file(
                plugins=["pets.py"],
                data={"image_size": 64, "cache": "somewhere"},
                datasets={
                    "pets": {"plugin": "folder", "location": "~/pets", "test_size": 5, "suffixes": [".png"]},
                    "shapes": {"test_size": 0.25, "attributes": ["inverted"]},
                },
                training={"steps": 9, "learning_rate": 3e-5, "trackers": []},
                generator={"name": "attention", "conv_dim": 8, "norm": {"eps": 1e-5}},
            )
        ]
    )

    again = merge([Layer("again", tomllib.loads(config.to_toml()))])

    assert again == config
    assert list(again.datasets) == ["pets", "shapes"], "the order of the joint label vector"
    assert isinstance(again.datasets["pets"].test_size, int)


def test_a_file_is_a_layer(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[training]\nseed = 3\n")

    assert Layer.from_file(path) == Layer(str(path), {"training": {"seed": 3}})


def test_plugin_files_are_relative_to_the_file_that_names_them(tmp_path, monkeypatch):
    folder, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    for one in (folder, elsewhere):
        one.mkdir()
    (folder / "run.toml").write_text(f"plugins = ['pets.py', '{elsewhere}/more.py']")
    monkeypatch.chdir(tmp_path)

    named = merge([Layer.from_file(Path("mine/run.toml"))])
    monkeypatch.chdir(elsewhere)

    assert named.plugins == [str(folder / "pets.py"), str(elsewhere / "more.py")]
    assert merge([Layer("again", tomllib.loads(named.to_toml()))]).plugins == named.plugins


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"plugins": ["a\x1b[2J.py"]}, "has characters that cannot be shown"),
        ({"plugins": [""]}, "a plugin file's name is empty"),
        ({"data": {"path": "a\0b"}}, "no path can hold a zero byte"),
        ({"datasets": {"a": {"location": "a\0b"}}}, "no path can hold a zero byte"),
        ({"data": {"image_size": 2**40}}, "data.image_size = 1099511627776 should be less than or equal to 16384"),
        ({"a\x1b": 1}, r"Unknown key 'a\\x1b'"),
        ({"data": {"path": ["x" * 1_000_000]}}, "^run.toml: data.path = .{1,400}$"),
    ],
)
def test_what_nobody_means_is_refused_in_a_short_line(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        merge([in_file(**values)])
    assert is_printable(str(caught.value))


def test_tables_inside_of_each_other_are_bounded():
    with pytest.raises(ConfigError, match="more than 20 tables inside each other"):
        settings(f"{'a.' * 5000}b=1")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"training = [", "is not TOML: "), (b"\xff = 1", "is not TOML: "), (None, "cannot be read: No such file")],
)
def test_a_file_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=f"^The configuration '{re.escape(str(path))}' {message}"):
        Layer.from_file(path)


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("shapes", {"shapes": {"plugin": "shapes"}}),
        ("folder:~/pets", {"folder": {"plugin": "folder", "location": "~/pets"}}),
        ("cats=huggingface:user/cats", {"cats": {"plugin": "huggingface", "location": "user/cats"}}),
        ("cats=shapes", {"cats": {"plugin": "shapes"}}),
        ("folder:http://host/a?b=c:d", {"folder": {"plugin": "folder", "location": "http://host/a?b=c:d"}}),
        ("cats=folder:/a=b", {"cats": {"plugin": "folder", "location": "/a=b"}}),
        ("shapes:", {"shapes": {"plugin": "shapes"}}),
        ('cats=folder:"/a,b"', {"cats": {"plugin": "folder", "location": "/a,b"}}),
        ('folder:/a"b', {"folder": {"plugin": "folder", "location": '/a"b'}}),
    ],
)
def test_an_item_of_datasets(text, item):
    assert parse_datasets(text) == item


def test_items_keep_their_order():
    assert list(parse_datasets("colours, shapes,b=shapes")) == ["colours", "shapes", "b"]
    assert list(parse_datasets('a=x:"/1,2" ,b=x:/3"4,c=x:"5,6"')) == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["", "shapes,", "=shapes", "cats=", ":somewhere", "cats=:somewhere"])
def test_an_item_without_a_name(text):
    with pytest.raises(ConfigError, match="as plugin, plugin:location or alias=plugin:location"):
        parse_datasets(text)


def test_an_alias_that_comes_twice():
    with pytest.raises(ConfigError, match=r"'shapes' comes twice; give one another name, as in b=shapes:PATH"):
        parse_datasets("shapes,colours,shapes:elsewhere")


def test_the_datasets_layer_keeps_the_options_of_its_aliases():
    below = [
        in_file(datasets={"shapes": {"attributes": ["inverted"], "location": "old"}, "colours": {"angles": [90]}}),
        settings("datasets.shapes.crop_size=100"),
    ]

    layer = dataset_layer("cats=shapes,shapes:new", below)

    assert layer.source == "--datasets"
    assert list(layer.values["datasets"]) == ["cats", "shapes"]
    assert layer.values["datasets"]["cats"] == {"plugin": "shapes"}
    assert layer.values["datasets"]["shapes"] == {
        "plugin": "shapes",
        "location": "new",
        "crop_size": 100,
        "attributes": ["inverted"],
    }


def test_the_datasets_layer_drops_options_of_another_plugin():
    below = [in_file(datasets={"cats": {"plugin": "shapes", "attributes": ["inverted"]}, "dogs": {"suffix": ".png"}})]

    layer = dataset_layer("cats=folder:pets,dogs=folder:pets", below)

    assert layer.values["datasets"] == {
        "cats": {"plugin": "folder", "location": "pets"},
        "dogs": {"plugin": "folder", "location": "pets", "suffix": ".png"},
    }


def test_the_datasets_layer_leaves_broken_tables_to_merge():
    layer = dataset_layer("shapes", [in_file(datasets=3), in_file(datasets={"shapes": "x"})])

    assert layer.values["datasets"] == {"shapes": {"plugin": "shapes"}}


def test_two_lengths_in_one_layer_are_refused_and_a_higher_layers_is_taken():
    with pytest.raises(ConfigError, match=r"^a\.toml: training\.steps and training\.epochs are both given"):
        merge([Layer("a.toml", {"training": {"steps": 5, "epochs": 2}})])
    layers = [Layer("a.toml", {"training": {"steps": 5}}), Layer("--set", {"training": {"epochs": 2}})]
    assert (merge(layers).training.steps, merge(layers).training.epochs) == (None, 2)


def test_rearranged_layers_are_told_as_they_were_written():
    written = [Layer("--set", {"datasets": {"pets": {"limit": 1}}})]
    with pytest.raises(ConfigError, match=r"^--set: datasets\.pets\.limit = 1"):
        merge([dataset_layer("pets", written)], written)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ('datasets.a.values."St. B=x".y=1', {"datasets": {"a": {"values": {"St. B=x": {"y": 1}}}}}),
        ("a.'b.c'=2", {"a": {"b.c": 2}}),
        ('a.b="c.d=e"', {"a": {"b": "c.d=e"}}),
        ("a.b='x=\"y\"'", {"a": {"b": 'x="y"'}}),
        ("a.b=it's", {"a": {"b": "it's"}}),
    ],
)
def test_a_key_may_hold_names_in_quotes(setting, values):
    assert Layer.from_settings([setting]).values == values
