"""What `data clean` removes of the cache, also while another process writes into it."""

import subprocess
import sys

import pytest
from PIL import Image

from stargan_fw.data.ingest import Framing, Ingestion
from stargan_fw_data.cache_cleaning import clean

MAKE = """
import sys
from pathlib import Path
from stargan_fw.data.cache import only_maker
store = Path(sys.argv[1])
with only_maker(store):
    (store.parent / f".{store.name}.0123.partial").touch()
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writing(tmp_path):
    """A process that makes a store in `tmp_path / "cache"` until its input ends."""
    command = [sys.executable, "-c", MAKE, tmp_path / "cache" / "faces-32px-0123456789abcdef.arrow"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        yield process


def unfinished(cache):
    return list(cache.glob(".*.partial"))


def test_cleaning_frees_what_was_made_and_leaves_what_is_not_ours(writing, tmp_path):
    cache = tmp_path / "cache"
    Image.new("RGB", (24, 24), (1, 2, 3)).save(tmp_path / "a.png")
    Ingestion("faces", [tmp_path / "a.png"], Framing(8), cache).run()
    (cache / "notes.arrow").touch()
    (cache / "classifier-faces-8px-0123456789abcdef.safetensors").write_bytes(bytes(500))
    old = cache / ".faces-16px-0123456789abcdef.arrow@a-host@123.partial"
    old.touch()

    stores, classifiers, freed = clean(cache)

    assert (stores, classifiers) == (1, 1)
    assert freed > 8 * 8 * 3 + 500
    (running,) = unfinished(cache)
    assert "-32px-" in running.name
    assert {path.name for path in cache.iterdir() if not path.name.startswith(".")} == {"notes.arrow"}
    assert clean(tmp_path / "none") == (0, 0, 0)


def test_a_cleaned_cache_goes(writing, tmp_path):
    writing.kill()
    writing.wait()
    assert unfinished(tmp_path / "cache")

    assert clean(tmp_path / "cache") == (0, 0, 0)

    assert not (tmp_path / "cache").exists()
