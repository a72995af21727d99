"""Measures how fast a second start finds the images that the first start decoded, for a dataset in CelebA's layout.

    python benchmarks/warm_start.py [--images 200000]

Listing reads the attribute, identity and partition files and the folder. Finding asks the system for the size and time of
every file and opens the store. Images are links to a few files and the store is blank, since no image is read. Times are
seconds of processor time, so that other work on the machine does not count. Everything is imported before, and the kernel
has the files' entries in memory.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from PIL import Image

from stargan_fw.config import Config, DatasetConfig
from stargan_fw.data.cache import cache_folder
from stargan_fw.data.ingest import Ingestion
from stargan_fw.data.source import open_sources
from stargan_fw.data.store import write_store
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.datasets.celeba import COLUMNS
from stargan_fw_plugins.datasets.celeba_layout import ATTRIBUTE_FILE, IDENTITY_FILE, IMAGE_FOLDER, PARTITION_FILE

SIDE, LIMIT_SECONDS, LINKS = 4, 2.0, 30_000


def draw(root: Path, count: int) -> None:
    """Writes the layout with `count` images: links to a file, and a new file after every `LINKS`."""
    (root / IMAGE_FOLDER).mkdir(parents=True)
    names = [f"{number:06d}.jpg" for number in range(1, count + 1)]
    for number, name in enumerate(names):
        path = root / IMAGE_FOLDER / name
        if number % LINKS == 0:
            Image.new("RGB", (178, 218)).save(path)
            first = path
        else:
            os.link(first, path)
    cells = [" ".join(pair * (len(COLUMNS) // 2)) for pair in (["-1", "1"], ["1", "-1"])]
    lines = [str(count), " ".join(COLUMNS), *(f"{name} {cells[i % 2]}" for i, name in enumerate(names)), ""]
    (root / ATTRIBUTE_FILE).write_text("\n".join(lines), encoding="utf-8")
    for file in (IDENTITY_FILE, PARTITION_FILE):
        rows = [f"{name} {number % 3}" for number, name in enumerate(names)]
        (root / file).write_text("\n".join([*rows, ""]), encoding="utf-8")


def main() -> None:
    """Prints the seconds."""
    parser = argparse.ArgumentParser(description="How soon a second start finds the decoded images.")
    parser.add_argument("--images", type=int, default=200_000)
    count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name) / "celeba", count)
        config = Config(datasets={"celeba": DatasetConfig(plugin="celeba")}).model_copy(deep=True)
        config.data.path, config.data.image_size = name, SIDE
        plugins = PluginManager.discover()

        def ingestion() -> tuple[Ingestion, float]:
            started = time.process_time()
            (source,) = open_sources(config, plugins)
            listed = time.process_time() - started
            images = [example.image for example in source.examples]
            return Ingestion("celeba", images, source.framing(SIDE), cache_folder(config.data)), listed

        made, _ = ingestion()
        made.path.parent.mkdir()
        write_store(made.path, (bytes(SIDE * SIDE * 3) for _ in range(count)))
        for _ in range(3):
            found, listed = ingestion()
            started = time.process_time()
            store = found.run()
            finding = time.process_time() - started
            total = listed + finding
            print(f"{len(store):,} images: listed in {listed:.2f} s, found in {finding:.2f} s, together {total:.2f} s")
        print(f"{'under' if total < LIMIT_SECONDS else 'over'} {LIMIT_SECONDS:.0f} s")


if __name__ == "__main__":
    main()
