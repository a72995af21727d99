import os
import shlex
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.folder import Folder
from stargan_fw_plugins.datasets.folder_layout import read_class_of_split, read_split_name
from stargan_fw_registry import Categorical, quote_name


def error_of(root, **options):
    with pytest.raises(DataError) as caught:
        list(Folder(root, **options).examples())
    return str(caught.value)


def counts_of(dataset):
    """Returns the number of images by class and side, after the classes are asked for as core does."""
    assert dataset.attributes
    return Counter((example.labels["class"], example.split) for example in dataset.examples())


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_classes_are_the_sorted_folders_and_images_may_lie_deeper(touch):
    root = touch("dog/b.png", "dog/a.JPG", "cat/old/c.webp", "cat/notes.txt", "cat/.hidden.jpg", ".git/x.jpg")
    dataset = Folder(root)
    assert list(dataset.attributes) == [Categorical("class", ["cat", "dog"])]
    assert dataset.test_split == "random"
    found = [(example.image.relative_to(root).as_posix(), example.labels) for example in dataset.examples()]
    cat, dog = {"class": "cat"}, {"class": "dog"}
    assert found == [("cat/old/c.webp", cat), ("dog/a.JPG", dog), ("dog/b.png", dog)]
    assert {example.split for example in dataset.examples()} == {None}
    assert not dataset.remarks


def test_the_attribute_can_be_named(touch):
    dataset = Folder(touch("cat/a.jpg", "dog/b.jpg"), attribute="species")
    assert dataset.attributes[0].name == "species"
    assert [example.labels for example in dataset.examples()] == [{"species": "cat"}, {"species": "dog"}]


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (["train", "test"], {"train": "train", "test": "test"}),
        (["train", "val"], {"train": "train", "val": "test"}),
        (["Train", "valid", "test"], {"Train": "train", "valid": "train", "test": "test"}),
        (
            ["Training", "PublicTest", "PrivateTest"],
            {"Training": "train", "PublicTest": "train", "PrivateTest": "test"},
        ),
        (["TRAIN_SET", "test-set"], {"TRAIN_SET": "train", "test-set": "test"}),
        (["train2017", "val2017"], {"train2017": "train", "val2017": "test"}),
        (["images_training", "dev images"], {"images_training": "train", "dev images": "test"}),
        (["trainset", "eval"], {"trainset": "train", "eval": "test"}),
        (["训练集", "验证集", "测试集"], {"训练集": "train", "验证集": "train", "测试集": "test"}),
        (["Trainingsdaten", "Testdaten"], {"Trainingsdaten": "train", "Testdaten": "test"}),
        (["entrenamiento", "prueba"], {"entrenamiento": "train", "prueba": "test"}),
    ],
)
def test_folders_of_splits_are_taken_as_given(touch, splits, expected):
    root = touch(*(f"{split}/{kind}/a.jpg" for split in splits for kind in ("cat", "dog")))
    dataset = Folder(root)
    assert list(dataset.attributes) == [Categorical("class", ["cat", "dog"])]
    assert dataset.test_split == "given"
    examples = list(dataset.examples())
    assert len(examples) == 2 * len(splits)
    assert all(expected[example.image.relative_to(root).parts[0]] == example.split for example in examples)


PAIRS = [
    "train{}",
    "train_{}",
    "train-{}",
    "train {}",
    "{}_train",
    "{}-Train",
    "{}Train",
    "TRAIN{}",
    "Training{}",
    "training.{}",
    "trn_{}",
]


@pytest.mark.parametrize("pattern", [*PAIRS, "{}/train", "{}/Training", "train/{}"])
@pytest.mark.parametrize("classes", [("A", "B"), ("a", "b", "c", "d"), ("cats", "dogs"), ("1", "2"), ("Ingot", "Rain")])
def test_a_split_in_the_names_of_the_class_folders_is_taken_as_given(touch, pattern, classes):
    other = {"train": "test", "Train": "Test", "TRAIN": "TEST", "Training": "Testing", "training": "testing"}
    word = next(word for word in ("Training", "training", "Train", "TRAIN", "train", "trn") if word in pattern)
    test = pattern.replace(word, other.get(word, "tst"))
    root = touch(
        *(f"{pattern.format(name)}/{n}.jpg" for name in classes for n in range(4)),
        *(f"{test.format(name)}/t.jpg" for name in classes),
    )
    dataset = Folder(root)
    expected = {(name, "train"): 4 for name in classes} | {(name, "test"): 1 for name in classes}
    assert counts_of(dataset) == expected
    assert dataset.test_split == "given"


@pytest.mark.parametrize("names", [("trainA", "trainB"), ("trainers", "testers"), ("valid", "invalid")])
def test_names_that_only_look_like_splits_are_classes(touch, names):
    dataset = Folder(touch(*(f"{name}/a.jpg" for name in names)))
    assert counts_of(dataset) == {(name, None): 1 for name in names}


@pytest.mark.parametrize("pattern", ["test{}", "Test_{}", "{}-test", "val{}"])
def test_classes_without_a_word_beside_those_of_tests_are_for_training(touch, pattern):
    names = ("cat", "dog", "Old Bird")
    root = touch(*(f"{name}/{n}.jpg" for name in names for n in range(4)))
    dataset = Folder(write(root, *(f"{pattern.format(name)}/t.jpg" for name in names)))
    assert counts_of(dataset) == {(name, "train"): 4 for name in names} | {(name, "test"): 1 for name in names}
    assert len(counts_of(Folder(write(root, "more/x.jpg")))) == 7, "they may all be classes if some are left over"


def test_class_folders_may_lie_in_one_folder_more_on_each_side(touch):
    files = [f"{side}/{kind}/a.jpg" for side in ("train/images", "test/images") for kind in ("cat", "dog")]
    assert counts_of(Folder(touch(*files))) == {
        (kind, side): 1 for kind in ("cat", "dog") for side in ("train", "test")
    }


def test_names_of_splits_and_of_classes_are_told_apart():
    assert [read_split_name(name) for name in ("val", "Valid_Images", "invalid", "train3", "3")] == [
        "val", "val", None, "train", None,
    ]  # fmt: skip
    assert read_class_of_split("trainIngot") == ("train", "Ingot")
    assert read_class_of_split("validationA") == ("val", "A")
    assert read_class_of_split("cat") is None


JUNK = ["@eaDir", ".ipynb_checkpoints", "__MACOSX", "#recycle", ".thumbnails", "lost+found", "$RECYCLE.BIN", ".git"]


@pytest.mark.parametrize("place", ["", "train/", "train/cat/", "train/cat/deep/"])
def test_what_systems_leave_behind_is_nothing_at_every_level(touch, place):
    root = touch(*(f"{side}/{kind}/a.jpg" for side in ("train", "test") for kind in ("cat", "dog")))
    write(root, *(f"{place}{junk}/x.jpg" for junk in JUNK))
    write(root, *(f"{place}{junk}" for junk in (".DS_Store", "Thumbs.db", "desktop.ini", "._x.jpg", "Icon\r")))
    dataset = Folder(root)
    assert counts_of(dataset) == {(kind, side): 1 for kind in ("cat", "dog") for side in ("train", "test")}
    assert list(dataset.remarks) == []


def test_files_that_cannot_be_read_are_counted_and_named(touch):
    root = touch("cat/a.jpg", "cat/b.RAW", "cat/c.raw", "dog/a.heif2", "dog/b.tif", "dog/noending", "notes.txt")
    dataset = Folder(root)
    assert counts_of(dataset) == {("cat", None): 1, ("dog", None): 1}
    (remark,) = dataset.remarks
    assert "4 files that are not read as pictures (2 .raw, 1 .heif2, 1 no ending), such as 'cat/b.RAW'" in remark


def test_a_format_that_pillow_lacks_is_named_with_the_way_out(touch, monkeypatch):
    monkeypatch.setattr("stargan_fw_plugins.datasets.folder_tree.can_read", lambda suffix: suffix != ".heic")
    dataset = Folder(touch("cat/a.jpg", "cat/b.HEIC", "dog/b.png"))
    assert counts_of(dataset) == {("cat", None): 1, ("dog", None): 1}
    assert "(1 .heic)" in dataset.remarks[0]
    assert "Pillow cannot read .heic here: save them as PNG or JPEG" in dataset.remarks[0]


def test_loose_images_beside_class_folders_are_said(touch):
    dataset = Folder(touch("cat/a.jpg", "dog/a.jpg", "x.jpg", "y.jpg"))
    assert counts_of(dataset) == {("cat", None): 1, ("dog", None): 1}
    assert "2 images lie beside the class folders" in dataset.remarks[0]
    dataset = Folder(
        write(dataset.root / "split", *(f"{s}/{c}/1.jpg" for s in ("train", "val") for c in "ab"), "val/z.jpg")
    )
    assert sum(counts_of(dataset).values()) == 4
    assert "1 image lies beside the class folders" in dataset.remarks[0]


def test_sides_may_write_a_class_in_another_case_or_normalisation(touch):
    dataset = Folder(touch("train/Cat/a.jpg", "train/caf\u00e9/a.jpg", "test/cat/a.jpg", "test/cafe\u0301/b.jpg"))
    assert counts_of(dataset) == {(n, s): 1 for n in ("Cat", "caf\u00e9") for s in ("train", "test")}


def test_classes_that_differ_only_in_case_stay_apart_and_are_said(touch):
    dataset = Folder(touch(*(f"{side}/{name}/a.jpg" for side in ("train", "test") for name in "AaB")))
    assert len(counts_of(dataset)) == 6
    assert list(dataset.remarks) == ["The classes 'A', 'a' differ only in case."]


def test_a_root_that_is_missing_or_a_file_is_told(tmp_path):
    assert error_of(tmp_path / "pets").startswith(f"{tmp_path / 'pets'}: no such folder. ")
    (tmp_path / "pets").touch()
    message = error_of(tmp_path / "pets")
    assert ": not a folder. " in message
    assert "--datasets" not in message, "advice that does not work"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a.jpg"], "holds images but no class folders"),
        (["notes.txt"], "holds no class folders"),
        (["cat/a.jpg"], "holds one class only, 'cat': there is nothing to translate to"),
        (["cat/a.jpg", "dog/notes.txt"], "the class 'dog' has no images"),
        (["cat/a.jpg", "dog/a.xyz"], "the class 'dog' has no images: 1 file there cannot be read as pictures"),
        (["train/cat/a.jpg", "train/dog/a.jpg"], "holds the split 'train' and no other, instead of classes"),
        (["train/a.jpg", "test/a.jpg"], "train: holds images but no class folders"),
        (["train/cat/a.jpg", "train/dog/a.jpg", "test/a.jpg"], "test: holds images but no class folders"),
        (["train/cat/a.jpg", "train/dog/a.jpg", "test/cat/a.jpg"], "the class 'dog' is missing among the test images"),
        (
            ["trainA/a.jpg", "trainB/a.jpg", "trainC/a.jpg", "testA/a.jpg", "testB/a.jpg"],
            "'C' is missing among the test",
        ),
        (["trainA/a.jpg", "trainB/a.jpg", "testA/a.jpg"], "'B' is missing among the test"),
        (["trainA/a.jpg", "trainB/a.jpg", "testA/a.jpg", "test/a.jpg"], "'test' lies beside the splits"),
        (["train/a/1.jpg", "test/a/1.jpg", "more/a/1.jpg"], "'more' lies beside the splits test, train"),
        (["trainA/1.jpg", "testA/1.jpg", "trainB/1.jpg", "testB/1.jpg", "more/1.jpg"], "'more' lies beside the splits"),
    ],
)
def test_what_is_no_image_folder_is_told(touch, files, message):
    assert message in error_of(touch(*files))


def test_all_that_is_wrong_is_in_one_message(touch):
    message = error_of(touch("train/a/1.jpg", "train/b/1.jpg", "train/c/x.txt", "test/b/1.jpg", "test/d/1.jpg"))
    for part in ("the class 'c' has no images", "classes 'a', 'c' are missing among the test", "'d' is missing among"):
        assert part in message


def test_classes_that_the_sides_name_differently_are_not_to_be_pooled_at_once(touch):
    message = error_of(touch("train/cat/1.jpg", "train/dog/1.jpg", "test/Cats/1.jpg", "test/Dogs/1.jpg"))
    assert "Name the folders of a class alike on both sides. If all of these are classes: add some, or" in message
    assert message.count("--set") == 1


def test_a_line_to_paste_quotes_the_name_of_the_dataset(touch):
    dataset = Folder(touch("train/cat/a.jpg", "train/dog/a.jpg", "test/cat/a.jpg"))
    dataset.alias = "my pets"
    with pytest.raises(DataError) as caught:
        counts_of(dataset)
    assert shlex.split(str(caught.value).rpartition("images: ")[2]) == ["--set", "datasets.my pets.test_split=random"]


def test_two_folders_that_hold_the_same_two_are_asked_about(touch):
    root = touch(*(f"fold{n}/{kind}/a.jpg" for n in (1, 2) for kind in ("cat", "dog")))
    assert "Which are the classes? Say so: --set datasets.folder.levels=identity/class" in error_of(root)
    assert counts_of(Folder(root, levels="class")) == {("fold1", None): 2, ("fold2", None): 2}


def test_a_class_without_test_images_can_have_them_drawn(touch):
    root = touch("train/cat/a.jpg", "train/dog/a.jpg", "test/cat/a.jpg")
    assert error_of(root).endswith("--set datasets.folder.test_split=random")
    dataset = Folder(root)
    dataset.test_split = "random"
    assert sum(counts_of(dataset).values()) == 3
    assert dataset.test_split == "random"


@pytest.mark.parametrize(
    ("files", "root", "right"),
    [
        (["pets/cat/a.jpg", "pets/dog/b.jpg"], "", "pets"),
        (["pets/cat/a.jpg", "pets/dog/b.jpg"], "pets/cat", "pets"),
        (["a/b/cat/a.jpg", "a/b/dog/b.jpg"], "", "a/b"),
        (["a/b/c/cat/a.jpg", "a/b/c/dog/b.jpg"], "", "a/b/c"),
        (["train/cat/a.jpg", "train/dog/a.jpg"], "", "train"),
        (["train/cat/a.jpg", "train/dog/a.jpg", "test/1.jpg"], "", "train"),
        (["train/train/cat/a.jpg", "train/train/dog/a.jpg"], "", "train/train"),
        (["my pets/cat/a.jpg", "my pets/dog/b.jpg"], "", "my pets"),
    ],
)
def test_a_root_some_levels_off_is_told_a_location_that_works(touch, files, root, right):
    top = touch(*files)
    advice = error_of(top / root).rpartition("--datasets ")[2].strip("'")
    assert advice == f"folder:{top / right}"
    assert len(counts_of(Folder(top / right))) == 2


@pytest.mark.parametrize(
    ("files", "root"),
    [
        (["cat/a.jpg"], ""),
        (["a.jpg", "b.jpg"], ""),
        (["train/a.jpg", "test/a.jpg"], ""),
        (["cat/a.jpg", "documents/x.txt"], "cat"),
        (["cat/a.jpg", "dog/deep/x.jpg"], "cat"),
    ],
)
def test_there_is_no_advice_where_none_works(touch, files, root):
    assert "--datasets" not in error_of(touch(*files) / root)


PEOPLE = [f"{person}/{mood}/{n}.jpg" for person in ("ann", "bob", "cid") for mood in ("happy", "sad") for n in range(2)]


def test_people_above_classes_are_asked_about(touch):
    root = touch(*PEOPLE)
    message = error_of(root)
    assert "--set datasets.folder.levels=identity/class" in message
    dataset = Folder(root, levels="identity/class")
    assert counts_of(dataset) == {("happy", None): 6, ("sad", None): 6}
    assert dataset.test_split == "person"
    assert Counter(example.identity for example in dataset.examples()) == {"ann": 4, "bob": 4, "cid": 4}
    assert len(counts_of(Folder(root, levels="class"))) == 3


def test_people_below_classes_are_classes_with_a_remark(touch):
    root = touch(*(f"{mood}/{person}/1.jpg" for person in ("ann", "bob", "cid") for mood in ("happy", "sad")))
    dataset = Folder(root)
    assert counts_of(dataset) == {("happy", None): 3, ("sad", None): 3}
    assert dataset.test_split == "random"
    assert "class/identity" in dataset.remarks[0]
    dataset = Folder(root, levels="class/identity")
    assert counts_of(dataset) == {("happy", None): 3, ("sad", None): 3}
    assert {example.identity for example in dataset.examples()} == {"ann", "bob", "cid"}
    assert dataset.test_split == "person"


def test_links_are_followed_but_not_in_circles(touch):
    root = touch("real/a.jpg", "set/cat/b.jpg")
    (root / "set" / "dog").symlink_to(root / "real", target_is_directory=True)
    (root / "real" / "again").symlink_to(root / "real", target_is_directory=True)
    assert counts_of(Folder(root / "set")) == {("cat", None): 1, ("dog", None): 1}


def test_a_link_that_leads_nowhere_may_be_a_class_and_is_refused(touch):
    root = touch("cat/a.jpg", "dog/a.jpg")
    (root / "bird").symlink_to(root / "unplugged", target_is_directory=True)
    assert f"{root / 'bird'} is a link that leads nowhere. Mend it, or remove it." in error_of(root)


@pytest.mark.parametrize("place", ["", "run/", "runs/first/"])
def test_runs_in_the_folder_are_no_classes(touch, place):
    root = touch("cat/a.jpg", "dog/a.jpg")
    write(root, *(f"{place}{name}" for name in ("config.toml", "labels.json", "samples/1.png", "checkpoints/x/g.bin")))
    dataset = Folder(root)
    assert counts_of(dataset) == {("cat", None): 1, ("dog", None): 1}


def test_a_folder_relative_to_another_is_told_with_where_it_was_sought(touch, monkeypatch):
    monkeypatch.chdir(touch("cat/a.jpg").parent)
    assert f"pets: no such folder in {touch().parent}. " in error_of(Path("pets"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_picture(touch):
    root = touch("cat/a.jpg", "dog/a.jpg")
    os.mkfifo(root / "cat" / "pipe.jpg")
    dataset = Folder(root)
    assert counts_of(dataset) == {("cat", None): 1, ("dog", None): 1}
    assert list(dataset.remarks) == ["Left out: 1 file that is not read as a picture (1 .jpg), such as 'cat/pipe.jpg'."]


def test_a_class_whose_name_is_not_utf_8_is_refused(touch):
    root = touch("cat/a.jpg")
    write(root, os.fsdecode(b"caf\xe9/a.jpg"))
    with pytest.raises(DataError, match="cannot be shown: rename it"):
        counts_of(Folder(root))


def test_all_names_that_cannot_be_shown_are_in_one_message(touch):
    root = touch("cat/a.jpg", "two\nlines/a.jpg", "\x1b[31mred/a.jpg")
    with pytest.raises(DataError, match="names of 2 class folders .* shown: '.x1b.31mred', 'two.nlines'. Rename"):
        counts_of(Folder(root))


def test_a_location_that_is_not_utf_8_is_refused_at_once(cli, train, touch):
    root = touch("cat/a.jpg", "dog/a.jpg").rename(os.fsdecode(os.fsencode(touch().parent) + b"/caf\xe9"))
    for outcome in (train(datasets=f"folder:{root}"), cli("data", "check", "--json", "--datasets", f"folder:{root}")):
        assert (outcome.code, outcome.out) == (2, "")
        assert "is not UTF-8" in outcome.err
        outcome.err.encode()


def test_images_whose_names_are_not_utf_8_are_trained_on(train, tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for number in range(4):
            name = os.fsdecode(b"caf\xe9%d.png" % number)
            Image.new("RGB", (40, 48), (60 * number, len(kind), 9)).save(tmp_path / "pets" / kind / name)
    outcome = train("--max-steps", 1, datasets=f"folder:{tmp_path / 'pets'}")
    assert outcome.code == 0, outcome.err


def test_advice_about_a_path_with_a_comma_works(cli, touch):
    root = touch("my, pets/cat/a.jpg", "my, pets/dog/b.jpg")
    for path in (root / "my, pets").glob("*/*"):
        Image.new("RGB", (40, 48), (len(path.name), 3, 9)).save(path)
    advice = shlex.split(error_of(root).rpartition("Use ")[2])
    assert "labels" in cli("data", "check", "--json", *advice).out


def test_a_folder_of_images_trains(train, tmp_path):
    for split in ("train", "test"):
        for color in ("red", "green", "blue"):
            (tmp_path / "colors" / split / color).mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (40, 48), color).save(tmp_path / "colors" / split / color / f"{number}.png")
    outcome = train("--max-steps", 1, datasets=f"colors=folder:{tmp_path / 'colors'}")
    assert outcome.code == 0, outcome.err


def test_classes_of_any_name_are_trained_and_named_in_edits(cli, train, tmp_path):
    names = ["St. Bernard", "A=B", "black,white", 'o\'neil "x" [y]', "笑顔", "trailing."]
    for name in names:
        for number in range(4):
            (tmp_path / "dogs" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 48), (60 * number, len(name), 9)).save(tmp_path / "dogs" / name / f"{number}.png")
    outcome = train("--max-steps", 1, datasets=f"dogs=folder:{tmp_path / 'dogs'}")
    assert outcome.code == 0, outcome.err
    edits = [quote_name(name) for name in names]
    shown = [argument for edit in edits for argument in ("--to", edit)]
    picture = tmp_path / "dogs" / "A=B" / "0.png"
    outcome = cli("translate", tmp_path / "run", picture, *shown, "--current", "A=B", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert len(list((tmp_path / "out").iterdir())) == len(names)
    outcome = cli("export", tmp_path / "run", tmp_path / "model")
    assert outcome.code == 0, outcome.err
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert """--to '"A=B"'""" in card


def test_a_run_begun_before_folders_were_asked_about_goes_on(train, tmp_path):
    for number, place in enumerate(PEOPLE):
        (tmp_path / "faces" / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 48), (20 * number, 7, 9)).save(tmp_path / "faces" / place)
    datasets = f"faces=folder:{tmp_path / 'faces'}"
    assert train("--max-steps", 1, "--set", "datasets.faces.levels=class", datasets=datasets).code == 0
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace('levels = "class"\n', ""), encoding="utf-8")
    assert train("--max-steps", 2, "--resume", datasets=datasets).code == 2
    outcome = train("--max-steps", 2, "--resume", "--set", "datasets.faces.levels=class", datasets=datasets)
    assert outcome.code == 0, outcome.err
    outcome = train("--max-steps", 3, "--resume", "--set", "datasets.faces.levels=identity/class", datasets=datasets)
    assert outcome.code == 2, "these are other labels"


def test_a_bad_root_is_a_wrong_request(train, tmp_path):
    outcome = train(datasets=f"folder:{tmp_path / 'nowhere'}")
    assert (outcome.code, outcome.out) == (2, "")
    assert "nowhere: no such folder" in outcome.err.replace("\n", "")
