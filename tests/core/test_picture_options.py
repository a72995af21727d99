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


@pytest.mark.parametrize("side", [16, 160])
@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_a_size_of_sixteen_is_no_depth_of_colours(form, side):
    image = Image.linear_gradient("L").resize((side, side)).convert("RGB")
    assert PictureOptions().square(reopened(image, form), 16)[1] == ""


TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("form", ["TIFF", "PNG"])
@pytest.mark.parametrize("orientation", TURNS)
def test_a_turned_file_of_any_mode_stands_upright(tmp_path, mode, form, orientation):
    bright = np.zeros((12, 16), np.uint16)
    bright[:6, :8] = 65535
    if mode in {"F", "CMYK"} and form == "PNG":
        pytest.skip("PNG has no such pixels")
    grey = Image.fromarray((bright > 0).astype(np.uint8) * 255)
    image = Image.fromarray(bright) if mode == "I;16" else grey.convert(mode)
    turn, exif = TURNS[orientation], Image.Exif()
    exif[0x112] = orientation
    (image if turn is None else image.transpose(turn)).save(tmp_path / "turned", form, exif=exif)
    with open_image(tmp_path / "turned") as opened:
        upright = np.asarray(PictureOptions().upright(opened).convert("L"))
    assert np.array_equal(upright > 100, bright > 0)


def deep_tiff(path, values, *, white_is_zero=False):
    """Writes grey numbers without a sign, which Pillow does not write in this way."""
    tags = [
        (256, values.shape[1]), (257, values.shape[0]), (258, 8 * values.itemsize), (259, 1), (262, int(not white_is_zero)),
        (273, 8 + 2 + 12 * 9 + 4), (277, 1), (278, values.shape[0]), (279, values.nbytes),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4) + values.tobytes())


def test_numbers_of_32_bits_without_a_sign(tmp_path):
    deep_tiff(tmp_path / "a.tif", np.linspace(0, 4e9, 256).astype("<u4").reshape(16, 16))
    with open_image(tmp_path / "a.tif") as opened:
        square, note = PictureOptions().square(opened, 16)
    assert np.abs(np.asarray(square)[..., 0].ravel().astype(int) - np.arange(256)).max() <= 1
    assert noted_range([note]) == (0, 4e9)


def test_a_deep_tiff_in_which_zero_is_white(tmp_path):
    deep_tiff(tmp_path / "a.tif", np.arange(0, 4096, 16).astype("<u2").reshape(16, 16), white_is_zero=True)
    with open_image(tmp_path / "a.tif") as opened:
        square, note = PictureOptions().square(opened, 16)
    assert np.array_equal(np.asarray(square)[..., 0].ravel(), np.arange(255, -1, -1))
    assert "0 became white and 4095 black" in note
    assert noted_range([note]) == (0, 4095)


def test_a_deep_grey_that_is_transparent(tmp_path):
    image = Image.fromarray(np.repeat([[0], [30000]], 2, axis=1).astype(np.uint16))
    image.save(tmp_path / "a.png", transparency=0)
    with open_image(tmp_path / "a.png") as opened:
        assert opened.mode == "I;16"
        square, _ = PictureOptions(background="#0000ff").square(opened, 2)
    assert np.asarray(square)[:, 0].tolist() == [[0, 0, 255], [234, 234, 234]]


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
