"""Files and folders that are written whole or not at all, whatever happens while they are written."""

import os
import signal
import subprocess
import sys
import time

import pytest

from stargan_fw import files as files_module
from stargan_fw.files import remove, replacing, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_file(path, text):
    path.write_text(text)


def write_folder(path, text):
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "a.txt").write_text(text)


def content(path):
    return (path / "inner" / "a.txt" if path.is_dir() else path).read_text()


KINDS = pytest.mark.parametrize("write", [write_file, write_folder])


@KINDS
@pytest.mark.parametrize("flush", [False, True])
def test_what_is_written_takes_the_place_of_what_was_there(tmp_path, write, flush):
    target = tmp_path / "new" / "target"
    for text in ("first", "second"):
        with replacing(target, flush=flush) as partial:
            assert partial.parent == target.parent
            write(partial, text)
            assert not target.exists() or content(target) == "first"
        assert content(target) == text
    assert names(target.parent) == ["target"]


@KINDS
@pytest.mark.parametrize("there", [False, True])
def test_an_error_leaves_what_was_there(tmp_path, write, there):
    target = tmp_path / "target"
    if there:
        write(target, "before")

    def fail():
        with replacing(target) as partial:
            write(partial, "half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert names(tmp_path) == (["target"] if there else [])
    assert not there or content(target) == "before"


def test_writers_of_one_target_do_not_meet(tmp_path):
    target = tmp_path / "target"
    with replacing(target) as first, replacing(target) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert names(tmp_path) == ["target"]
    assert target.read_text() == "first", "the last to finish"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "target")
    write_text(tmp_path / "link", "é\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "target").read_bytes() == b"\xc3\xa9\n"


@KINDS
def test_what_is_removed_is_gone(tmp_path, write):
    write(tmp_path / "target", "x")
    remove(tmp_path / "target")
    assert names(tmp_path) == []


def test_a_folder_that_is_removed_loses_its_name_first(tmp_path, monkeypatch):
    write_folder(tmp_path / "target", "x")
    monkeypatch.setattr(files_module.shutil, "rmtree", lambda *_, **__: None)
    remove(tmp_path / "target")
    (rest,) = names(tmp_path)
    assert rest.startswith(".target.")


def test_where_folders_cannot_be_opened_files_alone_are_flushed(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    flushed = []
    monkeypatch.setattr(files_module, "WINDOWS", True)
    monkeypatch.setattr(files_module.os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    files_module._flush(tmp_path / "a")
    files_module._flush(tmp_path)
    assert flushed == [(tmp_path / "a").stat().st_ino]


REWRITE = """
import itertools, sys
from pathlib import Path
from stargan_fw.files import replacing
target = Path(sys.argv[1])
for number in itertools.count():
    with replacing(target) as partial:
        partial.mkdir()
        for name in range(20):
            (partial / str(name)).write_text(str(number))
    print(number, flush=True)
"""


def test_killed_at_any_moment_a_folder_is_whole_or_absent(tmp_path):
    target = tmp_path / "target"
    for moment in range(6):
        with subprocess.Popen([sys.executable, "-c", REWRITE, str(target)], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(moment / 300)
            process.send_signal(signal.SIGKILL)
        if target.exists():
            assert names(target) == sorted(map(str, range(20)))
            assert len({path.read_text() for path in target.iterdir()}) == 1
