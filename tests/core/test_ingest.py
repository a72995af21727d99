"""Decoding: the same pixels as Pillow by hand, once, into a store that appears whole or not at all."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from stargan_fw import Crop, Square
from stargan_fw.data import ingest as ingest_module, store as store_module
from stargan_fw.data.images import PictureOptions, prepare
from stargan_fw.data.ingest import Framing, Ingestion
from stargan_fw.data.store import ROWS, Store, write_store
from stargan_fw.errors import DataError

UPSIDE_DOWN, ON_ITS_SIDE, ORIENTATION = 3, 6, 0x0112


def noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def by_hand(image, box, side):
    return np.asarray(image.convert("RGB").crop(box).resize((side, side), Image.Resampling.BILINEAR))


@pytest.fixture
def pictures(tmp_path):
    """Three pictures of different sizes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        noise(20 + number, 30 - number, seed=number).save(path)
    return paths


@pytest.fixture
def decode(tmp_path):
    """Decodes into a cache below `tmp_path`; options are the framing's."""

    def call(paths, **options):
        cache, progress = options.pop("cache", tmp_path / "cache"), options.pop("progress", iter)
        return Ingestion("faces", paths, Framing(**{"image_size": 8, **options}), cache).run(progress)

    return call


def cached(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    ("size", "crop", "box"),
    [
        ((40, 30), None, (5, 0, 35, 30)),
        ((30, 41), None, (0, 5, 30, 35)),
        ((40, 30), 20, (10, 5, 30, 25)),
        ((40, 30), 100, (5, 0, 35, 30)),
        ((12, 12), None, (0, 0, 12, 12)),
    ],
)
@pytest.mark.parametrize("side", [8, 30, 64])
def test_the_centre_is_cropped_and_then_resized(size, crop, box, side):
    image = noise(*size)

    assert np.array_equal(np.asarray(prepare(image, side, PictureOptions(crop))), by_hand(image, box, side))


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(UPSIDE_DOWN, Image.Transpose.ROTATE_180), (ON_ITS_SIDE, Image.Transpose.ROTATE_270)],
)
def test_a_photograph_stands_upright(tmp_path, orientation, turn):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    noise(16, 16).save(tmp_path / "a.png", exif=exif)

    with Image.open(tmp_path / "a.png") as image:
        upright = prepare(image, 16, None)

    assert np.array_equal(np.asarray(upright), np.asarray(noise(16, 16).transpose(turn)))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PGM"])
def test_16_bits_are_not_clipped_to_8(decode, tmp_path, kind):
    levels = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)
    path = tmp_path / f"levels.{kind.lower()}"
    if kind == "PGM":
        path.write_bytes(b"P5 8 8 65535\n" + levels.astype(">u2").tobytes())
    else:
        Image.fromarray(levels).save(path)
    assert np.array_equal(decode([path]).read([0])[0, ..., 1], levels >> 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode):
    image = noise(12, 12).convert(mode)

    assert np.array_equal(np.asarray(prepare(image, 8, None)), by_hand(image, (0, 0, 12, 12), 8))


def test_a_palette_with_transparency(tmp_path):
    image = noise(12, 12).quantize(4)
    image.save(tmp_path / "a.png", transparency=bytes([0, 100, 200, 255]))

    with Image.open(tmp_path / "a.png") as opened:
        prepared = prepare(opened, 12, None)

    alpha = np.repeat([0, 100, 200, 255], 3).reshape(4, 3)[np.asarray(image)]
    right = (np.asarray(image.convert("RGB")) * alpha + 255 * (255 - alpha)) / 255
    assert np.abs(np.asarray(prepared) - right).max() <= 1


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path, name):
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(levels * 257).save(tmp_path / name)

    with Image.open(tmp_path / name) as opened:
        prepared = np.asarray(prepare(opened, 16, None))

    assert np.array_equal(prepared, np.repeat(levels[..., None], 3, axis=2))


def test_the_store_has_the_pictures_in_order(decode, pictures):
    store = decode(pictures, options=PictureOptions(10))

    assert len(store) == 3
    assert store.image_size == 8
    for image, path in zip(store.read([0, 1, 2]), pictures, strict=True):
        assert np.array_equal(image, np.asarray(prepare(Image.open(path), 8, PictureOptions(10))))


def test_more_pictures_than_wait_for_each_other_stay_in_order(decode, pictures):
    store = decode(pictures * 50, image_size=2)

    assert np.array_equal(store.read(range(150)), np.tile(store.read(range(3)), (50, 1, 1, 1)))


def test_a_second_call_decodes_nothing(decode, pictures, monkeypatch, tmp_path):
    first = decode(pictures).read([0, 1, 2])
    monkeypatch.setattr(PictureOptions, "square", lambda *_: pytest.fail("decoded again"))

    assert np.array_equal(decode(pictures).read([0, 1, 2]), first)
    assert len(cached(tmp_path)) == 1


@pytest.mark.parametrize("options", [{"image_size": 9}, {"options": PictureOptions(10)}, {"maker": "faces 2"}])
def test_another_size_or_plugin_is_another_store(decode, pictures, tmp_path, options):
    decode(pictures)
    decode(pictures, **options)

    assert len(cached(tmp_path)) == 2


@pytest.mark.parametrize("change", [lambda path: noise(9, 9).save(path), lambda path: os.utime(path, ns=(0, 1))])
def test_a_changed_picture_is_another_store(decode, pictures, tmp_path, change):
    decode(pictures)
    change(pictures[1])

    assert np.array_equal(decode(pictures).read([1])[0], np.asarray(prepare(Image.open(pictures[1]), 8, None)))
    assert len(cached(tmp_path)) == 2


def test_another_order_is_another_store(decode, pictures):
    assert np.array_equal(decode(pictures).read([0]), decode(pictures[::-1]).read([2]))


@dataclass(frozen=True)
class Corner(Crop):
    """The upper left corner, noted where the picture is higher than it says."""

    side: int
    highest: int = 100

    def find(self, image):
        return Square(0, 0, self.side, "it is high" if image.height > self.highest else "")


def test_each_picture_has_its_own_crop_and_note(decode, pictures, tmp_path):
    crops = [Corner(7), None, Corner(9, highest=27)]
    for _ in range(2):
        store = decode(pictures, crops=crops)
        assert store.notes == {2: "it is high"}
        assert store.errors == {}
    for number, box in ((0, (0, 0, 7, 7)), (1, (0, 4, 21, 25)), (2, (0, 0, 9, 9))):
        assert np.array_equal(store.read([number])[0], by_hand(Image.open(pictures[number]), box, 8))
    decode(pictures, crops=[Corner(7), None, Corner(8)])
    assert len(cached(tmp_path)) == 2


def test_progress_sees_every_picture(decode, pictures):
    seen = []

    def count(images):
        for image in images:
            seen.append(len(image))
            yield image

    decode(pictures, progress=count)
    decode(pictures, progress=count)

    assert seen == [8 * 8 * 3] * 3, "and none that is decoded already"


def test_a_relative_and_an_absolute_path_are_one_image(decode, pictures, tmp_path, monkeypatch):
    decode(pictures)
    monkeypatch.chdir(pictures[0].parent)
    names = cached(tmp_path)
    for typed in ("{}", "./{}", "../pictures/{}"):
        decode([Path(typed.format(path.name)) for path in pictures])
    assert cached(tmp_path) == names
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pictures[0].parent, tmp_path / "other" / "pictures")
    monkeypatch.chdir(tmp_path / "other")
    decode([Path("pictures", path.name) for path in pictures])
    assert len(cached(tmp_path)) == 2


@pytest.mark.parametrize("named", ["absolute_names", "_names_as_typed"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "CMYK"])
def test_a_store_of_the_earlier_format_stays_if_its_pixels_are_right(pictures, tmp_path, monkeypatch, named, mode):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    (Image.new("I;16", (8, 8)) if mode == "I;16" else image.convert(mode)).save(pictures[1].with_suffix(".tif"))
    monkeypatch.chdir(tmp_path)
    typed = [path.relative_to(tmp_path) for path in [*pictures, pictures[1].with_suffix(".tif")]]
    ingestion = Ingestion("faces", typed, Framing(8), tmp_path / "cache")
    before = ingestion._path_by(getattr(ingest_module, named), "4")
    content = ingestion.run().path.rename(before).read_bytes()
    decoded = []
    Ingestion("faces", typed, Framing(8), tmp_path / "cache").run(lambda images: decoded.append(1) or images)

    assert bool(decoded) == (mode in {"RGBA", "I;16"})
    assert before.exists() == bool(decoded)
    assert ingestion.path.read_bytes() == content
    assert Ingestion("faces", typed, Framing(8, PictureOptions(fit="pad")), tmp_path / "cache").path != ingestion.path


@pytest.mark.parametrize("kind", ["plain", "TIFF", "deep grey"])
def test_a_store_with_what_an_earlier_version_misread_is_decoded_anew(pictures, decode, tmp_path, monkeypatch, kind):
    odd = pictures[1].with_suffix(".TIF" if kind == "TIFF" else ".png")
    image = Image.new("I;16", (8, 8), 300) if kind == "deep grey" else noise(20, 30)
    image.save(odd)
    right = decode([pictures[0], odd]).read([0, 1])
    with monkeypatch.context() as before:
        before.setattr(store_module, "SCHEMA", store_module.SCHEMA.remove_metadata())
        notes = decode([pictures[0], odd]).notes
        path = next((tmp_path / "cache").iterdir())
        write_store(path, [bytes(8 * 8 * 3)] * 2, notes=notes)
    assert Store(path, 8).decoder == 1

    decoded = []
    for _ in range(2):
        store = decode([pictures[0], odd], progress=lambda images: decoded.append(1) or images)

    assert decoded == [1] * (kind != "plain")
    assert np.array_equal(store.read([0, 1]), right) == (kind != "plain")
    assert cached(tmp_path) == [path.name]


@pytest.mark.parametrize("damage", ["no picture", "half a picture", "a folder", "a bad header"])
def test_a_broken_picture_is_named_and_nothing_is_left(decode, pictures, tmp_path, damage):
    broken = pictures[1]
    content = broken.read_bytes()
    broken.unlink()
    if damage == "a folder":
        broken.mkdir()
    else:
        pieces = {"no picture": b"", "half a picture": content[: len(content) // 2], "a bad header": b"P6\n5x 5\n255\n"}
        broken.write_bytes(pieces[damage])

    with pytest.raises(DataError, match=rf"^The image '{re.escape(str(broken))}' cannot be read: .* Replace it or"):
        decode(pictures)

    assert not (tmp_path / "cache").exists()


def test_a_missing_picture_is_named(decode, pictures, tmp_path):
    pictures[2].unlink()

    with pytest.raises(DataError, match=rf"^The image '{re.escape(str(pictures[2]))}' cannot be read: No such file"):
        decode(pictures)

    assert not (tmp_path / "cache").exists()


def test_a_full_disk_is_noticed_before_anything_is_decoded(decode, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=8 * 8 * 3 * 3 - 1))

    with pytest.raises(DataError, match=r"need 576 bytes in '.*cache', where 575 bytes are free\. .* --cache FOLDER"):
        decode(pictures)

    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_made(decode, pictures, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(
        DataError, match=r"^The folder '.*file/cache' .* cannot be made: Not a directory\. Name another"
    ):
        decode(pictures, cache=tmp_path / "file" / "cache")


def numbered(count, side=4):
    """Images whose pixels spell their number."""
    images = np.zeros((count, side * side * 3), dtype=np.uint8)
    images[:, 0], images[:, -1] = np.arange(count) % 256, np.arange(count) // 256
    return images


def assert_reads(store, images, indices):
    assert np.array_equal(store.read(indices).reshape(len(indices), -1), images[indices])


def test_a_store_reads_across_record_batches(tmp_path):
    images = numbered(2 * ROWS + 5)
    write_store(tmp_path / "store", (image.tobytes() for image in images))

    store = Store(tmp_path / "store", 4)

    assert len(store) == 2 * ROWS + 5
    assert_reads(store, images, np.array([2 * ROWS + 4, 0, ROWS - 1, ROWS, 7, 7, 2 * ROWS, 2 * ROWS - 1]))
    assert_reads(store, images, np.random.default_rng(0).permutation(len(images)))


def test_a_store_reads_where_the_system_cannot_read_at_a_place(tmp_path, monkeypatch):
    images = numbered(ROWS + 5)
    write_store(tmp_path / "store", (image.tobytes() for image in images))
    monkeypatch.delattr(os, "preadv")

    store = Store(tmp_path / "store", 4)

    assert_reads(store, images, np.random.default_rng(0).permutation(len(images)))
    with (tmp_path / "store").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(OSError, match="has become shorter"):
        store.read([ROWS])


def test_large_images_make_smaller_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "BATCH_BYTES", 3 * 4 * 4 * 3 + 1)
    images = numbered(10)
    write_store(tmp_path / "store", (image.tobytes() for image in images))

    store = Store(tmp_path / "store", 4)

    assert len(store._starts) == 4
    assert_reads(store, images, np.array([9, 3, 2, 0, 5, 6]))


def test_what_is_read_is_a_copy(tmp_path):
    write_store(tmp_path / "store", [bytes(48)])
    store = Store(tmp_path / "store", 4)

    store.read([0])[:] = 255

    assert not store.read([0]).any()
