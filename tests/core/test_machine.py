"""What is chosen on this machine, and what is said where it cannot be had."""

import logging
import os
import shutil
from functools import partial

import pytest
import torch
from torch import nn

from stargan_fw import Accelerator
from stargan_fw.compute import machine
from stargan_fw.compute.machine import (
    Precision,
    accelerate_networks,
    automatic,
    choose_device,
    choose_layout,
    choose_micro_batch,
    compile_networks,
    copy_to,
    has_bf16,
    prefers_channels_last,
)
from stargan_fw.errors import ConfigError

CPU = torch.device("cpu")


class Copied:
    """A tensor in the processor's memory that notes how it is copied."""

    device, pinned = CPU, False

    def pin_memory(self):
        pinned = Copied()
        pinned.pinned = True
        return pinned

    def to(self, device, *, non_blocking=False):
        return device, self.pinned, non_blocking


def test_only_copies_from_pinned_memory_do_not_wait_for_the_device():
    cuda, mps = torch.device("cuda"), torch.device("mps")
    assert copy_to(cuda, Copied()) == (cuda, True, True)
    assert copy_to(mps, Copied()) == (mps, False, False)
    tensor = torch.ones(2)
    assert copy_to(CPU, tensor) is tensor


class Compilable(nn.Module):
    compiled = False

    def compile(self, mode=None):  # as nn.Module's
        self.compiled, self.mode = True, mode


@pytest.fixture
def compiler(monkeypatch):
    """Says which programs are found: `compiler("g++")`."""
    monkeypatch.delenv("CXX", raising=False)

    def found(*programs):
        monkeypatch.setattr(shutil, "which", lambda name: name if name in programs else None)

    monkeypatch.setattr(machine, "_compile", lambda network, mode: network.compile(mode=mode))
    return found


def test_a_named_device_is_taken():
    assert choose_device("cpu") == CPU


def test_no_name_takes_an_accelerator_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    assert choose_device(None) == CPU

    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    assert choose_device(None) == torch.device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:x", "", "meta"])
def test_a_device_that_is_not_here(name):
    with pytest.raises(ConfigError) as caught:
        choose_device(name)

    message = str(caught.value)
    assert message.startswith(f"--device {name} cannot be used here: ")
    assert message.endswith(" Leave it out, or use cpu.")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("flags", "there"), [("fpu avx512_bf16 sse", True), ("fpu amx_bf16", True), ("fpu avx512f", False), (None, False)]
)
def test_bf16_is_where_the_processor_has_it(tmp_path, monkeypatch, flags, there):
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "cpuinfo")

    assert has_bf16(CPU) is there


PLAIN = {"precision": "fp32", "channels_last": "off", "compile": "off", "graphs": "off"}


@pytest.mark.parametrize("flags", ["", "avx512_bf16", "avx512_bf16 amx_bf16"])
def test_a_processor_computes_in_fp32_whatever_it_multiplies(tmp_path, monkeypatch, flags):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "cpuinfo")
    assert automatic(CPU) == {**PLAIN, "channels_last": "keep"}


@pytest.mark.parametrize(
    ("device", "there", "precision"), [("cuda", True, "bf16"), ("cuda", False, "fp32"), ("mps", True, "fp32")]
)
def test_what_nobody_measured_is_off_on_gpus(monkeypatch, device, there, precision):
    monkeypatch.setattr(machine, "has_bf16", lambda _: there)
    assert automatic(torch.device(device)) == {**PLAIN, "precision": precision}


def test_precision_is_as_named_or_as_the_device_has_it(monkeypatch):
    monkeypatch.setattr(machine, "has_bf16", lambda _: True)
    for device, chosen in ((CPU, "fp32"), (torch.device("cuda"), "bf16")):
        names = [str(Precision.choose(name, device)) for name in ("auto", "fp32", "bf16")]
        assert names == [chosen, "fp32", "bf16"]


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_networks_compute_in_the_precision(name, dtype):
    network = nn.Linear(2, 2)

    with Precision.choose(name, CPU).autocast():
        assert network(torch.ones(1, 2)).dtype == dtype
    assert network(torch.ones(1, 2)).dtype == network.weight.dtype == torch.float32


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda"])
def test_networks_are_compiled(compiler, device):
    compiler("g++")
    network = Compilable()
    assert compile_networks([network], torch.device(device))
    assert network.compiled


def test_no_network_is_no_compiled_one(compiler):
    compiler("g++")
    assert not compile_networks([], CPU)


def test_without_a_compiler_a_warning_says_so(compiler, caplog):
    compiler()
    network = Compilable()

    with caplog.at_level(logging.WARNING):
        assert not compile_networks([network], CPU)

    assert not network.compiled
    assert [record.getMessage() for record in caplog.records] == [
        "No C++ compiler is found: the networks run uncompiled."
    ]
    assert compile_networks([network], torch.device("mps"))  # which needs none


def test_the_compiler_may_be_named(compiler, monkeypatch):
    compiler("my-c++")
    monkeypatch.setitem(os.environ, "CXX", "my-c++")

    assert compile_networks([Compilable()], CPU)


@pytest.mark.parametrize("flags, there", [("fma avx512_bf16", False), ("avx512_bf16 amx_bf16", True)])
def test_tiles_want_channels_last(tmp_path, monkeypatch, flags, there):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "cpuinfo")
    assert prefers_channels_last(CPU) is there
    assert not prefers_channels_last(torch.device("cuda"))  # nobody measured


@pytest.mark.parametrize(("size", "images"), [(64, 12), (128, 3), (192, 1), (512, 1)])
def test_a_processor_takes_as_many_images_at_a_time_as_its_caches_hold(size, images):
    assert choose_micro_batch("auto", Precision(CPU, torch.float32), size) == images


@pytest.mark.parametrize(
    ("device", "dtype"), [("cuda", torch.float32), ("cuda", torch.bfloat16), ("cpu", torch.bfloat16)]
)
def test_elsewhere_a_batch_is_not_cut_unless_it_is_asked_for(device, dtype):
    precision = Precision(torch.device(device), dtype)
    assert choose_micro_batch("auto", precision, 128) is None
    assert choose_micro_batch(3, precision, 128) == 3


CUDA = torch.device("cuda")


@pytest.mark.parametrize(("graphs", "mode"), [(True, "reduce-overhead"), (False, None)])
def test_graphs_are_a_way_to_compile(compiler, graphs, mode):
    compiler("g++")
    network = Compilable()
    compile_networks([network], CPU, graphs=graphs)
    assert network.mode == mode


@pytest.mark.parametrize(
    ("choice", "device", "layout"),
    [
        ("auto", CUDA, torch.contiguous_format),
        ("auto", CPU, torch.preserve_format),
        ("off", CPU, torch.contiguous_format),
        ("on", CUDA, torch.channels_last),
    ],
)
def test_the_layout_is_as_asked_or_the_plain_one(choice, device, layout):
    assert choose_layout(choice, device) is layout


def test_what_cannot_be_compiled_runs_as_it_is_and_the_process_is_left_alone(monkeypatch):
    def fails(*_):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=fails))
    monkeypatch.setattr(machine, "_cpp_compiler", lambda: "g++")
    network = nn.Linear(2, 2)
    expected = network(torch.ones(1, 2))

    assert compile_networks([network], CPU)

    assert torch.equal(network(torch.ones(1, 2)), expected)
    assert not torch._dynamo.config.suppress_errors


class Fast(nn.Linear):
    pass


class Swap(Accelerator):
    name = "swap"
    unmeasured_on = frozenset({"cuda"})

    def suits(self, device):
        return device.type == "cpu"

    def accelerate(self, network):
        network.__class__ = Fast
        return network


class Registered:
    """Stands for a plugin manager that knows one accelerator."""

    def index(self, kind):
        assert kind == "accelerator"
        return {"swap": Swap}


@pytest.mark.parametrize(
    ("device", "switch", "unmeasured", "swapped"),
    [
        ("cpu", "1", False, True),
        ("cpu", "0", True, False),
        ("cuda", "1", False, False),
        ("cuda", "1", True, True),
        ("meta", "1", True, False),
    ],
)
def test_accelerators_are_asked_about_the_device(monkeypatch, device, switch, unmeasured, swapped):
    monkeypatch.setenv("STARGAN_FW_ACCELERATE", switch)
    network = nn.Linear(1, 1)
    accelerate_networks([network], Registered(), torch.device(device), unmeasured=unmeasured)
    assert isinstance(network, Fast) is swapped
