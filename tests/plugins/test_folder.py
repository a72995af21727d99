import pytest
from PIL import Image

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.folder import Folder
from stargan_fw_registry import Categorical


def error_of(root, **options):
    with pytest.raises(DataError) as caught:
        list(Folder(root, **options).examples())
    return str(caught.value)


def test_classes_are_the_sorted_folders_and_images_may_lie_deeper(touch):
    root = touch("dog/b.png", "dog/a.JPG", "cat/old/c.webp", "cat/notes.txt", "cat/.hidden.jpg", ".git/x.jpg")
    dataset = Folder(root)
    assert list(dataset.attributes) == [Categorical("class", ["cat", "dog"])]
    assert dataset.test_split == "random"
    found = [(example.image.relative_to(root).as_posix(), example.labels) for example in dataset.examples()]
    cat, dog = {"class": "cat"}, {"class": "dog"}
    assert found == [("cat/old/c.webp", cat), ("dog/a.JPG", dog), ("dog/b.png", dog)]
    assert {example.split for example in dataset.examples()} == {None}


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
    ],
)
def test_folders_of_splits_are_taken_as_given(touch, splits, expected):
    root = touch(*(f"{split}/{kind}/a.jpg" for split in splits for kind in ("cat", "dog")))
    dataset = Folder(root)
    assert dataset.test_split == "given"
    assert list(dataset.attributes) == [Categorical("class", ["cat", "dog"])]
    examples = list(dataset.examples())
    assert len(examples) == 2 * len(splits)
    assert all(expected[example.image.relative_to(root).parts[0]] == example.split for example in examples)


def test_a_root_that_is_missing_or_a_file_is_told(tmp_path):
    assert error_of(tmp_path / "pets").startswith(f"{tmp_path / 'pets'}: no such folder. ")
    (tmp_path / "pets").touch()
    message = error_of(tmp_path / "pets")
    assert ": not a folder. " in message
    assert message.endswith("--datasets folder:FOLDER.")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a.jpg"], "holds images but no class folders"),
        (["notes.txt"], "holds no class folders"),
        (["cat/a.jpg"], "holds one class only, 'cat': there is nothing to translate to"),
        (["cat/a.jpg", "dog/notes.txt"], "the class 'dog' has no images"),
        (["train/cat/a.jpg", "train/dog/a.jpg"], "holds the split 'train' and no other, instead of classes"),
        (["train/a.jpg", "test/a.jpg"], "train: holds images but no class folders"),
        (["train/cat/a.jpg", "train/dog/a.jpg", "test/cat/a.jpg"], "test: holds one class only"),
        (
            ["train/cat/a.jpg", "train/dog/a.jpg", "test/cat/a.jpg", "test/cow/a.jpg"],
            "the class 'dog' is in train/ but not in test/",
        ),
        (["train/a/1.jpg", "test/a/1.jpg", "more/a/1.jpg"], "'more' lies beside the splits test, train"),
        (["a.b/1.jpg", "c/1.jpg"], "contains one of '.,=/'"),
    ],
)
def test_what_is_no_image_folder_is_told(touch, files, message):
    assert message in error_of(touch(*files))


def test_a_class_of_the_tests_alone_is_told(touch):
    splits = {"train": ["cat", "dog"], "test": ["cat", "cow", "dog"]}
    root = touch(*(f"{split}/{kind}/a.jpg" for split, kinds in splits.items() for kind in kinds))
    assert "the class 'cow' is in test/ but not in train/" in error_of(root)


def test_a_root_one_level_off_is_told_where_to_go(touch):
    root = touch("pets/cat/a.jpg", "pets/dog/b.jpg")
    assert error_of(root).endswith(f"use --datasets folder:{root / 'pets'}")
    assert error_of(root / "pets" / "cat").endswith(f"use --datasets folder:{root / 'pets'}")


def test_a_folder_of_images_trains(train, tmp_path):
    for split in ("train", "test"):
        for color in ("red", "green", "blue"):
            (tmp_path / "colors" / split / color).mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (40, 48), color).save(tmp_path / "colors" / split / color / f"{number}.png")
    outcome = train("--max-steps", 1, datasets=f"colors=folder:{tmp_path / 'colors'}")
    assert outcome.code == 0, outcome.err


def test_a_bad_root_is_a_wrong_request(train, tmp_path):
    outcome = train(datasets=f"folder:{tmp_path / 'nowhere'}")
    assert (outcome.code, outcome.out) == (2, "")
    assert "nowhere: no such folder" in outcome.err.replace("\n", "")
