from collections import Counter

import numpy as np
import pytest
from PIL import Image

from stargan_fw.errors import PluginError
from stargan_fw_plugins import sample_faces
from stargan_fw_plugins.datasets.celeba import COLUMNS, CelebA, _shown_attributes
from stargan_fw_plugins.datasets.rafd import EXPRESSIONS, RaFD
from stargan_fw_plugins.sample_faces import (
    HAIR_COLORS,
    Portrait,
    draw_look,
    draw_soft_color,
    seeded_random,
    write_portraits,
)

LOOKS = [draw_look(seeded_random("look", i)) for i in range(400)]
TONGUE = (255, 79, 109)


def pixels_near(path, color, reach=40):
    with Image.open(path) as image:
        pixels = np.asarray(image, dtype=int)
    return int((np.abs(pixels - np.array(color)).max(axis=2) < reach).sum())


def portraits_in(folder, count=3):
    folder.mkdir()
    names = list(sample_faces.EXPRESSIONS)
    return [
        Portrait(folder / f"{i}.jpg", LOOKS[i], names[i], draw_soft_color(seeded_random("soft", i)), (64, 64))
        for i in range(count)
    ]


def bytes_below(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_celeba_is_drawn_in_its_own_layout(drawn):
    root = drawn / "celeba"
    lines = (root / "list_attr_celeba.txt").read_text().splitlines()
    assert lines[0] == "20"
    assert lines[1].split() == list(COLUMNS)
    assert (root / "identity_CelebA.txt").read_text().startswith("000001.jpg 1\n000002.jpg 1\n000003.jpg 2\n")
    assert len(CelebA(root).examples()) == 20
    assert CelebA(root).test_split == "random"
    with Image.open(root / "img_align_celeba" / "000020.jpg") as image:
        assert (image.size, image.mode, image.format) == ((178, 218), "RGB", "JPEG")


def test_rafd_is_drawn_in_its_own_layout(drawn):
    examples = list(RaFD(drawn / "rafd").examples())
    expressions = Counter(example.labels["expression"] for example in examples)
    assert expressions == dict.fromkeys(EXPRESSIONS, 6)
    assert {example.identity for example in examples} == {"01", "02"}
    assert len({example.image.read_bytes() for example in examples}) == 48


def test_people_are_numbered_as_in_rafd(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("stargan_fw_plugins.datasets.rafd.write_portraits", drawn.extend)
    RaFD.draw_stand_in(tmp_path, images=1, people=67, seed=3)
    people = {int(portrait.path.name.split("_")[1]) for portrait in drawn}
    assert people == set(range(1, 74)) - {6, 13, 17, 34, 62, 66}
    assert len(drawn) == 1608
    assert len({(portrait.path.name.split("_")[1], portrait.look) for portrait in drawn}) == 67


@pytest.mark.parametrize("dataset", [CelebA, RaFD])
def test_the_same_seed_writes_the_same_bytes_and_another_does_not(dataset, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / folder).mkdir()
        dataset.draw_stand_in(tmp_path / folder, images=4, people=1, seed=seed)
    assert bytes_below(tmp_path / "a") == bytes_below(tmp_path / "b")
    assert bytes_below(tmp_path / "a") != bytes_below(tmp_path / "c")


def test_more_images_do_not_change_the_first(drawn, tmp_path):
    CelebA.draw_stand_in(tmp_path, images=2, people=1, seed=0)
    for name in ("000001.jpg", "000002.jpg"):
        path = f"img_align_celeba/{name}"
        assert (tmp_path / path).read_bytes() == (drawn / "celeba" / path).read_bytes()


def test_worker_processes_change_no_byte(tmp_path):
    write_portraits(portraits_in(tmp_path / "one"), workers=1)
    write_portraits(portraits_in(tmp_path / "two"), workers=2)
    assert bytes_below(tmp_path / "one") == bytes_below(tmp_path / "two")


def test_a_failure_in_a_worker_process_is_raised(tmp_path):
    portraits = portraits_in(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError):
        write_portraits(portraits, workers=2)


def test_hair_and_smile_labels_are_true_to_the_pixels(drawn):
    names = {"Black_Hair": "black", "Blond_Hair": "blond", "Brown_Hair": "brown", "Gray_Hair": "grey"}
    for example in CelebA(drawn / "celeba", attributes=[*names, "Smiling", "Young"]).examples():
        (hair,) = [name for name in names if example.labels[name]]
        assert pixels_near(example.image, HAIR_COLORS[names[hair]]) > 150
        assert (pixels_near(example.image, TONGUE) > 20) == example.labels["Smiling"]
        assert example.labels["Young"] == (hair != "Gray_Hair")


def test_rafd_is_a_studio(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr("stargan_fw_plugins.datasets.rafd.write_portraits", drawn.extend)
    RaFD.draw_stand_in(tmp_path, images=1, people=67, seed=0)
    looks = {int(portrait.path.name.split("_")[1]): portrait.look for portrait in drawn}.values()
    assert {(look.facial_hair, look.glasses, look.clothes, look.clothes_color, look.young) for look in looks} == {
        (None, None, "shirtCrewNeck", (38, 38, 40), True)
    }
    assert not {look.top for look in looks} & {"bob", "curvy", "straightAndStrand"}  # hair over the eyebrows
    assert {look.skin_tone for look in looks} == {0, 1, 2, 3, 4}
    assert {look.hair for look in looks} == {"black", "blond", "brown"}


def test_looks_are_balanced_and_gender_shows():
    assert 0.4 < sum(look.male for look in LOOKS) / len(LOOKS) < 0.6
    hair = Counter(look.hair for look in LOOKS)
    assert min(hair[name] for name in HAIR_COLORS) > 50
    assert not any(look.facial_hair for look in LOOKS if not look.male)
    assert not {look.top for look in LOOKS if look.male} & {look.top for look in LOOKS if not look.male}


def test_at_most_one_hair_colour_and_only_known_columns_are_set():
    for look in LOOKS:
        shown = _shown_attributes(look, "happy")
        assert set(shown) <= set(COLUMNS)
        assert sum(shown[name] for name in ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")) == 1
        assert shown["Young"] != shown["Gray_Hair"]


def test_the_face_sits_at_the_same_place_in_both_datasets(tmp_path):
    tall = Portrait(tmp_path / "tall.png", LOOKS[0], "neutral", (200, 200, 200), (178, 218))
    square = Portrait(tmp_path / "square.png", LOOKS[0], "neutral", (200, 200, 200), (178, 178))
    images = [
        sample_faces.rasterise(sample_faces.portrait_svg(portrait), portrait.size, portrait.background)
        for portrait in (tall, square)
    ]
    cropped = np.asarray(images[0].crop((0, 20, 178, 198)), dtype=int)
    difference = np.abs(cropped - np.asarray(images[1], dtype=int)).mean()
    one_pixel_off = np.abs(cropped[1:] - cropped[:-1]).mean()
    assert difference < one_pixel_off / 4


def test_without_the_drawing_packages_the_extra_is_named(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name)

    sample_faces._drawing_packages.cache_clear()
    monkeypatch.setattr(sample_faces, "import_module", absent)
    with pytest.raises(PluginError, match=r"needs the package 'dicebear'.*pip install 'stargan-fw\[sample\]'"):
        CelebA.draw_stand_in(tmp_path, images=2, people=1, seed=0)


@pytest.mark.parametrize("dataset", [CelebA, RaFD])
def test_both_datasets_register_themselves(dataset):
    module = __import__(dataset.__module__, fromlist=["register_datasets"])
    registered = []
    module.register_datasets(registered.append)
    assert registered == [dataset]
