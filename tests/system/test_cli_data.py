"""`data check`, `data prepare` and `data clean` as a user calls them."""

import json
import re
import shlex
import shutil
from types import SimpleNamespace

import pytest
from PIL import Image

PLUGIN = """
from stargan_fw import Dataset, Example, hookimpl
from stargan_fw_registry import Categorical, Exclusive


class Things(Dataset):
    name = "things"
    attributes = [Exclusive("hat", ["cap", "helmet"]), Categorical("side", ["train", "test", "val"])]

    def examples(self):
        for number, path in enumerate(sorted(self.root.glob("*.jpg"))):
            hats = {"cap": number % 2, "helmet": 1 - number % 2 if number != 4 else 1}
            yield Example(path, {**hats, "side": "train" if number % 3 else None}, identity=str(number // 2))


@hookimpl
def register_datasets(register):
    register(Things)
"""
COMMON = ("--set", "data.image_size=32")


@pytest.fixture
def data(small_data, tmp_path):
    """A folder with rafd/ and things/."""
    root = tmp_path / "data"
    shutil.copytree(small_data / "rafd", root / "rafd")
    (root / "things").mkdir()
    for number, image in enumerate(sorted((root / "rafd").glob("*.jpg"))[:40]):
        shutil.copy(image, root / "things" / f"{number:02d}.jpg")
    (root / "things.py").write_text(PLUGIN)
    return root


@pytest.fixture
def check(cli, data):
    def run(*options, datasets="rafd"):
        plugin = ("--plugin", data / "things.py")
        return cli("data", "check", "--datasets", datasets, "--data", data, *plugin, *COMMON, *options)

    return run


def report(outcome, name="rafd"):
    return json.loads(outcome.out)["datasets"][name]


def test_good_data(check, data):
    outcome = check("--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["ok"]
    found = report(outcome)
    assert found["images"] == found["training"] + found["test"] == 120
    assert found["people"] == 5
    assert found["people_on_both_sides"] == found["problems"] == []
    assert sum(label["train"] + label["test"] for label in found["labels"]) == 120
    assert found["together"]["happy"]["happy"] == 15
    assert found["together"]["happy"]["sad"] == 0
    assert found["store_bytes"] == 120 * 32 * 32 * 3
    assert any("'happy' has 12 training images, fewer than 16." in warning for warning in found["warnings"])
    assert not list(data.rglob("*.arrow"))


def test_the_table(check):
    outcome = check()
    assert outcome.code == 0
    assert "96 training and 24 test images, 5 people named" in outcome.out
    assert "decoded: 368.6 kB" in outcome.out
    assert "warning: 'angry' has" in outcome.out


COLUMNS = {
    "caption": lambda number: f"a portrait of person {number} who looks at us",
    "patient_id": lambda number: f"P{number // 3:02}",
    "age": lambda number: f"{20 + number / 7:.2f}",
    "camera": lambda number: "EOS",
    "mood": lambda number: ("glad", "sad", "NA")[number % 3],
    "tags": lambda number: '"hat,beard"' if number % 2 else "hat",
    "fine": lambda number: "yes" if number % 2 else "",
    "Usage": lambda number: "PublicTest" if number % 6 == 0 else "Training",
}


@pytest.fixture
def table(tmp_path):
    """A table of 60 pictures with columns as people have them."""
    rows = ["image," + ",".join(COLUMNS)]
    for number in range(60):
        Image.new("RGB", (20, 20), (number * 4, 90, 0)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png," + ",".join(cell(number) for cell in COLUMNS.values()))
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    return f"faces=table:{tmp_path / 'faces.csv'}"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", ["data check", "train", "train --dry-run"])
def test_what_was_inferred_and_left_out_is_in_the_table(cli, tiny, table, tmp_path, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", str(width))
    options = ("--out", tmp_path / "run", *tiny.options, "--max-steps", 1) if command.startswith("train") else ()

    outcome = cli(*command.split(), "--datasets", table, *options)

    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert max(map(len, (line for line in lines if line.startswith(("│", "┃"))))) <= width
    rows: dict[str, str] = {}
    for first, *_, last in cells:
        place = f"{first} {len(rows)}" if first else list(rows)[-1]
        rows[place] = f"{rows.get(place, '')} {last}".strip()
    said = [(place.rpartition(" ")[0], text) for place, text in rows.items()]
    assert [text for kind, text in said if kind == "inferred"] == [
        "column 'patient_id': who is on an image, 20 people on 60 of 60 images",
        "column 'Usage': the split: PublicTest 10 (test), Training 50 (train)",
    ]
    left_out = [text for kind, text in said if kind == "left out"]
    assert [text.partition(":")[0] for text in left_out] == [
        f"column '{name}'" for name in ("caption", "age", "camera", "fine")
    ]
    assert left_out[1].endswith("amounts, not classes")
    assert 'if an empty cell means no: --set \'datasets.faces.values={"fine" = {"" = false}}\'' in outcome.out
    assert "warning: Left out" not in outcome.out


def test_a_table_of_very_many_columns_does_not_fill_the_screen(cli, tiny, tmp_path):
    names = [f"feature{number}" for number in range(300)]
    rows = [",".join(["image", "mood", *names])]
    for number in range(24):
        Image.new("RGB", (20, 20), (number * 4, 90, 0)).save(tmp_path / f"{number}.png")
        rows.append(",".join([f"{number}.png", "ab"[number % 2], *(f"{number / 7 + column}" for column in range(300))]))
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    command = ("train", "--datasets", f"table:{tmp_path / 'faces.csv'}", "--out", tmp_path / "run", *tiny.options)

    outcome = cli(*command, "--max-steps", 1)

    assert outcome.code == 0, outcome.err
    assert "and 288 more, which 'stargan-fw data check'" in " ".join(outcome.out.replace("│", " ").split())
    checked = ("data", "check", "--datasets", f"table:{tmp_path / 'faces.csv'}")
    named = cli(*checked, "--set", 'datasets.table.labels=["mood"]')
    assert "and 288 more: not named by `labels`" in " ".join(named.out.replace("│", " ").split())


def test_a_dataset_that_cannot_be_listed_is_shown_with_the_others(check, data):
    outcome = check("--json", datasets="rafd,celeba")
    assert outcome.code == 2
    document = json.loads(outcome.out)
    assert not document["ok"]
    absent, there = document["datasets"]["celeba"], document["datasets"]["rafd"]
    assert (absent["images"], absent["labels"], absent["split"], len(absent["problems"])) == (0, [], "", 1)
    assert absent["root"] == str(data / "celeba")
    assert (there["images"], there["problems"]) == (120, [])

    shown = check(datasets="rafd,celeba")
    assert shown.code == 2
    assert "rafd: 96 training and 24 test images" in shown.out
    assert "celeba: 0 training" not in shown.out
    assert f"problem: {absent['problems'][0].splitlines()[0]}" in shown.out
    assert f"Error: celeba: {absent['problems'][0].splitlines()[0]}" in shown.err


def test_bad_data(check, data):
    things = data / "things"
    (things / "00.jpg").write_bytes((things / "00.jpg").read_bytes()[:300])
    shutil.copy(things / "01.jpg", things / "99.jpg")

    outcome = check("--json", datasets="things")

    assert outcome.code == 2
    assert outcome.err.startswith("Error: things: ")
    assert len(outcome.err.strip().splitlines()) == 1
    found = report(outcome, "things")
    assert list(found["unreadable"]) == ["00.jpg"]
    assert found["duplicates"] == [["01.jpg", "99.jpg"]]
    assert list(found["violations"]) == []
    assert found["people_on_both_sides"]
    text = " ".join(found["problems"] + found["warnings"])
    for said in ("00.jpg", "test_split", "No image has 'test'", "names of splits", "'01.jpg' = '99.jpg'"):
        assert said in text
    assert check("--set", "datasets.things.on_bad_image=skip", datasets="things").code == 0


def test_violated_groups_and_wrong_labels(check, data):
    plugin = data / "things.py"
    plugin.write_text(
        PLUGIN.replace("1 - number % 2 if", "1 if number == 3 else 1 - number % 2 if").replace(
            '"train" if', '"tain" if'
        )
    )
    found = report(check("--json", datasets="things"), "things")
    assert list(found["violations"]) == ["03.jpg"]
    assert "did you mean" in next(iter(found["wrong_labels"].values()))
    assert len(found["problems"]) == 2


def test_a_violated_group_may_count_as_unknown(check, data):
    plugin = data / "things.py"
    plugin.write_text(PLUGIN.replace("1 - number % 2 if", "1 if number == 3 else 1 - number % 2 if"))
    outcome = check(datasets="things")
    assert outcome.code == 2
    assert "Correct them, or let the group count as unknown on them: --set" in outcome.err
    outcome = check("--json", "--set", "datasets.things.on_contradiction=unknown", datasets="things")
    found = report(outcome, "things")
    assert (outcome.code, list(found["violations"])) == (0, ["03.jpg"])
    assert any("The group counts as unknown on them." in warning for warning in found["warnings"])
    assert [label["unknown"] for label in found["labels"][:2]] == [1, 1]


def test_the_sheet(check, tmp_path):
    assert check("--sheet", tmp_path / "sheet.png", datasets="rafd,things").code == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 8 * 128
    assert check("--sheet", tmp_path / "new" / "sheet.png").code == 0
    assert (tmp_path / "new" / "sheet.png").exists()


def test_a_sheet_that_cannot_be_written_is_refused_before_the_images_are_read(check, tmp_path, monkeypatch):
    monkeypatch.setattr("stargan_fw_data.image_check.check", None)
    (tmp_path / "folder.png").mkdir()
    for name, said in (("sheet.txt", "End it in .png."), ("sheet", "End it in .png."), ("folder.png", "is a folder")):
        outcome = check("--sheet", tmp_path / name)
        assert (outcome.code, said in outcome.err) == (2, True), outcome.err


@pytest.mark.parametrize("command", ["check", "prepare"])
def test_what_is_refused(cli, data, command):
    for options, said in (
        ((), "No dataset is named"),
        (("--datasets", "rafdd"), "'rafd'"),
        (("--set", "x"), "key=value"),
        (
            ("--datasets", "rafd", "--set", "datasets.rafd.angel=[90]"),
            "Error: --set: Unknown key 'datasets.rafd.angel'",
        ),
    ):
        outcome = cli("data", command, "--data", data, *options)
        assert outcome.code == 2
        assert said in outcome.err
    assert not (data / ".stargan-fw").exists()


def test_no_image(check, data):
    for path in (data / "things").glob("*.jpg"):
        path.unlink()
    outcome = check(datasets="things")
    assert outcome.code == 2
    assert "There are no images at" in outcome.err


def test_prepare_and_clean(cli, data, tmp_path):
    where = ("--data", data, "--cache", tmp_path / "cache")
    outcome = cli("data", "prepare", "--datasets", "rafd", *where, "--image-size", "32")
    assert outcome.code == 0
    assert "decoding 120 images of rafd, which take 368.6 kB" in outcome.out
    again = cli("data", "prepare", "--datasets", "rafd", *where, "--image-size", "32")
    assert "decoding" not in again.out

    outcome = cli("data", "clean", *where)
    assert outcome.code == 0
    assert "removed 1 store" in outcome.out
    assert not (tmp_path / "cache").exists()
    assert cli("data", "clean", *where, "--plugin", data / "things.py").code == 0


def test_the_disk_must_hold_all_datasets_together(cli, data, tmp_path, monkeypatch):
    where = ("--data", data, "--plugin", data / "things.py", "--cache", tmp_path / "cache", "--image-size", "32")
    options = ("--datasets", "rafd,things", "--set", "datasets.things.test_size=0.2")
    options += ("--set", "datasets.things.test_split=random")
    plugin = data / "things.py"
    plugin.write_text(plugin.read_text().replace("if number != 4 else 1", ""))
    size = (120 + 40) * 32 * 32 * 3
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=size - 1))

    outcome = cli("data", "prepare", *where, *options)

    assert outcome.code == 2
    assert "need 491.5 kB" in outcome.err
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=size))
    assert cli("data", "prepare", *where, *options).code == 0


@pytest.mark.parametrize(
    ("dataset", "spoil", "key"),
    [
        ("celeba", lambda root: (root / "img_align_celeba" / "000003.jpg").unlink(), "on_bad_image=skip"),
        ("celeba", lambda root: swap(root / "list_attr_celeba.txt", "Young", "Jung"), "attributes="),
        ("rafd", lambda root: next(root.glob("*.jpg")).rename(root / "somebody.jpg"), "on_bad_image=skip"),
    ],
    ids=["absent image", "renamed attribute", "unknown expression"],
)
def test_a_remedy_names_the_dataset_as_the_user_does_and_works(cli, small_data, tmp_path, dataset, spoil, key):
    root = shutil.copytree(small_data / dataset, tmp_path / "data")
    spoil(root)
    command = ("data", "check", "--datasets", f"faces={dataset}:{root}")
    outcome = cli(*command)
    assert outcome.code == 2
    (setting,) = re.findall(rf"--set (?:'datasets\.faces\.{key}[^']*'|datasets\.faces\.{key}[^\s.;]*)", outcome.err)
    assert cli(*command, *shlex.split(setting)).code == 0


def swap(path, old, new):
    path.write_text(path.read_text().replace(old, new))
