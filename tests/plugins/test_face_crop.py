"""Squares around faces: by the camera's angle, found by OpenCV, or neither; on drawn portraits."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageChops

from stargan_fw import Square
from stargan_fw.data.images import prepare
from stargan_fw.errors import ConfigError, PluginError
from stargan_fw_plugins import face_crop as face_crop_module
from stargan_fw_plugins.datasets.celeba import CelebA
from stargan_fw_plugins.datasets.folder import Folder
from stargan_fw_plugins.datasets.rafd import FACE_SQUARES, RaFD
from stargan_fw_plugins.face_crop import (
    MARGIN,
    MIDDLE,
    NOTE,
    RAISE,
    SEVERAL,
    DetectedFace,
    PhotographedFace,
    make_face_crop,
)
from stargan_fw_plugins.sample_faces import Portrait, draw_look, portrait_svg, rasterise, seeded_random

PORTRAIT = (681, 1024)
WALL = (240, 240, 242)
HEAD = 420  # pixels, as wide as the drawn square with the head


def draw_portrait(centre, expression="neutral", person=1):
    """Draws a head around `centre` on a wall of RaFD's size."""
    look = replace(draw_look(seeded_random("portrait", person)), facial_hair=None, glasses=None)
    svg = portrait_svg(Portrait(None, look, expression, WALL, (HEAD, HEAD)))
    portrait = Image.new("RGB", PORTRAIT, WALL)
    portrait.paste(rasterise(svg, (HEAD, HEAD), WALL), tuple(round(place - HEAD / 2) for place in centre))
    return portrait


def file_name(angle, expression="neutral", person=1):
    return f"Rafd{angle:03d}_{person:02d}_Caucasian_female_{expression}_frontal.jpg"


@pytest.fixture
def portraits(tmp_path):
    """A folder of RaFD's portraits: four people from every side, the head where the camera sees it."""
    root = tmp_path / "rafd"
    root.mkdir()
    for person in (1, 4, 5, 7):
        for angle, crop in FACE_SQUARES.items():
            centre = (crop.x * PORTRAIT[0], crop.y * PORTRAIT[1])
            draw_portrait(centre, person=person).save(root / file_name(angle, person=person), quality=95)
    return root


def squares(root, **options):
    dataset = RaFD(root, angles=[0, 45, 90, 135, 180], **options)
    for example in dataset.examples():
        with Image.open(example.image) as image:
            yield example.image.name[:7], example.crop.find(image.convert("RGB"))


def test_the_geometry_follows_the_camera(portraits):
    found = dict(squares(portraits))
    assert {square.side for square in found.values()} == {round(0.85 * 681)}
    assert {square.top for square in found.values()} == {130}
    lefts = [found[name].left for name in ("Rafd180", "Rafd135", "Rafd090", "Rafd045", "Rafd000")]
    assert lefts == sorted(lefts)
    assert lefts[2] == (681 - 579) // 2
    assert all(0 <= square.left <= 681 - square.side for square in found.values())


def test_another_size_is_cropped_in_the_same_place():
    whole, half = (FACE_SQUARES[45].find(Image.new("RGB", size)) for size in ((680, 1024), (340, 512)))
    assert [2 * place for place in (half.left, half.top, half.side)] == pytest.approx(
        [whole.left, whole.top, whole.side], abs=2
    )


@pytest.mark.parametrize("size", [(256, 256), (178, 218), (300, 200)])
def test_what_is_no_portrait_is_decoded_as_ever(size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    assert prepare(image, 64, None, FACE_SQUARES[45]).tobytes() == prepare(image, 64, None).tobytes()


def test_a_square_stays_inside_of_the_picture():
    assert Square.around((5, 90), 40, (100, 95)) == Square(0, 55, 40)
    assert Square.around((50, 50), 400, (100, 95)) == Square(2, 0, 95)


def test_a_face_is_found_wherever_it_is():
    for centre in ((340, 420), (300, 600), (420, 300)):
        square = DetectedFace().find(draw_portrait(centre))
        assert not square.note
        assert square.left + square.side / 2 == pytest.approx(centre[0], abs=60)
        assert square.top + square.side / 2 == pytest.approx(centre[1], abs=90)
        assert HEAD / 2 < square.side < 2 * HEAD


def test_no_face_takes_the_usual_square_and_says_so():
    wall = Image.new("RGB", PORTRAIT, WALL)
    assert DetectedFace().find(wall) == Square(0, 171, 681, NOTE)
    assert DetectedFace(FACE_SQUARES[90]).find(wall) == replace(FACE_SQUARES[90].find(wall), note=NOTE)


def test_the_dataset_takes_what_its_option_says(portraits):
    assert {example.crop for example in RaFD(portraits, face="none").examples()} == {None}
    crops = [example.crop for example in RaFD(portraits, face="detect", angles=[45]).examples()]
    assert crops == [DetectedFace(FACE_SQUARES[45])] * 4
    dataset = RaFD(portraits)
    dataset.crop_size = 300  # as the configuration sets it
    assert {example.crop for example in dataset.examples()} == {None}
    dataset = RaFD(portraits, face="detect")
    dataset.crop_size = 300
    with pytest.raises(ConfigError, match="`crop_size` and `face"):
        list(dataset.examples())


def test_without_opencv_or_its_cascades_the_extra_is_named(monkeypatch, tmp_path):
    face_crop_module._cascade_folder.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(PluginError, match=r"pip install 'stargan-fw\[faces\]'$"):
        RaFD(tmp_path, face="detect")
    assert make_face_crop("none") is None


@pytest.mark.parametrize("face", ["geometry", "detect"])
def test_check_prepare_and_sheet(cli, portraits, tmp_path, face):
    for person in (1, 4, 5, 7):
        (portraits / file_name(45, person=person)).rename(portraits / file_name(45, "happy", person=person))
    Image.linear_gradient("L").resize(PORTRAIT).save(portraits / file_name(90, person=9))
    where = ("--datasets", "rafd", "--data", tmp_path, "--set", f"datasets.rafd.face={face}", "--image-size", "64")
    outcome = cli("data", "check", *where, "--json", "--sheet", tmp_path / "sheet.png")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)["datasets"]["rafd"]
    missed = report["notes"]
    assert (tmp_path / "sheet.png").exists()
    if face == "geometry":
        assert missed == {}
        return
    assert missed[file_name(90, person=9)] == NOTE
    assert any(NOTE in warning for warning in report["warnings"])
    for _ in range(2):
        outcome = cli("data", "prepare", *where)
        assert outcome.code == 0
        assert f"rafd: {len(missed)} of 13 images: {NOTE} (" in outcome.out
    assert len(list((tmp_path / ".stargan-fw").iterdir())) == 1
    cli("data", "prepare", *where, "--set", "datasets.rafd.face=geometry")
    assert len(list((tmp_path / ".stargan-fw").iterdir())) == 2, "another crop is another store"


def test_crops_are_told_in_words(small_data):
    rafd = small_data / "rafd"
    assert "at 0.5 of the width" in RaFD(rafd, angles=[90]).own_crops
    detected = RaFD(rafd, face="detect").own_crops
    assert detected.startswith("a square 1.5 times as wide as the face that OpenCV finds, or if it finds none, of a")
    assert RaFD(rafd, face="none").own_crops == ""
    assert CelebA(small_data / "celeba").own_crops == ""
    assert Folder(small_data, face="detect").own_crops == "a square 1.5 times as wide as the face that OpenCV finds"
    assert Folder(small_data).own_crops == ""


def draw_scene(size, *heads):
    """Draws heads, each with its centre and side, on a wall."""
    scene = Image.new("RGB", size, WALL)
    for person, (centre, side) in enumerate(heads, 1):
        look = replace(draw_look(seeded_random("portrait", person)), facial_hair=None, glasses=None)
        head = rasterise(portrait_svg(Portrait(None, look, "neutral", WALL, (HEAD, HEAD))), (HEAD, HEAD), WALL)
        scene.paste(head.resize((side, side)), tuple(round(place - side / 2) for place in centre))
    return scene


def test_a_small_face_in_a_photograph_is_found():
    scene = draw_scene((1600, 1200), ((1300, 300), 130))
    assert DetectedFace().find(scene).note == NOTE, "a training goes on taking what it took"
    square = PhotographedFace().find(scene)
    assert not square.note
    assert 1235 < square.left + square.side / 2 < 1365
    assert 235 < square.top + square.side / 2 < 365
    assert square.side < 200


def test_a_training_crops_people_who_are_small_in_the_picture(cli, tmp_path):
    for name, left in (("a", 300), ("b", 1300)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for turn in range(3):
            scene = draw_scene((1600, 1200), ((left, 300 + 200 * turn), 130))
            scene.save(tmp_path / "mine" / name / f"{turn}.png")
    assert Folder(tmp_path / "mine", face="anywhere").own_crops == Folder(tmp_path / "mine", face="detect").own_crops
    check = ("data", "check", "--datasets", f"mine=folder:{tmp_path / 'mine'}", "--json")
    notes = [
        json.loads(cli(*check, "--set", f"datasets.mine.face={face}").out)["datasets"]["mine"]["notes"]
        for face in ("anywhere", "detect")
    ]
    assert (notes[0], set(notes[1].values())) == ({}, {NOTE})


def test_a_portrait_has_the_same_square_in_training_and_in_translation():
    portrait = draw_portrait((340, 420))
    assert PhotographedFace().find(portrait) == DetectedFace().find(portrait)


def test_the_largest_of_several_faces_is_taken_and_they_are_counted():
    scene = draw_scene((1600, 1200), ((300, 500), 400), ((900, 500), 500), ((1350, 500), 380))
    square = PhotographedFace().find(scene)
    assert square.note == SEVERAL
    assert 700 < square.left + square.side / 2 < 1100


def test_faces_are_framed_as_in_the_pictures_of_a_model():
    wide, tight = (
        [draw_scene((256, 256), ((128, 128), side)) for _ in range(8)] for side in (180, 256)
    )  # the same person each time
    found = [PhotographedFace().framed_like(pictures) for pictures in (wide, tight)]
    assert found[0].margin == pytest.approx(256 / 180 * found[1].margin, rel=0.1)
    square = found[0].find(draw_scene((1000, 1000), ((500, 500), 360)))
    assert square.side == pytest.approx(512, rel=0.1)
    assert (square.left + square.side / 2, square.top + square.side / 2) == pytest.approx((500, 500), abs=25)
    assert PhotographedFace().framed_like(wide[:7]) is None
    assert PhotographedFace().framed_like([*wide, *[Image.new("RGB", (256, 256))] * 9]) is None


def test_a_wider_square_is_higher():
    assert PhotographedFace().with_margin(MARGIN) == PhotographedFace()
    assert PhotographedFace().with_margin(1.2).rise == RAISE
    assert PhotographedFace().with_margin(2.1).rise == pytest.approx(0.138)


def test_translate_squares_a_face_and_pastes_it_back(cli, trained_once, tmp_path):
    look = replace(draw_look(seeded_random("portrait", 1)), facial_hair=None, glasses=None)
    svg = portrait_svg(Portrait(None, look, "neutral", WALL, (HEAD, HEAD)))
    photo = Image.new("RGB", (900, 1600), WALL)
    photo.paste(rasterise(svg, (HEAD, HEAD), WALL), (450, 1100))
    photo.save(tmp_path / "photo.png")
    options = ("--to", "sad", "--size", "original", "--face", "detect", "--face-margin", "2.5", "-o")
    assert cli("translate", trained_once, tmp_path / "photo.png", *options, tmp_path / "out.png").code == 0
    with Image.open(tmp_path / "out.png") as result:
        left, top, right, bottom = ImageChops.difference(result, photo).getbbox()
    square = PhotographedFace().with_margin(2.5).find(photo)
    assert (square.left, square.top) != ((900 - square.side) // 2, (1600 - square.side) // 2)
    assert square.left <= left < right <= square.left + square.side
    assert square.top <= top < bottom <= square.top + square.side
    assert right - left > 0.8 * square.side

    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    outcome = cli("translate", trained_once, tmp_path / "black.png", *options, tmp_path / "black-out.png")
    assert f"1 picture: {MIDDLE}, such as on '{tmp_path / 'black.png'}'." in outcome.err


def test_translate_frames_a_face_as_in_training_or_as_asked(cli, trained_once, tmp_path):
    draw_portrait((340, 420)).save(tmp_path / "photo.png")
    translate = ("translate", trained_once, tmp_path / "photo.png", "--to", "sad", "-o", tmp_path / "out.png")
    outcome = cli(*translate, "--face-margin", "2")
    assert (outcome.code, "add --face detect" in outcome.err) == (2, True)
    measured = cli(*translate, "--face", "detect").err
    assert "times as wide as the faces in them, as in the images of 'rafd'" in measured
    assert "times as wide" not in cli(*translate, "--face", "detect", "--face-margin", "2").err

    model = tmp_path / "model"
    assert cli("export", trained_once, model, "--license", "mit").code == 0
    outcome = cli("translate", model, *translate[2:], "--face", "detect")
    assert "Squares are 1.5 times as wide as the faces in them" in outcome.err
    assert "--face-margin" in outcome.err
