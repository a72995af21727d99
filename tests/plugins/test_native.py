"""C that is compiled where it runs."""

import ctypes
import logging
import subprocess

import pytest
import torch

from stargan_fw_plugins.networks import native
from stargan_fw_plugins.networks.winograd import WinogradConvolution


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A file in C, and a cache of its own."""
    native.library.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("STARGAN_FW_NATIVE", raising=False)
    path = tmp_path / "answer.c"
    path.write_text("int answer(void) { return 42; }")
    yield path
    native.library.cache_clear()


def test_a_file_is_compiled_once_and_kept(source, tmp_path, monkeypatch):
    assert native.library(source).answer() == 42
    (kept,) = (tmp_path / "cache" / "stargan-fw").iterdir()
    native.library.cache_clear()
    monkeypatch.setattr(subprocess, "run", None)
    assert native.library(source).answer() == 42
    assert list(kept.parent.iterdir()) == [kept]


def test_a_changed_file_is_compiled_anew(source):
    assert native.library(source).answer() == 42
    native.library.cache_clear()
    source.write_text("int answer(void) { return 43; }")
    assert native.library(source).answer() == 43


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CC": "no-such-compiler"}, "no-such-compiler"),
        ({"CC": "false"}, "Command"),
        ({"CC": "", "PATH": ""}, "none is found"),
    ],
    ids=["missing", "failing", "none"],
)
def test_without_a_compiler_a_message_says_so_once(source, monkeypatch, caplog, settings, said):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        assert native.library(source) is None
        assert native.library(source) is None
    (record,) = caplog.records
    assert "No C compiler" in record.getMessage()
    assert said in record.getMessage()


def test_it_can_be_switched_off(source, monkeypatch, caplog):
    monkeypatch.setenv("STARGAN_FW_NATIVE", "0")
    assert native.library(source) is None
    assert not caplog.records


def test_a_cache_that_cannot_be_written_is_passed_by(source, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    assert native.library(source).answer() == 42


def test_layers_take_the_plain_way_without_it(source, monkeypatch):
    monkeypatch.setenv("STARGAN_FW_NATIVE", "0")
    layer, images = WinogradConvolution(64, 64), torch.ones(3, 64, 16, 16)
    assert torch.equal(layer(images), torch.nn.functional.conv2d(images, layer.weight, padding=1))
    assert not native.available()


def test_the_kernels_have_what_layers_call(source):
    found = native.library(native.KERNELS)
    assert isinstance(found, ctypes.CDLL)
    assert found.to_points
    assert found.from_points
    assert found.multiply
