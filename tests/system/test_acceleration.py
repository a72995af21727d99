"""When core swaps layers for faster ones, and when it leaves networks as they are built."""

import os
import subprocess
import sys

import pytest
import torch

from stargan_fw import Translator

CPU = torch.device("cpu")

EMBEDDED = """
import sys, torch  # which starts ldconfig
started = []
sys.addaudithook(lambda event, given: started.append(given[:2]) if event == "subprocess.Popen" else None)
import stargan_fw
translator = stargan_fw.Translator.from_pretrained(sys.argv[1], device="cpu")
translator.translate(torch.zeros(1, 3, 32, 32), to="happy")
assert not started, started
"""


def kinds(network):
    return {type(layer).__module__ for layer in network.modules()}


@pytest.fixture
def accelerated(monkeypatch):
    monkeypatch.delenv("STARGAN_FW_ACCELERATE", raising=False)


def test_a_model_that_a_program_opens_starts_no_process(trained_once):
    environment = {name: value for name, value in os.environ.items() if name != "STARGAN_FW_NATIVE"}
    command = [sys.executable, "-c", EMBEDDED, str(trained_once)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert outcome.returncode == 0, outcome.stderr


def test_a_program_may_ask_for_faster_layers(accelerated, trained_once):
    plain, fast = (
        Translator.from_pretrained(trained_once, device="cpu", precision="fp32", accelerate=asked)
        for asked in (False, True)
    )
    assert not any("stargan_fw_plugins.cpu" in kind for kind in kinds(plain.method.networks["generator"]))
    assert "stargan_fw_plugins.cpu.convolution" in kinds(fast.method.networks["generator"])
    assert "stargan_fw_plugins.cpu.convolution" in kinds(fast.method.networks["discriminator"])
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    results = [translator.translate(images, to="happy") for translator in (plain, fast)]
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("choice", "expected"), [("auto", [(CPU, False)]), ("on", [(CPU, True)]), ("off", [])])
def test_training_accelerates_unless_that_is_off(accelerated, train, monkeypatch, tmp_path, choice, expected):
    from stargan_fw.training import plan

    asked = []

    def accelerate(networks, plugins, device, *, unmeasured):
        asked.append((device, unmeasured))

    monkeypatch.setattr(plan, "accelerate_networks", accelerate)
    outcome = train("--max-steps", "1", "--device", "cpu", "--set", f"training.accelerate={choice}")
    assert outcome.code == 0, outcome.err
    assert asked == expected


def test_a_run_may_go_on_otherwise(train, cli, tmp_path):
    assert train("--max-steps", "1", "--device", "cpu", "--set", "training.accelerate=off").code == 0
    outcome = cli(
        "train",
        "--resume",
        "--out",
        tmp_path / "run",
        "--max-steps",
        "2",
        "--device",
        "cpu",
        "--set",
        "training.accelerate=auto",
    )
    assert outcome.code == 0, outcome.err
