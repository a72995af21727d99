"""C that is compiled where it runs."""

import ctypes
import logging
import subprocess

import pytest
import torch

from stargan_fw_plugins.networks import native
from stargan_fw_plugins.networks.winograd import WinogradConvolution

pytestmark = pytest.mark.skipif(not native.available(), reason="no C compiler with OpenMP")


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
        ({"CC": "", "PATH": ""}, "no C compiler is found"),
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
    assert "answer.c cannot be compiled here" in record.getMessage()
    assert said in record.getMessage()


def test_it_can_be_switched_off(source, monkeypatch, caplog):
    monkeypatch.setenv("STARGAN_FW_NATIVE", "0")
    assert native.library(source) is None
    assert not caplog.records


def test_a_cache_that_cannot_be_written_is_passed_by(source, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    assert native.library(source).answer() == 42


def test_a_cache_that_others_can_write_is_passed_by(source, tmp_path):
    folder = tmp_path / "cache" / "stargan-fw"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert native.library(source).answer() == 42
    assert not list(folder.iterdir())


def test_a_home_that_nobody_knows_is_passed_by(source, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "~nobody-of-that-name/cache")
    assert native.library(source).answer() == 42


def test_what_was_kept_and_does_not_load_is_compiled_anew(source, tmp_path):
    native.library(source)
    native.library.cache_clear()
    (kept,) = (tmp_path / "cache" / "stargan-fw").iterdir()
    kept.unlink()  # the process has the old one open
    kept.write_text("no library")
    assert native.library(source).answer() == 42


def test_a_compiler_may_have_arguments_and_spaces_in_its_path(source, tmp_path, monkeypatch):
    compiler = tmp_path / "my own" / "compiler"
    compiler.parent.mkdir()
    compiler.write_text('#!/bin/sh\nexec cc "$@"\n')
    compiler.chmod(0o700)
    monkeypatch.setenv("CC", f"'{compiler}' -g")
    assert native.library(source).answer() == 42


def test_a_compiler_that_says_what_no_encoding_has_is_one_message(source, monkeypatch, caplog, tmp_path):
    compiler = tmp_path / "compiler"
    compiler.write_bytes(b"#!/bin/sh\nprintf 'd\\351faut' >&2; exit 1\n")
    compiler.chmod(0o700)
    monkeypatch.setenv("CC", str(compiler))
    assert native.library(source) is None
    assert "faut" in caplog.text


def test_a_compiler_that_hangs_is_ended(source, monkeypatch, caplog):
    monkeypatch.setattr(native, "COMPILE_SECONDS", 0.1)
    monkeypatch.setattr(native, "_command", lambda: ["sh", "-c", "exec sleep 60"])
    assert native.library(source) is None
    assert "took more than 0.1 s" in caplog.text


def test_kernels_say_that_they_are_not_there(source, monkeypatch):
    monkeypatch.setenv("STARGAN_FW_NATIVE", "0")
    with pytest.raises(RuntimeError, match="kernels.c cannot be used here"):
        native.kernels()


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
