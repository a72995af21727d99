"""Trained models: what opens, what is refused, and weights that go to a method of other labels."""

import json
import re
import shutil

import pytest
import torch

from stargan_fw.components import build_method
from stargan_fw.errors import ModelError, RunError
from stargan_fw.models.adoption import adopt
from stargan_fw.models.loading import open_model
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_registry import Binary, Exclusive, LabelSchema, LabelSpace


@pytest.fixture
def edit_config(exported):
    """Changes the `config.json` of a model folder and returns the folder: `edit_config(lambda config: …)`."""

    def edit(change):
        config = json.loads((exported / "config.json").read_text())
        change(config)
        (exported / "config.json").write_text(json.dumps(config))
        return exported

    return edit


@pytest.mark.parametrize("kind", ["trained_once", "exported_once"])
def test_a_model_takes_no_memory_until_it_is_used(request, kind):
    model = open_model(request.getfixturevalue(kind))
    assert all(parameter.is_meta for network in model.method.networks.values() for parameter in network.parameters())

    model.load("generator")

    assert not any(parameter.is_meta for parameter in model.method.networks["generator"].parameters())
    assert not model.method.networks["generator"].training
    assert all(parameter.is_meta for parameter in model.method.networks["discriminator"].parameters())
    assert (model.method.space.datasets, model.method.image_size) == (("shapes", "colours"), 16)


def test_a_run_gives_the_averaged_weights_of_its_newest_checkpoint(trained_once, tensors):
    model = open_model(trained_once)
    model.load("generator", "discriminator")

    kept = tensors(trained_once, 4)
    first = model.method.networks["generator"].first.weight
    assert torch.equal(first, kept["ema/first.weight"])
    assert not torch.equal(first, kept["generator/first.weight"])
    assert torch.equal(model.method.networks["discriminator"].body.weight, kept["discriminator/body.weight"])


def test_a_checkpoint_that_a_training_replaces_before_it_is_read(trained_once, tmp_path):
    shutil.copytree(trained_once, tmp_path / "run")
    model = open_model(tmp_path / "run")
    newest = RunFolder(tmp_path / "run").checkpoints.latest()
    newest.rename(newest.with_name("step-00000099"))

    model.load("generator")

    assert not any(parameter.is_meta for parameter in model.method.networks["generator"].parameters())


REFUSED = {
    "a component that is not here": (
        lambda config: config["components"]["generator"].update(name="blender"),
        "needs the generator 'blender', which no plugin registers here. Name the file of its plugin with --plugin",
    ),
    "an argument that it does not have": (
        lambda config: config["components"]["generator"]["arguments"].update(wdth=5),
        "Unknown key 'generator.wdth'",
    ),
    "networks of another size": (
        lambda config: config["components"]["generator"]["arguments"].update(width=5),
        "model.safetensors",
    ),
    "a newer format": (lambda config: config.update(format=99), "which a newer stargan-fw wrote"),
    "no format": (lambda config: config.pop("format"), "has no format version"),
    "an unknown key": (lambda config: config.update(code="evil.py"), "Unknown key 'code'"),
    "crops of other datasets": (lambda config: config["crops"].pop("shapes"), "crops names colours"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_says_something_wrong_is_refused(edit_config, change, message):
    folder = edit_config(change)

    with pytest.raises(ModelError, match=re.escape(message)):
        open_model(folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(RunError, match="holds no run and no model"):
        open_model(tmp_path)


def test_a_model_without_its_classifier_translates_and_does_not_read(exported):
    (exported / "classifier.safetensors").unlink()
    model = open_model(exported)

    model.load("generator")
    with pytest.raises(ModelError, match="comes without its discriminator"):
        model.load("discriminator")


@pytest.fixture
def method(configured):
    """Builds the fakes' method on other labels: `method(LabelSchema(…), …)`."""

    def build(*schemas, settings=()):
        config, plugins = configured("training.batch_size=2", *settings)
        return build_method(config, LabelSpace(schemas), plugins)

    return build


def test_labels_are_matched_by_name_and_new_ones_begin_at_0(exported_once, method):
    model = open_model(exported_once)
    colours = LabelSchema("colours", [Exclusive("colour", ["blue", "pink", "red"])])
    grown = method(colours, model.method.space.schema("shapes"))

    adoption = adopt(model, grown)

    model.load("generator", "discriminator")
    old, new = model.method.space, grown.space
    assert (list(adoption.new), list(adoption.dropped)) == (["colours.pink"], ["colours.green"])
    before, after = model.method.generator.first.weight[:, 3:], grown.generator.first.weight[:, 3:]
    for name in ("colours.red", "colours.blue", "shapes.cross", "shapes.inverted"):
        assert torch.equal(after[:, new.names.index(name)], before[:, old.names.index(name)]), name
    assert not after[:, new.names.index("colours.pink")].any()
    assert torch.equal(after[:, -2:], before[:, [-1, -2]]), "the mask's positions follow their datasets"
    logits = grown.discriminator.labels
    assert torch.equal(logits.weight[0], model.method.discriminator.labels.weight[old.names.index("colours.blue")])
    assert not logits.bias[1].any()
    assert all(parameter.requires_grad for parameter in grown.generator.parameters())


def test_networks_of_another_size_are_refused(exported_once, method):
    other = method(LabelSchema("colours", [Binary("red")]), settings=["generator.width=5"])

    with pytest.raises(ModelError, match="other sizes than those asked for"):
        adopt(open_model(exported_once), other)


def test_a_network_that_does_not_say_where_its_labels_are_keeps_them(exported_once, method, monkeypatch):
    model = open_model(exported_once)
    other, same = method(LabelSchema("colours", [Binary("red")])), method(*model.method.space.schemas)
    for network in ("generator", "discriminator"):
        monkeypatch.setattr(type(other.networks[network]), "label_axes", lambda self: None)

    adopt(model, same)
    with pytest.raises(ModelError, match=r"cannot change its labels: its plugin does not say where they are"):
        adopt(model, other)
