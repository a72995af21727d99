"""From what a user asks for to one complete configuration, and what a continued run may change."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import tomli_w

from stargan_fw.config import ComponentConfig, DataConfig, DatasetConfig, TrainingConfig
from stargan_fw.config_layers import Layer
from stargan_fw.errors import ConfigError, RunError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.training.run_changes import FREE_ON_RESUME, check_same_run, find_changes, is_free
from stargan_fw.training.train_request import TrainRequest, data_request
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
    """A run folder that holds its configuration and labels, and no checkpoint."""
    request = ask("training.seed=3")
    request.run.create(request.config, LabelSpace.from_dict({"datasets": [_schema("shapes")]}))
    return request.run


@pytest.fixture
def trained(begun):
    """A run folder with a checkpoint, which nobody opens here."""
    (begun.path / "checkpoints" / "step-00000004").mkdir(parents=True)
    return begun


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
        (
            "plugins=fakes.py",
            "plugins = 'fakes.py': expected a list of files. Write it as in plugins = ['my_plugin.py'].",
        ),
    ],
)
def test_a_wrong_key_is_named_with_its_source(ask, settings, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        ask(settings)


def test_a_run_is_neither_overwritten_nor_continued_from_nothing(ask, begun, tmp_path):
    with pytest.raises(RunError, match="already holds a run. Continue it with --resume"):
        ask()
    with pytest.raises(RunError, match="nothing' holds no run to continue. Name --datasets to begin one."):
        ask(datasets=None, resume=True, out=tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        ask(out=tmp_path / "file")


def test_a_run_without_a_checkpoint_begins_with_what_it_is_asked(ask, begun, tmp_path):
    request = ask("generator.width=9", datasets=None, resume=True)

    assert not request.resume
    assert (request.config.training.seed, request.config.generator.options) == (3, {"width": 9})
    for absent in ("new", "."):
        assert not ask(resume=True, out=tmp_path / absent).resume


def test_checkpoints_without_a_configuration_are_not_begun_anew(ask, trained):
    (trained.path / "config.toml").unlink()

    for resume in (True, False):
        with pytest.raises(RunError, match=r"has checkpoints and no config\.toml"):
            ask(resume=resume)


def test_a_continued_run_has_its_own_configuration_without_a_preset(ask, trained):
    request = ask(datasets=None, resume=True)

    assert request.resume
    assert not request.changes
    assert request.config.training.seed == 3
    assert list(request.config.datasets) == ["shapes"]


@pytest.mark.parametrize(
    "setting",
    [
        *(
            "training.log_every=3",
            "training.trackers=[]",
            "training.save_every=7",
            "training.keep_checkpoints=9",
            "training.keep_every=5",
        ),
        *("data.path=there", "data.cache=there", "datasets.shapes.location=there", "training.compile=on"),
        *("training.precision=bf16", "training.steps=99", "training.epochs=2", "training.learning_rate=0.5"),
        *("training.optimizers.d.rate=0.5", "training.beta1=0.1", "training.micro_batch_size=1"),
    ],
)
def test_length_rates_and_what_is_shown_and_computed_may_change(ask, trained, setting):
    request = ask(setting, datasets=None, resume=True)

    changed = {change.key: (change.now, change.source) for change in request.changes if change.now is not None}
    key, value = setting.split("=")
    assert {name: str(now) for name, (now, _) in changed.items()} == {key: value}
    assert changed[key][1] == "--set"


def test_changes_are_written_into_the_run_with_their_step(ask, trained):
    request = ask("training.steps=99", "training.log_every=3", datasets=None, resume=True)
    request.record_changes(4)

    assert trained.config().training.steps == 99
    assert json.loads((trained.path / "changes.jsonl").read_text()) == {
        "step": 4,
        "changes": {"training.log_every": [2, 3], "training.steps": [12, 99]},
    }
    assert not ask(datasets=None, resume=True).changes


def test_all_that_would_make_another_run_is_refused_at_once(ask, trained):
    layers = [Layer("a.toml", {"method": {"keep": 0.0}, "training": {"steps": 5}})]

    with pytest.raises(RunError) as refused:
        ask("training.seed=4", "datasets.shapes.limit=9", datasets=None, resume=True, layers=layers)

    assert str(refused.value) == (
        f"'{trained.path}' cannot go on with datasets.shapes.limit = 9 of --set (was unset); method.keep = 0.0 of a.toml "
        "(was 1.0); training.seed = 4 of --set (was 3). Leave these out, or begin another run with its weights, which "
        f"counts steps from 0 and has new optimisers: stargan-fw train --from {trained.path} --out OTHER"
    )


def test_another_component_or_dataset_is_named_without_its_options(ask, trained):
    config = ask(datasets=None, resume=True).config
    other = config.model_copy(
        update={
            "method": ComponentConfig(name="other", strength=2),
            "datasets": {**config.datasets, "colours": DatasetConfig(plugin="colours", limit=5)},
        }
    )

    changes = find_changes(trained, other, PluginManager.discover())

    assert [str(change) for change in changes] == [
        "datasets = 'shapes, colours' of --datasets (was 'shapes')",
        "method.name = 'other' (was 'swap')",
    ]


def test_a_preset_is_not_taken_for_what_a_person_asks(ask, trained, tmp_path):
    begun = ask("training.steps=5", "training.seed=3", out=tmp_path / "other")
    begun.run.create(begun.config, trained.labels())
    (begun.run.path / "checkpoints" / "step-00000004").mkdir(parents=True)

    request = ask(preset="small", resume=True, datasets=None, out=begun.run.path)
    assert (request.config.training.steps, request.changes) == (5, [])

    begun.run.change(begun.config.model_copy(update={"data": DataConfig(image_size=32)}), 0, {})
    with pytest.raises(RunError, match=r"image_size = 16 of the preset 'small' \(was 32\)\. Leave --preset out,"):
        ask(preset="small", resume=True, datasets=None, out=begun.run.path)


def test_a_run_that_is_older_than_an_option_goes_on_with_its_default(ask, trained):
    written = tomllib.loads((trained.path / "config.toml").read_text())
    options = [(table, key) for table, values in written.items() for key in values if key not in {"name", "shapes"}]
    assert {("generator", "width"), ("training", "flip"), ("method", "keep")} <= set(options)
    preset = tomllib.loads((Path(__file__).parent / "small.toml").read_text())
    chosen = {(table, key) for table, values in preset.items() for key in values} | {("training", "seed")}
    for table, key in set(options) - chosen:
        older = {name: dict(values) for name, values in written.items() if isinstance(values, dict)}
        del older[table][key]
        (trained.path / "config.toml").write_text(tomli_w.dumps(older))
        assert ask(datasets=None, resume=True).changes == [], (table, key)
        with pytest.raises(RunError, match=r"generator\.width = 9 of --set \(was 4\)"):
            ask("generator.width=9", datasets=None, resume=True)


def test_a_default_that_is_said_aloud_is_no_change(ask, trained):
    assert ask("datasets.shapes.on_bad_image=error", datasets=None, resume=True).changes == []


def test_of_every_key_of_training_it_is_known_whether_it_may_change():
    fixed = {name for name in TrainingConfig.model_fields if not is_free(f"training.{name}", FREE_ON_RESUME)}
    assert fixed - {"optimizers"} == {"batch_size", "n_critic", "strategy", "seed", "ema", "flip", "start"}


def test_the_labels_of_a_continued_run_stay(ask, trained):
    request = ask(datasets=None, resume=True)

    request.check_data(trained.labels(), [])
    with pytest.raises(RunError, match="labels are not those that"):
        request.check_data(LabelSpace.from_dict({"datasets": [_schema("colours")]}), [])


def test_other_datasets_are_another_run(ask, trained):
    with pytest.raises(RunError, match=r"datasets = 'colours' of --datasets \(was 'shapes'\)\. Leave that out"):
        ask(datasets="colours", resume=True)


def test_a_program_may_only_change_what_is_shown(ask, trained):
    request = ask("training.steps=99", "training.log_every=3", datasets=None, resume=True)

    with pytest.raises(RunError, match=r"steps = 99 \(was 12\)\. Leave that out, or name another folder with --runs\."):
        check_same_run(trained, request.config, request.plugins, "--runs")


def test_commands_that_read_data_check_its_options_alone():
    settings = Layer.from_settings(["datasets.shapes.limt=5"])
    with pytest.raises(ConfigError, match=r"Unknown key 'datasets\.shapes\.limt': did you mean 'limit'"):
        data_request([settings], datasets="shapes", preset=None)
    config, _ = data_request([settings], datasets="shapes", preset=None, with_data=False)
    assert config.data.image_size == 16, "of the preset"
