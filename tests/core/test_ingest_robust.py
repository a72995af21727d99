"""Ingestion of broken images, and ingestion that is killed or comes twice at once."""

import errno
import os
import random
import signal
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stargan_fw.data import cache as cache_module
from stargan_fw.data.ingest import Framing, Ingestion
from stargan_fw.errors import DataError

GOOD, BAD = True, False
ORIENTATION = 0x0112


def noise(side=24, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def truncated(path):
    noise().save(path)
    path.write_bytes(path.read_bytes()[:400])


def called_jpg(path):
    noise().save(path, format="PNG")


def cmyk(path):
    noise().convert("CMYK").save(path)


def sixteen_bits(path):
    Image.fromarray(np.arange(576, dtype=np.uint16).reshape(24, 24) * 100).save(path, format="PNG")


def palette(path):
    noise().quantize(4).save(path, format="PNG", transparency=bytes([0, 100, 200, 255]))


def rotated(path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    noise().save(path, exif=exif)


def bomb(path):
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def unreadable(path):
    noise().save(path)
    path.chmod(0)


KINDS = {
    "truncated": (truncated, "a.jpg", BAD),
    "zero bytes": (Path.touch, "a.jpg", BAD),
    "PNG called jpg": (called_jpg, "a.jpg", GOOD),
    "CMYK": (cmyk, "a.jpg", GOOD),
    "16 bits": (sixteen_bits, "a.png", GOOD),
    "palette with transparency": (palette, "a.png", GOOD),
    "rotated": (rotated, "a.jpg", GOOD),
    "one pixel": (lambda path: noise(1).save(path), "a.png", GOOD),
    "50,000 x 50,000": (bomb, "a.png", BAD),
    "blanks and Unicode": (lambda path: noise().save(path), "a föto 写真.jpg", GOOD),
    "symlink loop": (lambda path: path.symlink_to(path), "a.jpg", BAD),
    "unreadable": (unreadable, "a.jpg", None),
    "directory": (Path.mkdir, "a.jpg", BAD),
    "missing": (lambda path: None, "a.jpg", BAD),
}


@pytest.mark.parametrize("make, name, good", KINDS.values(), ids=KINDS)
def test_every_image_is_read_refused_or_listed(tmp_path, make, name, good):
    images = [tmp_path / "first.png", tmp_path / name, tmp_path / "last.png"]
    for seed in (0, 2):
        noise(seed=seed).save(images[seed])
    make(images[1])
    if good is None:  # root reads what is closed to all
        good = os.access(images[1], os.R_OK)
    strict = Ingestion("faces", images, Framing(8), tmp_path / "cache")

    if not good:
        with pytest.raises(DataError, match=r"^The image '.*a\.[a-z]+' cannot be read: .*Replace it"):
            strict.run()
        assert not (tmp_path / "cache").exists()

    store = replace(strict, on_bad_image="skip").run()
    assert len(store) == 3
    assert set(store.errors) == (set() if good else {1})
    assert store.read([1]).any() == good
    assert store.read([0, 2]).reshape(2, -1).any(axis=1).all(), "the others keep their places"
    if not good:
        with pytest.raises(DataError, match=r"on_bad_image=skip"):
            strict.run()


COUNT = 300
INGEST = """
import os, sys
from pathlib import Path
from stargan_fw.data.ingest import Framing, Ingestion
folder, cache, size, last, end = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
decoded = 0

def count(images):
    global decoded
    for image in images:
        decoded += 1
        if decoded == 2:
            print("writing", flush=True)
        yield image
        if decoded == last:
            os.kill(os.getpid(), end)

print("started", flush=True)
Ingestion("faces", sorted(folder.iterdir()), Framing(size), cache).run(count)
print(decoded)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few hundred images; not to be written to."""
    path = tmp_path_factory.mktemp("images")
    for number in range(COUNT):
        noise(160, seed=number).save(path / f"{number:03d}.png", compress_level=1)
    return path


def start(folder, cache, size=32, last=0, end=signal.SIGKILL):
    """Decodes a folder in another process, which sends itself `end` once `last` images are written; 0 lets it live."""
    command = [sys.executable, "-c", INGEST, *map(str, (folder, cache, size, last, int(end)))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_while_it_writes(folder, cache, size=32):
    with start(folder, cache, size, last=2) as process:
        assert process.communicate()[0] == "started\nwriting\n"


def stores(cache):
    return {path.name: path.read_bytes() for path in cache.iterdir()}


def unfinished(cache):
    return list(cache.glob(".*.partial"))


def test_killed_at_any_moment_the_next_start_gives_the_same_bytes(folder, tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    Ingestion("faces", sorted(folder.iterdir()), Framing(32), undisturbed).run()

    for last in (1, 2, *random.Random(0).sample(range(3, COUNT), 5), COUNT):
        with start(folder, killed, last=last) as process:
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert len(unfinished(killed)) == 1, "what the one before left is removed"
    Ingestion("faces", sorted(folder.iterdir()), Framing(32), killed).run()

    assert stores(killed) == stores(undisturbed)


def test_two_at_once_decode_once(folder, tmp_path):
    processes = [start(folder, tmp_path / "cache") for _ in range(2)]
    decoded = [process.communicate()[0].split()[-1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(decoded) == ["0", "300"]
    assert len(stores(tmp_path / "cache")) == 1


def test_the_next_process_goes_on_where_one_is_killed_while_another_waits(folder, tmp_path):
    with start(folder, tmp_path / "cache", last=2, end=signal.SIGSTOP) as first:
        assert [first.stdout.readline() for _ in range(2)] == ["started\n", "writing\n"]
        with start(folder, tmp_path / "cache") as second:
            assert second.stdout.readline() == "started\n"
            first.send_signal(signal.SIGKILL)
            assert second.communicate()[0].split() == ["writing", "300"]
    assert len(stores(tmp_path / "cache")) == 1


def test_the_next_process_goes_on_where_one_is_interrupted_while_another_waits(folder, tmp_path):
    with start(folder, tmp_path / "cache", last=2, end=signal.SIGSTOP) as first:
        assert [first.stdout.readline() for _ in range(2)] == ["started\n", "writing\n"]
        with start(folder, tmp_path / "cache") as second:
            assert second.stdout.readline() == "started\n"
            first.send_signal(signal.SIGINT)
            first.send_signal(signal.SIGCONT)
            assert second.communicate()[0].split() == ["writing", "300"]
    assert len(stores(tmp_path / "cache")) == 1


def test_what_was_left_of_another_store_is_removed_too(folder, tmp_path):
    cache = tmp_path / "cache"
    kill_while_it_writes(folder, cache, size=16)
    assert unfinished(cache)
    Ingestion("faces", sorted(folder.iterdir()), Framing(8), cache).run()
    (name,) = stores(cache)
    assert "-8px-" in name


def test_a_process_that_waits_long_says_so(folder, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(cache_module, "PATIENCE", 0)
    with start(folder, tmp_path / "cache") as process:
        assert [process.stdout.readline() for _ in range(2)] == ["started\n", "writing\n"]
        Ingestion("faces", sorted(folder.iterdir()), Framing(32), tmp_path / "cache").run(pytest.fail)
        process.communicate()
    assert "Waiting for another process, which makes" in caplog.text


def test_a_drive_without_locks_is_named(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    noise().save(tmp_path / "a.png")
    monkeypatch.setattr(cache_module.FileLock, "acquire", fail)
    with pytest.raises(DataError, match=r"cannot be locked: .*Operation not supported.*--cache FOLDER"):
        Ingestion("faces", [tmp_path / "a.png"], Framing(8), tmp_path / "cache").run()
    assert not (tmp_path / "cache").exists()
