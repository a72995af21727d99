"""What a training step, a translation and an evaluation would call on Apple's GPUs, as far as another machine can tell.

Everything runs on the processor as it would on MPS: with the layers of that device, with whole batches, and without float64.
The operators are looked up in `native_functions.yaml`, which comes with torch and says which of them MPS has.
"""

import importlib.util
import os
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stargan_fw import ranks
from stargan_fw.api import configure_layers
from stargan_fw.compute.machine import Precision, accelerate_networks, automatic, copy_to
from stargan_fw.config_layers import Layer
from stargan_fw.errors import ConfigError
from stargan_fw_bench import rehearse
from stargan_fw_bench.cycles import cycle
from stargan_fw_bench.measurement import translate
from stargan_fw_evaluate import metrics
from stargan_fw_evaluate.classifier import LabelClassifier, label_loss
from stargan_fw_plugins import faster_layers
from stargan_fw_plugins.networks import attention_generator
from stargan_fw_plugins.networks.stargan_generator import exact_dtype

MPS = torch.device("mps")
# Keys of torch's dispatcher: with one of them an operator runs on MPS.
ANY_DEVICE = {
    "MPS",
    "CompositeImplicitAutograd",
    "CompositeExplicitAutograd",
    "CompositeExplicitAutogradNonFunctional",
}
SMALL = ["data.image_size=32", "training.batch_size=4", "training.n_critic=1", "generator.conv_dim=8"]
SMALL += ["discriminator.conv_dim=8", "training.accelerate=off"]


@cache
def native_functions() -> dict[str, str]:
    """Returns torch's list of operators: name → the text of its entry."""
    found = importlib.util.find_spec("torchgen")
    path = Path(next(iter(found.submodule_search_locations))) if found else Path()
    listed = path / "packaged" / "ATen" / "native" / "native_functions.yaml"
    if not listed.is_file():
        pytest.skip("torch comes without its list of operators")
    entries = re.split(r"^- func: ", listed.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {entry.split("(", 1)[0]: entry for entry in entries}


@cache
def written_in_python() -> set[str]:
    """Returns the operators that torch registers for MPS when the device is first used, as 2.11 does for group norm."""
    found = importlib.util.find_spec("torch.backends.mps")
    return set(re.findall(r'\.impl\(\s*"([\w.]+)"', Path(found.origin).read_text(encoding="utf-8")))


def runs_on_mps(name: str) -> bool:
    """Returns whether an operator such as "add.Tensor" has a kernel on MPS, or is made of others on every device."""
    if name in written_in_python():
        return True
    entry = native_functions()[name]
    delegate = re.search(r"^  structured_delegate: (\S+)", entry, re.MULTILINE)
    if delegate:
        return runs_on_mps(delegate[1])
    if "\n  dispatch:" not in entry:
        return True  # it is made of others
    keys = re.findall(r"^    ([\w, ]+):", entry.split("\n  dispatch:")[1], re.MULTILINE)
    return not ANY_DEVICE.isdisjoint(", ".join(keys).split(", "))


class AsOnMPS(TorchDispatchMode):
    """Collects the operators that are called, and refuses results that MPS cannot hold."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.namespace != "profiler":  # notes for a profiler
            self.names.add(func.name().removeprefix("aten::"))
        wide = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor) and leaf.dtype is torch.float64]
        assert not wide, f"{func} makes float64, which MPS has not"
        return result

    def assert_known(self):
        assert self.names
        missing = sorted(name for name in self.names if name not in native_functions() or not runs_on_mps(name))
        assert not missing, f"MPS has no kernels for {missing}"


@pytest.fixture
def as_on_mps(monkeypatch):
    """Lets the processor pass for MPS where float64 is avoided on that device."""
    monkeypatch.delenv("PYTORCH_ENABLE_MPS_FALLBACK", raising=False)
    for module in (faster_layers, attention_generator):
        monkeypatch.setattr(module, "exact_dtype", lambda _: exact_dtype(MPS))
    return AsOnMPS()


@pytest.fixture
def trainer(tmp_path):
    """Makes a trainer as on MPS: `trainer("cyclegan_64", accelerate="on")`."""

    def make(preset, accelerate, *settings):
        config, plugins = configure_layers([Layer.from_settings([*SMALL, *settings])], preset=preset)
        made = rehearse(config, plugins, [2, 3], torch.device("cpu"), tmp_path)
        networks = list(made.method.networks.values())
        accelerate_networks(networks, plugins, MPS, unmeasured=accelerate == "on")
        made.micro_batch = None
        return made

    return make


PRESETS = ["paper", "quickstart", "stargan_64", "cyclegan_64", "diat_64", "icgan_64"]


@pytest.mark.parametrize("accelerate", ["auto", "on"])
@pytest.mark.parametrize("preset", PRESETS)
def test_training_and_translating_call_what_mps_has(as_on_mps, trainer, preset, accelerate):
    made = trainer(preset, accelerate, "training.ema=0.9")

    with as_on_mps:
        cycle(made)
        translate(made)

    as_on_mps.assert_known()


def test_evaluating_calls_what_mps_has(as_on_mps, monkeypatch, trainer):
    schema = trainer(None, "auto").method.space.schema("dataset1")
    classifier = LabelClassifier(schema, 64)
    images, labels = torch.rand(6, 3, 64, 64), torch.eye(3).repeat(2, 1)
    monkeypatch.setattr(metrics, "ssim", lambda images, _: images.new_zeros(len(images)))  # goes to the processor

    with as_on_mps:
        label_loss(schema, classifier(images), labels).backward()
        torch.optim.AdamW(classifier.parameters()).step()
        classifier.eval().read(images)
        metrics.compare(images, images.flip(3), images.flip(2))

    as_on_mps.assert_known()


def test_a_kernel_that_is_missing_is_found():
    assert runs_on_mps("add.Tensor")
    assert runs_on_mps("convolution")
    assert not runs_on_mps("linalg_eig")


def test_structural_similarity_is_measured_where_there_is_float64():
    pytest.importorskip("torchmetrics")

    class OnMPS:
        device = MPS

        def __init__(self, images):
            self.images = images

        def __len__(self):
            return len(self.images)

        def to(self, device):
            assert device.type == "cpu"
            return self.images

    images = torch.rand(2, 3, 32, 32)
    assert metrics.ssim(OnMPS(images), OnMPS(images)).allclose(metrics.ssim(images, images))


def test_auto_is_the_plain_way_on_mps():
    chosen = automatic(MPS)
    assert (chosen["precision"], chosen["compile"], chosen["graphs"]) == ("fp32", "off", "off")
    with Precision.choose("bf16", MPS).autocast(), torch.autocast("mps", enabled=False):
        pass
    assert exact_dtype(MPS) is torch.float32
    assert exact_dtype(torch.device("cuda")) is torch.float64


def test_copies_to_mps_are_not_pinned():
    class Copied(torch.Tensor):
        def pin_memory(self):
            raise AssertionError("only CUDA pins memory")

        def to(self, device, **options):
            return device, options

    assert copy_to(MPS, torch.ones(2).as_subclass(Copied)) == (MPS, {})


def test_several_processes_are_refused_on_mps(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(ConfigError, match="--device cpu"), ranks.joined(MPS):
        pass
