"""C that is compiled where it runs."""

import ctypes
import logging
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from stargan_fw_plugins.cpu import accelerate, kernels, native, winograd

pytestmark = pytest.mark.skipif(native.library(native.KERNELS) is None, reason="no C compiler with OpenMP")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A file in C, and a cache of its own."""
    forget()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("STARGAN_FW_NATIVE", raising=False)
    path = tmp_path / "answer.c"
    path.write_text("int answer(void) { return 42; }")
    yield path
    forget()


def forget():
    native.library.cache_clear()
    winograd.kernels_work.cache_clear()


@pytest.fixture
def commands(monkeypatch):
    """Records what is run."""
    given, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: given.append(command) or run(command, **options))
    return given


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Makes a shell script the compiler: `compiler("exec cc \"$@\"") -> Path`."""

    def write(script, path=tmp_path / "compiler") -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"#!/bin/sh\n{script}\n".encode("latin-1"))
        path.chmod(0o700)
        monkeypatch.setenv("CC", f"'{path}'")
        return path

    return write


def test_a_file_is_compiled_once_and_kept(source, tmp_path, commands):
    assert native.library(source).answer() == 42
    (kept,) = (tmp_path / "cache" / "stargan-fw").iterdir()
    native.library.cache_clear()
    del commands[:]
    assert native.library(source).answer() == 42
    assert [command[1:] for command in commands] == [["--version"]]
    assert list(kept.parent.iterdir()) == [kept]


def test_another_version_of_the_compiler_compiles_anew(source, tmp_path, compiler):
    for version in (1, 2, 2):
        compiler(f'[ "$1" = --version ] && echo {version} && exit; exec cc "$@"')
        native.library.cache_clear()
        assert native.library(source).answer() == 42
    assert len(list((tmp_path / "cache" / "stargan-fw").iterdir())) == 2


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


@pytest.mark.parametrize("place", ["~nobody-of-that-name/cache", "cache"])
def test_a_cache_without_an_absolute_path_is_ignored(source, monkeypatch, tmp_path, place):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    assert native.library(source).answer() == 42
    assert not (tmp_path / "cache").exists()


def test_what_was_kept_and_does_not_load_is_compiled_anew(source, tmp_path):
    native.library(source)
    native.library.cache_clear()
    (kept,) = (tmp_path / "cache" / "stargan-fw").iterdir()
    kept.unlink()  # the process has the old one open
    kept.write_text("no library")
    assert native.library(source).answer() == 42


def test_a_compiler_may_have_arguments_and_spaces_in_its_path(source, tmp_path, monkeypatch, compiler):
    path = compiler('exec cc "$@"', tmp_path / "my own" / "compiler")
    monkeypatch.setenv("CC", f"'{path}' -g")
    assert native.library(source).answer() == 42


def test_a_compiler_that_says_what_no_encoding_has_is_one_message(source, caplog, compiler):
    compiler("printf 'd\351faut' >&2; exit 1")
    assert native.library(source) is None
    assert "faut" in caplog.text


def test_a_compiler_that_hangs_is_ended(source, monkeypatch, caplog):
    monkeypatch.setattr(native, "COMPILE_SECONDS", 0.1)
    monkeypatch.setattr(native, "_compiler", lambda: ["sh", "-c", "exec sleep 60"])
    assert native.library(source) is None
    assert "took more than 0.1 s" in caplog.text


def test_kernels_say_that_they_are_not_there(source, monkeypatch):
    monkeypatch.setenv("STARGAN_FW_NATIVE", "0")
    with pytest.raises(RuntimeError, match="kernels.c cannot be used here"):
        kernels.loaded()


def assert_torch_convolves():
    layer, images = accelerate(nn.Conv2d(64, 64, 3, padding=1, bias=False)), torch.ones(3, 64, 16, 16)
    assert torch.equal(layer(images), nn.functional.conv2d(images, layer.weight, padding=1))


def test_layers_take_the_plain_way_without_it(source, monkeypatch):
    monkeypatch.setenv("STARGAN_FW_NATIVE", "0")
    assert_torch_convolves()
    assert not winograd.kernels_work()


@pytest.mark.parametrize("kernel", ["evaluate", "combine"])
def test_kernels_whose_first_results_are_not_torchs_are_left_alone(source, monkeypatch, caplog, kernel):
    right = getattr(kernels, kernel)
    monkeypatch.setattr(kernels, kernel, lambda *given: right(*given) or given[-1].mul_(1.001))
    assert_torch_convolves()
    assert_torch_convolves()
    (record,) = caplog.records
    assert "kernels.c computes other results than torch" in record.getMessage()


def test_products_that_are_not_torchs_are_left_alone(source, monkeypatch, caplog):
    right = winograd.multiply
    monkeypatch.setattr(winograd, "multiply", lambda *given, **more: right(*given, **more).fill_(float("nan")))
    assert_torch_convolves()
    assert "other results" in caplog.text


def test_kernels_are_checked_whatever_the_caller_has_set(source):
    with torch.inference_mode(), torch.device("meta"), torch.autocast("cpu", torch.bfloat16):
        assert winograd.kernels_work()


@pytest.mark.parametrize("call", ["to_points", "from_points", "multiply"])
def test_no_memory_is_an_error_of_pythons(source, monkeypatch, call):
    class Full:
        def __getattr__(self, name):
            return lambda *given: kernels.NO_MEMORY

    monkeypatch.setattr(kernels, "loaded", Full)
    maps, points, window = torch.zeros(1, 16, 4, 4), torch.zeros(36, 1, 16), kernels.Window(0, 0, 1, 1, 1)
    calls = {
        "to_points": lambda: kernels.evaluate(maps, window, torch.zeros(6, 6), points),
        "from_points": lambda: kernels.combine(points, window, torch.zeros(6, 6), maps),
        "multiply": lambda: kernels.multiply(torch.zeros(1, 4, 4), torch.zeros(1, 4, 16), torch.zeros(1, 4, 16)),
    }
    with pytest.raises(MemoryError, match="smaller batches"):
        calls[call]()


def test_the_kernels_have_what_layers_call(source):
    found = native.library(native.KERNELS)
    assert isinstance(found, ctypes.CDLL)
    assert found.to_points
    assert found.from_points
    assert found.multiply
