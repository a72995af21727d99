"""A program that imports the package, trains and translates keeps its own settings of torch, threads and memory."""

import os
import subprocess
import sys

EMBEDDING = """
import ctypes, os, sys, types
import torch, torch._dynamo, torch._inductor.config  # noqa

data, model, out = sys.argv[1:]
allocator = []
sys.addaudithook(lambda event, given: allocator.append(given) if event == "ctypes.dlsym" and given[1] == "mallopt" else None)


def flags(module):
    # Every readable value of torch.backends and of the modules in it, such as cudnn.benchmark.
    found = {}
    for name in dir(module):
        value = getattr(module, name, None)
        if isinstance(value, types.ModuleType) and value.__name__.startswith("torch.backends"):
            found |= {f"{name}.{key}": inner for key, inner in flags(value).items()}
        elif isinstance(value, bool | int | float | str) and not name.startswith("__"):
            found[name] = value
    return found


def settings():
    return {
        "backends": flags(torch.backends),
        "dynamo": {key: repr(value) for key, value in torch._dynamo.config.get_config_copy().items()},
        "inductor": {key: repr(value) for key, value in torch._inductor.config.get_config_copy().items()},
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "products": torch.get_float32_matmul_precision(),
        "type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.is_autocast_cache_enabled()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "environment": dict(os.environ),
    }


before = settings()
assert len(before["backends"]) > 20 and len(before["dynamo"]) > 20
import stargan_fw, stargan_fw.api as api
from pathlib import Path
from stargan_fw.config_layers import Layer
from stargan_fw.runs.run_folder import RunFolder
from rich.console import Console

translator = stargan_fw.Translator.from_pretrained(model, device="cpu")
translator.translate(torch.zeros(1, 3, 32, 32), to="happy")
tiny = ["data.image_size=32", "generator.conv_dim=4", "generator.repeat_num=1", "discriminator.conv_dim=4", f"data.path={data}"]
layer = Layer.from_settings([*tiny, "training.batch_size=4", "training.steps=2", "training.tune=true", "training.precision=fp32"])
config, plugins = api.configure_layers([layer], datasets="rafd")
training = api.prepare_training(config, plugins, RunFolder(Path(out)))
training.run(torch.device("cpu"), Console(quiet=True))
after = settings()
for name, value in before.items():
    changed = value if not isinstance(value, dict) else set(value.items()) ^ set(after[name].items())
    assert after[name] == value, (name, changed)
assert not allocator, allocator
"""


def test_a_program_keeps_its_settings(small_data, trained_once, tmp_path):
    environment = {
        name: value for name, value in os.environ.items() if name not in {"GOMP_SPINCOUNT", "THP_MEM_ALLOC_ENABLE"}
    }
    command = [sys.executable, "-c", EMBEDDING, str(small_data), str(trained_once), str(tmp_path / "run")]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert outcome.returncode == 0, outcome.stderr
