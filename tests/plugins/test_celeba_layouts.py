"""CelebA as people have it: each layout gives every image, five labels and the split that lies there."""

import json
import re
import shlex
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from stargan_fw.config import DatasetConfig
from stargan_fw.data.source import Source
from stargan_fw.errors import ConfigError, DataError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.datasets.celeba import COLUMNS, CelebA

FIVE = ["Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"]
COUNT = 60
NAMES = [f"{i + 1:06d}.jpg" for i in range(COUNT)]
SIDES = ["0"] * 40 + ["1"] * 8 + ["2"] * 12


def is_set(number, column):
    """Gives image `number` one hair colour, or none, and every other attribute by a rule of its own."""
    return FIVE.index(column) == number % 4 if column in FIVE[:3] else number * (COLUMNS.index(column) + 3) % 5 < 2


def rows(columns=COLUMNS, names=NAMES, no="-1"):
    return [[name, *("1" if is_set(i, column) else no for column in columns)] for i, name in enumerate(names)]


def text(lines, separator=" "):
    return "".join(separator.join(line) + "\n" for line in lines)


def official(columns=COLUMNS, names=NAMES, no="-1"):
    return f"{len(names)}\n{' '.join(columns)} \n" + text(rows(columns, names, no)).replace(" 1", "  1")


def pairs(values, names=NAMES, separator=" "):
    return text(zip(names, values, strict=True), separator)


def csv(first, columns, lines, separator=","):
    return text([[first, *columns], *lines], separator)


KAGGLE = {
    "list_attr_celeba.csv": csv("image_id", COLUMNS, rows()),
    "list_eval_partition.csv": csv("image_id", ["partition"], zip(NAMES, SIDES, strict=True)),
    "list_bbox_celeba.csv": csv(
        "image_id", ["x_1", "y_1", "width", "height"], [[n, "1", "2", "3", "4"] for n in NAMES]
    ),
    "list_landmarks_align_celeba.csv": csv("image_id", ["lefteye_x"], [[name, "69"] for name in NAMES]),
}
# Layout → files, the folder of the images, their ending, and whether there is a partition.
LAYOUTS = {
    "Kaggle": (KAGGLE, "img_align_celeba/img_align_celeba", ".jpg", True),
    "Kaggle, nested once": (KAGGLE, "img_align_celeba", ".jpg", True),
    "in an archive folder": ({f"archive/{n}": t for n, t in KAGGLE.items()}, "archive/img_align_celeba", ".jpg", True),
    "the reference's": ({"list_attr_celeba.txt": official()}, "images", ".jpg", False),
    "the reference's, one level above": ({"celeba/list_attr_celeba.txt": official()}, "celeba/images", ".jpg", False),
    "Anno, Eval, Img": (
        {
            "Anno/list_attr_celeba.txt": official(),
            "Anno/identity_CelebA.txt": pairs([str(i // 2) for i in range(COUNT)]),
            "Eval/list_eval_partition.txt": pairs(SIDES),
        },
        "Img/img_align_celeba",
        ".jpg",
        True,
    ),
    "only the partition in a folder": (
        {"list_attr_celeba.txt": official(), "Eval/list_eval_partition.txt": pairs(SIDES)},
        "img_align_celeba",
        ".jpg",
        True,
    ),
    "PNG": (
        {"list_attr_celeba.txt": official(), "list_eval_partition.txt": pairs(SIDES)},
        "img_align_celeba",
        ".png",
        True,
    ),
    "PNG in its own folder": (
        {"Anno/list_attr_celeba.txt": official(), "Eval/list_eval_partition.txt": pairs(SIDES)},
        "Img/img_align_celeba_png.7z/img_align_celeba_png",
        ".png",
        True,
    ),
    "capital endings": ({"list_attr_celeba.txt": official()}, "img_align_celeba", ".JPG", False),
    "HQ masks": ({"CelebAMask-HQ-attribute-anno.txt": official()}, "CelebA-HQ-img", ".jpg", False),
    "loose": ({"list_attr_celeba.txt": official()}, ".", ".jpg", False),
    "another folder": ({"list_attr_celeba.txt": official()}, "faces", ".jpg", False),
    "a table of Windows": (
        {"list_attr_celeba.csv": "\ufeff" + csv("image_id", COLUMNS, rows(), ";").replace("\n", "\r\n")},
        "img_align_celeba",
        ".jpg",
        False,
    ),
    "a table of an old Macintosh": (
        {"list_attr_celeba.csv": csv("image_id", COLUMNS, rows()).replace("\n", "\r")},
        "img_align_celeba",
        ".jpg",
        False,
    ),
    "a table with quotes and blanks": (
        {"list_attr_celeba.csv": re.sub(r"[^,\n]+", r' "\g<0>"', csv("image_id", COLUMNS, rows()))},
        "img_align_celeba",
        ".jpg",
        False,
    ),
    "written by pandas": (
        {
            "list_attr_celeba.csv": csv("image_id", COLUMNS, rows()),
            "list_eval_partition.csv": ",image_id,partition\n"
            + "".join(f"{i},{name},{float(SIDES[i])}\n" for i, name in enumerate(NAMES)),
        },
        "img_align_celeba",
        ".jpg",
        True,
    ),
    "UTF-16": ({"list_attr_celeba.txt": official().encode("utf-16")}, "img_align_celeba", ".jpg", False),
    "tabs and zeros": (
        {"list_attr_celeba.txt": csv("image_id", COLUMNS, rows(no="0"), "\t")},
        "img_align_celeba",
        ".jpg",
        False,
    ),
    "no count": ({"list_attr_celeba.txt": official().split("\n", 1)[1]}, "img_align_celeba", ".jpg", False),
    "folders in the names": (
        {"list_attr_celeba.csv": csv("image_id", COLUMNS, rows(names=[f"img_align_celeba\\{n}" for n in NAMES]))},
        "img_align_celeba",
        ".jpg",
        False,
    ),
}


@pytest.fixture
def write(tmp_path):
    """Writes text files and images: `write(files, folder of images, their names, their size) -> root`."""

    def write(files, folder, names=NAMES, size=(178, 218)):
        root = tmp_path / "data" / "celeba"
        (root / folder).mkdir(parents=True)
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        for number, name in enumerate(names):
            Image.new("RGB", size, (4 * number, 90, 255 - 4 * number)).save(
                root / folder / name, "PNG" if name.endswith(".png") else "JPEG"
            )
        return root

    return write


def open_source(root, **options):
    table = DatasetConfig(plugin="celeba", location=str(root), **options)
    return Source.open("celeba", table, "", PluginManager.discover())


@pytest.mark.parametrize("files, folder, ending, divided", LAYOUTS.values(), ids=LAYOUTS)
def test_each_layout_gives_five_labels_and_every_image(write, files, folder, ending, divided):
    root = write(files, folder, [name.replace(".jpg", ending) for name in NAMES])
    source = open_source(root)
    assert source.schema.names == tuple(FIVE)
    assert [source.name_of(i).rpartition("/")[2] for i in range(COUNT)] == [n.replace(".jpg", ending) for n in NAMES]
    assert np.array_equal(source.labels, [[is_set(i, column) for column in FIVE] for i in range(COUNT)])
    assert (len(source.train), len(source.test)) == (48, 12)
    assert source.test == list(range(48, 60)) or not divided
    assert any("list_eval_partition" in remark for remark in source.dataset.remarks) == divided
    if "Anno/identity_CelebA.txt" in files:
        assert [example.identity for example in source.examples] == [str(i // 2) for i in range(COUNT)]


def test_a_column_that_is_no_attribute_is_named_with_a_line_that_works(cli, write):
    lines = [[name, str(i % 2), str(20 + i)] for i, name in enumerate(NAMES)]
    root = write({"list_attr_celeba.csv": csv("image_id", ["hat", "age"], lines)}, "images")
    outcome = cli("data", "check", "--json", "--datasets", f"faces=celeba:{root}")
    assert outcome.code == 2
    assert "column age: '20' is not -1 or 1" in outcome.err
    line = shlex.split(outcome.err.rpartition("columns: ")[2])
    outcome = cli("data", "check", "--json", "--datasets", f"faces=celeba:{root}", *line)
    assert [label["name"] for label in json.loads(outcome.out)["datasets"]["faces"]["labels"]] == ["hat"]


@pytest.mark.parametrize("content", [b"\x80\r,\x00\xff\n\r\r,\n", b"a,b\rc\n1", bytes(range(256)) * 3])
def test_what_is_no_attribute_file_is_refused(write, content):
    with pytest.raises((DataError, ConfigError)):
        open_source(write({"list_attr_celeba.txt": content}, "images"))


@pytest.mark.parametrize("folders", [("train", "val", "test"), ("Training images", "valid", "Test")])
def test_folders_of_a_split_are_taken_as_given(write, folders):
    root = write({"list_attr_celeba.txt": official()}, "images")
    for number, name in enumerate(NAMES):
        (root / "images" / folders[number % 3]).mkdir(exist_ok=True)
        (root / "images" / name).rename(root / "images" / folders[number % 3] / name)
    source = open_source(root)
    assert source.test == list(range(2, COUNT, 3))
    (remark,) = source.dataset.remarks
    assert remark.endswith("--set datasets.celeba.test_split=random")
    assert len(open_source(root, test_split="random").test) == 12


def test_folders_that_divide_otherwise_say_nothing_of_the_split(write):
    root = write({"list_attr_celeba.txt": official()}, "images")
    for number, name in enumerate(NAMES):
        (root / "images" / str(number % 3)).mkdir(exist_ok=True)
        (root / "images" / name).rename(root / "images" / str(number % 3) / name)
    source = open_source(root)
    assert (len(source.test), list(source.dataset.remarks)) == (12, [])


@pytest.mark.parametrize("layout", ["Kaggle", "the reference's", "Anno, Eval, Img", "PNG in its own folder"])
def test_data_check_takes_them_at_the_first_try(cli, write, layout):
    files, folder, ending, divided = LAYOUTS[layout]
    root = write(files, folder, [name.replace(".jpg", ending) for name in NAMES])
    outcome = cli("data", "check", "--datasets", "celeba", "--data", root.parent, "--json")
    assert outcome.code == 0, outcome.err
    (report,) = json.loads(outcome.out)["datasets"].values()
    assert (report["images"], report["test"], len(report["labels"])) == (COUNT, 12, 5)
    assert sum("list_eval_partition" in warning for warning in report["warnings"]) == divided


def test_absent_images_are_left_out_if_that_is_asked_for(write):
    root = write(
        {"list_attr_celeba.txt": official(), "list_eval_partition.txt": pairs(SIDES)}, "img_align_celeba", NAMES[31:]
    )
    with pytest.raises(DataError, match=r"31 of the 60 images .* --set datasets\.celeba\.on_bad_image=skip$"):
        open_source(root)
    source = open_source(root, on_bad_image="skip")
    assert (len(source.examples), len(source.train), len(source.test)) == (29, 17, 12)
    assert source.labels.tolist() == [[is_set(i, column) for column in FIVE] for i in range(31, 60)]
    assert (
        "Left out: 31 of the 60 images that list_attr_celeba.txt lists are absent (000001.jpg"
        in source.dataset.remarks[0]
    )


def test_no_image_at_all_is_an_error_that_cannot_be_skipped(write):
    root = write({"list_attr_celeba.txt": official()}, "img_align_celeba", [])
    with pytest.raises(DataError, match=r"60 of the 60 images .* Unpack the image archive so that .* exists$"):
        open_source(root, on_bad_image="skip")


def test_the_first_images_alone_have_no_partition_of_tests(write):
    """The first 40 are all in the training partition: random images are held out, and that is said."""
    root = write(
        {"list_attr_celeba.txt": official(), "list_eval_partition.txt": pairs(SIDES)}, "img_align_celeba", NAMES[:40]
    )
    source = open_source(root, on_bad_image="skip")
    assert (len(source.train), len(source.test)) == (32, 8)
    assert any("random ones are held out" in remark for remark in source.dataset.remarks)


def test_without_a_test_partition_the_validation_is_the_test(write):
    root = write(
        {"list_attr_celeba.txt": official(), "list_eval_partition.txt": pairs(SIDES)}, "img_align_celeba", NAMES[:48]
    )
    source = open_source(root, on_bad_image="skip")
    assert source.test == list(range(40, 48))


def test_the_partition_can_be_left_aside(write):
    root = write({"list_attr_celeba.txt": official(), "list_eval_partition.txt": pairs(SIDES)}, "img_align_celeba")
    assert open_source(root, test_split="random").test != open_source(root).test


def test_a_continued_run_holds_out_what_it_recorded(write):
    root = write({"list_attr_celeba.txt": official(), "list_eval_partition.txt": pairs(SIDES)}, "img_align_celeba")
    table = DatasetConfig(plugin="celeba", location=str(root), limit=20)
    before = open_source(root, test_split="random", limit=20)
    recorded = {"test": [before.name_of(i) for i in before.test]}
    after = Source.open("celeba", table, "", PluginManager.discover(), recorded)
    for side in ("train", "test"):
        assert [after.name_of(i) for i in getattr(after, side)] == [before.name_of(i) for i in getattr(before, side)]


def test_identities_are_matched_without_endings_and_a_foreign_file_is_said(write):
    files = {"list_attr_celeba.txt": official(), "identity_CelebA.txt": pairs(map(str, range(COUNT)))}
    root = write(files, "img_align_celeba_png", [name.replace(".jpg", ".png") for name in NAMES])
    (root / "identity_CelebA.txt").write_text(
        pairs(map(str, range(COUNT)), [name.replace("jpg", "png") for name in NAMES])
    )
    assert [example.identity for example in CelebA(root).examples()] == [str(i) for i in range(COUNT)]
    (root / "identity_CelebA.txt").write_text("a.jpg 1\nb.jpg 2\n")
    dataset = CelebA(root)
    assert {example.identity for example in dataset.examples()} == {None}
    assert list(dataset.remarks) == [f"{root / 'identity_CelebA.txt'} lists none of the 60 images."]


def test_an_incomplete_partition_names_the_way(write):
    files = {"list_attr_celeba.txt": official(), "list_eval_partition.txt": pairs(SIDES[20:], NAMES[20:])}
    root = write(files, "img_align_celeba")
    with pytest.raises(DataError, match=r"does not list 20 of the images.*--set datasets\.celeba\.test_split=random$"):
        open_source(root)
    assert len(open_source(root, test_split="random").examples) == COUNT


@pytest.mark.parametrize(
    "size, square",
    [((1024, 1024), 836), ((512, 512), 418), ((356, 436), 356), ((178, 218), None), ((128, 128), None)],
)
def test_the_crop_scales_with_larger_pictures(write, size, square):
    root = write({"list_attr_celeba.txt": official(names=NAMES[:4])}, "img_align_celeba", NAMES[:4], size)
    dataset = CelebA(root)
    crops = [example.crop for example in dataset.examples()]
    with Image.open(root / "img_align_celeba" / NAMES[0]) as image:
        found = [crop and crop.find(image) for crop in crops]
    assert [one and (one.side, one.left, one.top) for one in found] == [
        square and (square, (size[0] - square) // 2, (size[1] - square) // 2)
    ] * 4
    assert ("middle square" in dataset.own_crops) == (square is not None)


def test_a_crop_that_is_asked_for_is_in_pixels(write):
    root = write({"list_attr_celeba.txt": official(names=NAMES[:4])}, "img_align_celeba", NAMES[:4], (300, 300))
    assert {example.crop for example in open_source(root, crop_size=250, test_size=1).examples} == {None}


@pytest.mark.parametrize("content", ["txt", "csv"])
def test_attributes_of_ones_own(write, content):
    own = ["Scarf", "Freckles", "Left_Handed"]
    lines = [[name, *("1" if (i + j) % 3 else "-1" for j in range(3))] for i, name in enumerate(NAMES)]
    files = {
        "txt": {"list_attr_celeba.txt": f"{COUNT}\n{' '.join(own)}\n{text(lines)}"},
        "csv": {"list_attr_celeba.csv": csv("image_id", own, lines).replace("-1,1\n", ",1\n", 1)},
    }[content]
    root = write(files, "images")
    source = open_source(root)
    assert source.schema.names == tuple(own)
    assert Counter(source.labels[:, 0].tolist())[1.0] == 40
    assert int(np.isnan(source.labels).sum()) == (content == "csv")
    assert open_source(root, attributes=["Scarf"]).schema.names == ("Scarf",)
    with pytest.raises(ConfigError, match=r"'Scarv', which the attribute file does not have; did you mean 'Scarf'"):
        open_source(root, attributes=["Scarv"])


def test_a_file_with_some_of_the_attributes_names_a_line_that_works(write):
    root = write({"list_attr_celeba.txt": official(["Male", "Smiling"])}, "images")
    with pytest.raises(DataError) as caught:
        open_source(root)
    setting = re.search(r"--set 'datasets\.celeba\.attributes=(\[.*?\])'", str(caught.value))
    assert open_source(root, attributes=json.loads(setting[1])).schema.names == ("Male", "Smiling")


@pytest.mark.parametrize("twice", ["000001.jpg"])
def test_an_image_that_is_listed_twice_is_named(write, twice):
    root = write({"list_attr_celeba.txt": official(names=[*NAMES, twice])}, "images")
    with pytest.raises(DataError, match=r"lists 1 images more than once \(000001\.jpg\)"):
        open_source(root)


def test_zero_beside_minus_one_is_asked_about(write):
    content = csv("image_id", ["Scarf"], [[name, "-1" if i % 3 else "0"] for i, name in enumerate(NAMES)])
    root = write({"list_attr_celeba.csv": content}, "images")
    with pytest.raises(DataError, match=r"line 2, column Scarf: '0' is not -1 or 1"):
        open_source(root)


def test_pictures_before_alignment_are_not_taken_for_aligned_ones(write):
    root = write({"list_attr_celeba.txt": official()}, "img_celeba")
    with pytest.raises(DataError, match="60 of the 60 images"):
        open_source(root)


def test_images_that_are_not_listed_are_counted(write):
    for folder in ("img_align_celeba", "images"):
        files = {"list_attr_celeba.txt": official(names=NAMES[:50])}
        dataset = CelebA(write(files, folder))
        assert len(dataset.examples()) == 50
        (remark,) = dataset.remarks
        assert re.search(rf"Left out: 10 images in .*{folder} that list_attr_celeba.txt does not list", remark)
        shutil.rmtree(dataset.root)


def test_two_attribute_files_are_asked_about(write):
    root = write(
        {"a b/list_attr_celeba.txt": official(), "c/list_attr_celeba.csv": KAGGLE["list_attr_celeba.csv"]}, "c/images"
    )
    with pytest.raises(DataError, match=r"2 attribute files.*--datasets 'celeba:.*/a b' or --datasets celeba:.*/c$"):
        open_source(root)
    assert len(open_source(root / "c").examples) == COUNT


def test_a_column_of_numbers_before_the_images_is_no_label(write):
    lines = [[str(i), *row] for i, row in enumerate(rows(["Male", "Young"]))]
    root = write({"list_attr_celeba.csv": csv("", ["image_id", "Male", "Young"], lines)}, "images")
    source = open_source(root, attributes=["Male", "Young"])
    assert source.labels.tolist() == [[is_set(i, "Male"), is_set(i, "Young")] for i in range(COUNT)]


def test_the_whole_picture_is_used_if_that_is_asked_for(write):
    root = write({"list_attr_celeba.txt": official()}, "images", size=(256, 256))
    assert {example.crop for example in open_source(root, fit="pad").examples} == {None}
