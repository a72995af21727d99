"""Transparency, deep greys, long pictures and odd files: each pixel as it should be."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from stargan_fw.data.images import (
    FLAT,
    FRAMES,
    LONG,
    LOST_BITS,
    SMALL,
    PictureOptions,
    is_image_name,
    noted_range,
    open_image,
    reason,
)
from stargan_fw.data.ingest import Framing, Ingestion
from stargan_fw.interfaces.dataset import EncodedImage

RED, GREEN, WHITE, BLUE = (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 255)


def reopened(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return Image.open(io.BytesIO(buffer.getvalue()))


def hidden(mode="RGBA"):
    """Left half: red that nobody sees; right half: green."""
    image = Image.new("RGBA", (8, 8), (*RED, 0))
    image.paste((*GREEN, 255), (4, 0, 8, 8))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True, "exact": True}),
        ("TIFF", {}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
        ("GIF", {}),
        ("ICO", {"sizes": [(8, 8)]}),
        ("TGA", {}),
        ("JPEG2000", {}),
    ],
)
@pytest.mark.parametrize(("background", "colour"), [("white", WHITE), ("#0000ff", BLUE)])
def test_what_transparency_hides_is_background(form, options, background, colour):
    square, _ = PictureOptions(background=background).square(reopened(hidden(), form, **options), 8)

    pixels = np.asarray(square).astype(int)
    assert (pixels[:, :3] == colour).all()
    assert np.abs(pixels[:, 5:] - GREEN).max() <= (4 if form == "AVIF" else 0)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_a_png_with_one_transparent_colour(mode):
    image = hidden("RGB").convert(mode, dither=Image.Dither.NONE)
    left = image.getpixel((0, 0))
    opened = reopened(image, "PNG", transparency=left)

    pixels = np.asarray(PictureOptions(background="blue").upright(opened))

    assert (pixels[:, :4] == BLUE).all()
    assert (pixels[:, 4:] == np.asarray(image.convert("RGB"))[:, 4:]).all()


@pytest.mark.parametrize("mode", ["LA", "La", "RGBa", "PA"])
def test_grey_premultiplied_and_palette_modes_with_transparency(mode):
    image = Image.new("LA", (4, 4), (200, 0))
    image.paste((100, 255), (2, 0, 4, 4))
    image = image if mode == "LA" else image.convert("La" if mode == "La" else "RGBA")
    image = image.convert(mode) if mode in {"RGBa", "PA"} else image

    pixels = np.asarray(PictureOptions().upright(image)).astype(int)

    assert (pixels[:, :2] == 255).all()
    assert np.abs(pixels[:, 2:] - 100).max() <= 3  # a palette has few colours


def test_half_transparent_is_half_background():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 128))

    assert PictureOptions().upright(image).getpixel((0, 0)) == (255, 127, 127)


def deep(values, dtype=np.uint16):
    return Image.fromarray(np.array(values, dtype=dtype).reshape(2, -1))


def decoded(tmp_path, images, options=None):
    paths = []
    for number, (image, suffix) in enumerate(images):
        paths.append(tmp_path / f"{number}{suffix}")
        image.save(paths[-1])
    options = options or PictureOptions(images=paths)
    store = Ingestion("x", paths, Framing(2, options), tmp_path / "cache").run()
    return [store.read([number])[0, :, :, 0].tolist() for number in range(len(paths))], store


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_twelve_bits_are_scaled_alike_over_the_set(tmp_path, suffix):
    bright, dark = deep([0, 1024, 2048, 4000]), deep([0, 16, 256, 512])

    (first, second), store = decoded(tmp_path, [(bright, suffix), (dark, suffix)])

    assert first == [[0, 64], [128, 250]]
    assert second == [[0, 1], [16, 32]]
    assert noted_range(store.notes.values()) == (0, 4095)
    assert len(set(store.notes.values())) == 1


@pytest.mark.parametrize(
    ("values", "dtype", "pixels", "found"),
    [
        ([0, 0.25, 0.5, 1], np.float32, [0, 64, 128, 255], (0, 1)),
        ([0, 64, 128, 255], np.float32, [0, 64, 128, 255], (0, 255)),
        ([-1024, 0, 1024, 3071], np.int32, [0, 64, 128, 255], (-1024, 3071)),
        ([-1, -0.5, 0, 1], np.float32, [0, 64, 128, 255], (-1, 1)),
        ([0, 16384, 32768, 65535], np.uint16, [0, 64, 128, 255], (0, 65535)),
        ([0, 64, 128, 200], np.uint16, [0, 64, 128, 200], (0, 255)),
        ([0, np.nan, 0.5, np.inf], np.float32, [0, 0, 128, 255], (0, 1)),
        ([7, 7, 7, 7], np.float32, [7, 7, 7, 7], (0, 255)),
        ([-7, -7, -7, -7], np.float32, [0, 0, 0, 0], (-7, -6)),
    ],
)
def test_each_kind_of_deep_grey_keeps_its_range(tmp_path, values, dtype, pixels, found):
    ((image,), store) = decoded(tmp_path, [(deep(values, dtype), ".tif")])

    assert [*image[0], *image[1]] == pixels
    assert noted_range(store.notes.values()) == found


def test_a_window_cuts_what_is_outside(tmp_path):
    image = deep([-1000, -160, 41, 3000], np.int32)

    ((pixels,), _) = decoded(tmp_path, [(image, ".tif")], PictureOptions(grey_range=(-160, 240)))

    assert pixels == [[0, 0], [128, 255]]


def test_other_byte_orders_and_pgm():
    values = np.array([[0, 1024], [2048, 4095]])
    pgm = Image.open(io.BytesIO(b"P5 2 2 4095\n" + values.astype(">u2").tobytes()))
    header = b"MM\0*" + struct.pack(">I", 16) + values.astype(">u2").tobytes()
    entries = [(256, 2), (257, 2), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, 8)]
    fields = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in entries)
    tiff = Image.open(io.BytesIO(header + struct.pack(">H", len(entries)) + fields + struct.pack(">I", 0)))

    assert tiff.mode == "I;16B"
    for image in (pgm, tiff):
        assert np.asarray(PictureOptions().upright(image))[..., 0].tolist() == [[0, 64], [128, 255]]


def test_a_deep_grey_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    opened = reopened(deep([0, 4095, 0, 0]), "PNG", exif=exif)

    assert np.asarray(PictureOptions().upright(opened))[..., 0].tolist() == [[0, 0], [255, 0]]


def striped():
    """40 x 8: red, green and blue thirds."""
    image = Image.new("RGB", (48, 8), RED)
    image.paste(GREEN, (16, 0, 32, 8))
    image.paste(BLUE, (32, 0, 48, 8))
    return image


def test_a_long_picture_is_cut_squeezed_or_padded():
    cut, note = PictureOptions().square(striped(), 48)
    squeezed, no_note = PictureOptions(fit="squeeze").square(striped(), 48)
    padded, _ = PictureOptions(fit="pad", background="black").square(striped(), 48)

    assert (note, no_note) == (LONG, "")
    assert cut.getcolors() == [(48 * 48, GREEN)]
    assert [squeezed.getpixel((x, y)) for x, y in [(2, 0), (24, 47), (45, 20)]] == [RED, GREEN, BLUE]
    assert np.array_equal(np.asarray(padded)[20:28], np.asarray(striped()))
    assert not np.asarray(padded)[:20].any()
    assert not np.asarray(padded)[28:].any()


def test_a_picture_of_one_pixel_in_height_is_padded():
    square, _ = PictureOptions(fit="pad").square(Image.new("RGB", (5000, 1), RED), 16)

    assert sorted(square.getcolors()) == [(16, RED), (240, WHITE)]


def test_of_several_frames_the_first_is_taken_and_that_is_said():
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    for form in ("GIF", "TIFF"):
        opened = reopened(frames[0], form, save_all=True, append_images=frames[1:])
        square, note = PictureOptions().square(opened, 4)
        assert (square.getpixel((0, 0)), note) == (RED, FRAMES)


def test_what_is_nearly_one_colour_is_said():
    assert PictureOptions().square(Image.new("RGB", (9, 9), (7, 7, 29)), 8)[1] == FLAT
    assert PictureOptions().square(striped().resize((9, 9)), 8)[1] == ""


def test_colours_of_sixteen_bits_lose_some_which_is_said():
    rows = np.zeros((2, 2, 3), dtype=">u2")
    rows[0] = 0x80FF
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    square, note = PictureOptions().square(Image.open(io.BytesIO(png)), 2)
    assert np.asarray(square)[..., 0].tolist() == [[128, 128], [0, 0]]
    assert note == LOST_BITS


def test_cmyk_of_both_polarities():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # red

    assert np.abs(np.asarray(PictureOptions().upright(reopened(image, "JPEG"))).astype(int) - RED).max() <= 2
    assert np.abs(np.asarray(PictureOptions().upright(reopened(image, "TIFF"))).astype(int) - RED).max() <= 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"<html><body>404</body></html>", "no image, or one of an unknown format"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC, which Pillow reads with an extension: pip install pillow-heif"),
    ],
)
def test_what_is_no_picture_is_named(content, why):
    image = EncodedImage("a", "a", lambda: content)
    with pytest.raises(OSError, match=r".+") as caught:
        open_image(image)
    assert reason(caught.value) == why


def test_names_of_pictures_and_junk():
    assert all(map(is_image_name, ["a.JPG", "b.jfif", "c.avif", "d.HEIC", "e.Tiff"]))
    assert not any(map(is_image_name, ["._a.jpg", ".DS_Store", "Thumbs.db", "a.txt", ".jpg", "jpg"]))


@pytest.mark.parametrize("side, note", [(178, ""), (356, ""), (1024, SMALL)])
def test_a_crop_size_for_smaller_pictures_is_said(side, note):
    assert PictureOptions(crop_size=178).usual_region((side, side + 9)).note == note
