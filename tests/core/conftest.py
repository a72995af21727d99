"""Puts the fakes in the place of every installed plugin while a test of core runs."""

import importlib.metadata
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stargan_fw.components import build_method, complete
from stargan_fw.compute.machine import Precision
from stargan_fw.config_layers import Layer
from stargan_fw.data.loader import Loader
from stargan_fw.data.store import Store, write_store
from stargan_fw.models.loading import open_model
from stargan_fw.models.model_config import FORMAT, Component, ModelConfig
from stargan_fw.plugin_manager import COMMAND_GROUP, GROUP, KIND_GROUP
from stargan_fw.rendering.sheets import SampleSheet
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.dataset_schedule import STRATEGIES
from stargan_fw.training.optimisation import LinearDecay
from stargan_fw.training.train_request import data_request
from stargan_fw.training.trainer import Trainer
from stargan_fw_registry import Binary, Categorical, LabelSchema, LabelSpace

HERE = Path(__file__).parent
NOISE_IMAGES = 64
NOISE_LABELS = LabelSpace(
    [
        LabelSchema("dataset0", [Binary("label0"), Binary("label1")]),
        LabelSchema("dataset1", [Categorical("category", ["label0", "label1", "label2"])]),
    ]
)
HIDDEN = [path.name for path in HERE.parents[1].glob("plugins/stargan_fw_*")]

sys.path.append(str(HERE))  # for `fake_plugins`


class FakeDistribution(importlib.metadata.Distribution):
    """What `pip install` would leave of the fakes, and of core's commands."""

    FILES = {  # noqa: RUF012
        "METADATA": "Name: fakes\nVersion: 1.0\n",
        "entry_points.txt": f"[{GROUP}]\nfakes = fake_plugins\n[{COMMAND_GROUP}]\nbuiltin = stargan_fw.cli.builtin\n",
    }

    def read_text(self, filename: str) -> str | None:
        return self.FILES.get(filename)

    def locate_file(self, path):
        return HERE / path


@contextmanager
def fakes_alone() -> Iterator[None]:
    """Makes the fakes the only plugins there are: others can neither be found nor imported."""
    installed, fake = importlib.metadata.entry_points, FakeDistribution().entry_points

    class Declared:
        def select(self, *, group):
            return fake.select(group=group) if group in {KIND_GROUP, COMMAND_GROUP, GROUP} else installed(group=group)

    def entry_points(**chosen):
        return Declared().select(**chosen) if chosen else Declared()

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] in HIDDEN]:
            patch.delitem(sys.modules, name)
        for name in HIDDEN:
            patch.setitem(sys.modules, name, None)  # an import of it now raises ModuleNotFoundError
        patch.setattr(importlib.metadata, "entry_points", entry_points)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Runs around a test's set-up and tear-down too; tests of other folders may run in the same process."""
    if not item.path.is_relative_to(HERE):
        return (yield)
    with fakes_alone():
        return (yield)


@pytest.fixture(scope="session")
def tiny(tiny):
    """How `train` and `trained_once` train here: as the fakes' preset says, which is the default."""
    return replace(tiny, datasets="shapes,colours", options=[])


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A folder with shapes/ and colours/, 24 images each, of 4 people; not to be written to, but for its cache."""
    from fake_plugins import Colours, Shapes

    root = tmp_path_factory.mktemp("small")
    for dataset in (Shapes, Colours):
        (root / dataset.name).mkdir()
        dataset.draw_stand_in(root / dataset.name, images=24, people=4, seed=1)
    return root


@pytest.fixture(scope="session")
def trained_once(tiny, small_data, tmp_path_factory):
    """The folder of a run of 4 steps on both datasets; not to be written to."""
    out = tmp_path_factory.mktemp("trained") / "run"
    tiny.run(small_data, out, "--max-steps", 4)
    return out


@pytest.fixture(scope="session")
def exported_once(trained_once, tmp_path_factory):
    """The model folder of that run, written by hand, since `export` is no part of core; not to be written to."""
    out, model = tmp_path_factory.mktemp("exported"), open_model(trained_once)
    model.load(*model.weights)
    tables = dict(model.settings)
    size = tables.pop("data")["image_size"]
    parts = {kind: Component(name=table.pop("name"), arguments=table) for kind, table in tables.items()}
    config = ModelConfig(
        image_size=size,
        labels=model.method.space.to_dict(),
        crops=dict.fromkeys(model.method.space.datasets),
        method=parts.pop("method"),
        components=parts,
        plugins=[],
    )
    (out / "config.json").write_text(config.to_json())
    for file, network in (("model", model.method.generator), ("classifier", model.method.discriminator)):
        save_file(network.state_dict(), out / f"{file}.safetensors", metadata={"stargan_fw_format": str(FORMAT)})
    return out


@pytest.fixture
def configured():
    """Returns a complete configuration and its plugins: `configured("method.keep=2", datasets="shapes")`."""

    def make(*settings, datasets=None):
        config, plugins = data_request([Layer.from_settings(settings)], datasets=datasets, preset=None)
        return complete(config, plugins), plugins

    return make


def noise_loader(path, method, schema, config):
    """Returns a loader of noise; its labels of a category are one-hot."""
    rng, size = np.random.default_rng(0), config.data.image_size
    write_store(path, (rng.bytes(size * size * 3) for _ in range(NOISE_IMAGES)))
    if schema.name == "dataset0":
        labels = rng.integers(0, 2, (NOISE_IMAGES, schema.dim)).astype(np.float32)
    else:
        labels = np.eye(schema.dim, dtype=np.float32)[rng.integers(0, schema.dim, NOISE_IMAGES)]
    kinds, batch_size = method.batches(schema.name, torch.from_numpy(labels)), config.training.batch_size
    return Loader(Store(path, size), labels, range(NOISE_IMAGES), batch_size=batch_size, seed=(0,), kinds=kinds)


@pytest.fixture
def trainer(configured, tmp_path):
    """Makes trainers on the same noise, of two datasets of 2 and 3 labels: `trainer("training.n_critic=3")`."""

    def make(*settings):
        folder = tmp_path / f"trainer{len(list(tmp_path.iterdir()))}"
        (folder / "run").mkdir(parents=True)
        config, plugins = configured("training.batch_size=2", *settings)
        training, cpu = config.training, torch.device("cpu")
        torch.manual_seed(training.seed)
        method = build_method(config, NOISE_LABELS, plugins)
        method.prepare()
        loaders = {
            schema.name: noise_loader(folder / f"{schema.name}.arrow", method, schema, config)
            for schema in NOISE_LABELS.schemas
        }
        return Trainer(
            method,
            loaders,
            RunFolder(folder / "run"),
            training,
            dataset_schedule=STRATEGIES[training.strategy](dict.fromkeys(loaders, NOISE_IMAGES)),
            schedule=LinearDecay(training.learning_rate, 10**6, training.decay),
            precision=Precision.choose(training.precision, cpu),
            sample=SampleSheet({}, cpu),
            observers=[],
        )

    return make


@pytest.fixture
def only_plugins(tmp_path, monkeypatch):
    """Puts modules on the path, the only ones that entry points name: `only_plugins(palettes=(KIND_GROUP, code), …)`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("STARGAN_FW_STRICT", raising=False)
    declared = []

    def write(**modules):
        for name, (group, source) in modules.items():
            (tmp_path / f"{name}.py").write_text(source)
            declared.append(importlib.metadata.EntryPoint(name, name, group))
        monkeypatch.setattr(importlib.metadata, "entry_points", importlib.metadata.EntryPoints(declared).select)

    yield write
    for entry in declared:
        sys.modules.pop(entry.name, None)
