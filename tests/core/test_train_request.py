"""From what a user asks for to one complete configuration, and what a continued run may change."""

import re

import pytest

from stargan_fw.config import Layer, merge
from stargan_fw.errors import ConfigError, RunError
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.train_request import TrainRequest, check_same_run, data_request
from stargan_fw_registry import LabelSpace


@pytest.fixture
def ask(tmp_path):
    """Makes a request for the run folder `tmp_path / "run"`: `ask("training.seed=3", datasets="shapes")`."""

    def make(*settings, datasets="shapes", preset=None, resume=False, layers=(), out=tmp_path / "run"):
        every = [*layers, Layer.from_settings(settings)]
        return TrainRequest.make(every, datasets=datasets, preset=preset, out=out, resume=resume)

    return make


@pytest.fixture
def begun(ask):
    """A run folder that holds its configuration and labels, and nothing trained."""
    request = ask("training.seed=3")
    request.run.create(request.config, LabelSpace.from_dict({"datasets": [_schema("shapes")]}))
    return request.run


def _schema(name):
    return {"name": name, "attributes": [{"kind": "binary", "name": "inverted"}]}


def test_the_preset_lies_below_files_options_and_settings(ask):
    file = Layer("a.toml", {"training": {"seed": 1, "steps": 7, "batch_size": 3}})
    options = Layer.from_keys("the command line", {"training.seed": 2, "data.path": None})

    training = ask("training.steps=9", layers=[file, options]).config.training

    assert (training.n_critic, training.batch_size, training.seed, training.steps) == (2, 3, 2, 9)


def test_components_are_those_of_the_method_with_every_option(ask):
    config = ask("generator.width=7").config

    assert (config.method.name, config.method.options) == ("swap", {"keep": 1.0})
    assert (config.generator.name, config.generator.options) == ("mixer", {"width": 7})
    assert (config.loss.name, config.loss.options) == ("hinge", {"margin": 1.0})


def test_a_run_is_called_after_its_datasets(ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert ask(datasets="shapes,more=colours:x", out=None).run.path.parts == ("runs", "shapes-more")
    layer = Layer("a.toml", {"datasets": {"colours": {}}})
    assert ask(datasets=None, layers=[layer], out=None).run.path.parts == ("runs", "colours")


def test_datasets_replace_those_below_and_keep_the_options_of_their_aliases(ask):
    below = Layer("a.toml", {"datasets": {"shapes": {"limit": 5}, "colours": {}}})

    config = ask(layers=[below]).config

    assert list(config.datasets) == ["shapes"]
    assert config.datasets["shapes"].limit == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("datasets.shapse.limit=5", "--set datasets.shapse: no dataset is called so; did you mean 'shapes'"),
        ("generator.wdth=7", "--set: Unknown key 'generator.wdth': did you mean 'width'?"),
        ("plugins=fakes.py", "plugins = 'fakes.py': expected a list of files."),
    ],
)
def test_a_wrong_key_is_named_with_its_source(ask, settings, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        ask(settings)


def test_a_run_is_neither_overwritten_nor_continued_from_nothing(ask, begun, tmp_path):
    with pytest.raises(RunError, match="already holds a run. Continue it with --resume"):
        ask()
    with pytest.raises(RunError, match="holds no run"):
        ask(datasets=None, resume=True, out=tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        ask(out=tmp_path / "file")


def test_a_continued_run_has_its_own_configuration_without_a_preset(ask, begun):
    request = ask(datasets=None, resume=True)

    assert request.config.training.seed == 3
    assert list(request.config.datasets) == ["shapes"]


@pytest.mark.parametrize(
    "setting", ["training.log_every=3", "training.trackers=[]", "data.path=there", "datasets.shapes.location=there"]
)
def test_what_is_shown_and_where_data_lies_may_change(ask, begun, setting):
    assert ask(setting, datasets=None, resume=True).resume


@pytest.mark.parametrize(
    "setting", ["training.seed=4", "generator.width=9", "method.keep=0", "datasets.shapes.limit=9"]
)
def test_what_would_make_another_run_may_not(ask, begun, setting):
    key, value = setting.split("=")

    with pytest.raises(RunError, match=f"was trained with {key} = .* and cannot go on with {value}"):
        ask(setting, datasets=None, resume=True)


def test_the_labels_of_a_continued_run_stay(ask, begun):
    request = ask(datasets=None, resume=True)

    request.check_data(begun.labels(), [])
    with pytest.raises(RunError, match="labels are not those that"):
        request.check_data(LabelSpace.from_dict({"datasets": [_schema("colours")]}), [])


def test_other_datasets_are_another_run(tmp_path):
    one, two = (merge([Layer("", {"datasets": {name: {}}})]) for name in ("shapes", "colours"))

    with pytest.raises(RunError, match="was trained on shapes and cannot go on with colours"):
        check_same_run(one, two, RunFolder(tmp_path))


def test_commands_that_read_data_check_its_options_alone():
    settings = Layer.from_settings(["datasets.shapes.limt=5"])
    with pytest.raises(ConfigError, match=r"Unknown key 'datasets\.shapes\.limt': did you mean 'limit'"):
        data_request([settings], datasets="shapes", preset=None)
    config, _ = data_request([settings], datasets="shapes", preset=None, with_data=False)
    assert config.data.image_size == 16, "of the preset"
