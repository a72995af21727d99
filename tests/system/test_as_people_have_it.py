"""`data check` on data as people have it, at the first try: right, or one message with a line that makes it right."""

import csv
import io
import json
import random
import shlex

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

ATTRIBUTES = [*"Bald Black_Hair Blond_Hair Brown_Hair Gray_Hair Male Smiling Young".split()]  # noqa: SIM905
HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair")
COUNT = 60
EXPRESSIONS = "angry contemptuous disgusted fearful happy neutral sad surprised".split()  # noqa: SIM905


def draw(path, number, size=(89, 109)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (number * 3 % 256, 90, number * 7 % 256))
    image.putpixel((number % size[0], number // size[0]), (255, 255, 255))
    image.save(path)


def faces(count=COUNT):
    """Attributes of each face: three hair colours in turn, then coins, the same at each call."""
    coins = random.Random(3)
    rows = []
    for number in range(count):
        row = {name: coins.random() < 0.5 for name in ATTRIBUTES}
        rows.append(row | {name: name == HAIR[number % 3] for name in HAIR} | {"Bald": False, "Gray_Hair": False})
    return rows


def attribute_text(names, separator, *, count):
    lines = [str(len(names))] if count else []
    lines.append(separator.join(ATTRIBUTES if count else ["image_id", *ATTRIBUTES]))
    for name, row in zip(names, faces(), strict=True):
        lines.append(separator.join([name, *("1" if row[label] else "-1" for label in ATTRIBUTES)]))
    return "\n".join([*lines, ""])


def celeba_as_kaggle_has_it(root):
    names = [f"{number:06d}.jpg" for number in range(1, COUNT + 1)]
    for number, name in enumerate(names):
        draw(root / "img_align_celeba/img_align_celeba" / name, number, (178, 218))
    (root / "list_attr_celeba.csv").write_text(attribute_text(names, ",", count=False))
    parts = [f"{name},{0 if number < 40 else 1 if number < 48 else 2}" for number, name in enumerate(names)]
    (root / "list_eval_partition.csv").write_text("\n".join(["image_id,partition", *parts, ""]))
    (root / "list_bbox_celeba.csv").write_text("image_id,x_1,y_1,width,height\n")


def celeba_as_the_reference_has_it(root):
    names = [f"{number:06d}.jpg" for number in range(1, COUNT + 1)]
    for number, name in enumerate(names):
        draw(root / "images" / name, number, (178, 218))
    (root / "list_attr_celeba.txt").write_text(attribute_text(names, " ", count=True))


def celeba_as_its_site_has_it(root):
    names = [f"{number:06d}.jpg" for number in range(1, COUNT + 1)]
    for number, name in enumerate(names):
        draw(root / "Img/img_align_celeba" / name, number, (178, 218))
    (root / "Anno").mkdir()
    (root / "Anno/list_attr_celeba.txt").write_text(attribute_text(names, "  ", count=True))
    people = "\n".join(f"{name} {number // 3}" for number, name in enumerate(names))
    (root / "Anno/identity_CelebA.txt").write_text(people)
    (root / "Eval").mkdir()
    parts = [f"{name} {0 if number < 40 else 1 if number < 48 else 2}" for number, name in enumerate(names)]
    (root / "Eval/list_eval_partition.txt").write_text("\n".join(parts))


def celeba_as_png(root):
    names = [f"{number:06d}.jpg" for number in range(1, COUNT + 1)]
    for number, name in enumerate(names):
        draw(root / "img_align_celeba_png" / name.replace("jpg", "png"), number, (178, 218))
    (root / "list_attr_celeba.txt").write_text(attribute_text(names, " ", count=True))


CELEBA = {
    "Kaggle's": (celeba_as_kaggle_has_it, 12),
    "the reference's": (celeba_as_the_reference_has_it, None),
    "Anno, Eval, Img": (celeba_as_its_site_has_it, 12),
    "PNG": (celeba_as_png, None),
}


def rafd(root, ending=".jpg", change=str):
    number = 0
    for person in (1, 2, 3, 4):
        for expression in EXPRESSIONS:
            for gaze in ("left", "frontal", "right"):
                name = f"Rafd090_{person:02d}_Caucasian_female_{expression}_{gaze}"
                draw(root / (change(name) + (change(ending))), number, (68, 102))
                number += 1


@pytest.fixture
def check(cli, tmp_path):
    """Checks a dataset: `check("celeba") -> report`; `confirmed` pastes the first line of the message, and checks again."""

    def run(datasets, *, confirmed=False):
        arguments = ["data", "check", "--datasets", datasets, "--data", tmp_path, "--json"]
        outcome = cli(*arguments)
        if confirmed:
            assert outcome.code == 2, outcome.out
            line = next(line for line in outcome.err.splitlines() if "--set " in line)
            outcome = cli(*arguments, *shlex.split(line[line.index("--set ") :]))
        assert outcome.code == 0, outcome.err
        (report,) = json.loads(outcome.out)["datasets"].values()
        return report

    return run


def counts(report):
    return {label["name"]: label["train"] + label["test"] for label in report["labels"]}


def unknown(report):
    return {label["name"]: label["unknown"] for label in report["labels"] if label["unknown"]}


@pytest.mark.parametrize("kind", CELEBA)
def test_celeba(check, tmp_path, kind):
    build, test = CELEBA[kind]
    build(tmp_path / "celeba")

    found = check("celeba")

    assert found["images"] == COUNT
    assert test is None or found["test"] == test
    expected = {name: sum(row[name] for row in faces()) for name in (*HAIR, "Male", "Young")}
    assert counts(found) == expected
    assert unknown(found) == {}


@pytest.mark.parametrize("ending, change", [(".jpg", str.upper), (".png", str)], ids=["capitals", "PNG"])
def test_rafd(check, tmp_path, ending, change):
    rafd(tmp_path / "rafd", ending, change)

    found = check("rafd")

    assert (found["images"], found["people"], found["split"]) == (96, 4, "person")
    assert counts(found) == dict.fromkeys(EXPRESSIONS, 12)


def test_the_four_folders_of_cyclegan(check, tmp_path):
    sizes = {"trainA": 24, "trainB": 18, "testA": 5, "testB": 4}
    for folder, count in sizes.items():
        for number in range(count):
            draw(tmp_path / "horses" / folder / f"{number}.jpg", number + 100 * len(folder) + ord(folder[-1]))
    (tmp_path / "horses/trainA/.DS_Store").write_bytes(b"junk")
    (tmp_path / "horses/trainA/Thumbs.db").write_bytes(b"junk")

    found = check(f"folder:{tmp_path / 'horses'}")

    assert (found["training"], found["test"], found["split"]) == (42, 9, "given")
    assert sorted(counts(found).values()) == [22, 29]


def write_csv(path, header, rows, *, separator=",", encoding="utf-8", ending="\n"):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=ending)
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def test_expressions_in_numbers(check, tmp_path):
    rows = []
    for number in range(COUNT):
        draw(tmp_path / f"set/images/{number}.jpg", number)
        box = [number % 7, number % 5, 200 + number, 210 + number]
        rows.append([f"images/{number}.jpg", *box, number % 11, -0.5 + number / 97, number / 211, "expert"])
    header = ["subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression", "valence"]
    write_csv(tmp_path / "set/training.csv", [*header, "arousal", "annotator"], rows)

    found = check(f"table:{tmp_path / 'set/training.csv'}", confirmed=True)

    assert found["images"] == COUNT
    assert sorted(counts(found).values()) == sorted(len(range(k, COUNT, 11)) for k in range(11))
    assert len(found["labels"]) == 11


def test_findings_that_are_uncertain(check, tmp_path):
    cells = ["1.0", "0.0", "-1.0", ""]
    rows = []
    for number in range(COUNT):
        place = f"train/patient{number // 3:05d}/study1/view1_frontal_{number}.jpg"
        draw(tmp_path / "xrays" / place, number)
        rows.append([place, "Female" if number % 2 else "Male", 20 + number % 60, "Frontal"])
        rows[-1] += [cells[number % 4], cells[number // 4 % 4]]
    header = ["Path", "Sex", "Age", "Frontal/Lateral", "Cardiomegaly", "Edema"]
    write_csv(tmp_path / "xrays/train.csv", header, rows)

    found = check(f"table:{tmp_path / 'xrays/train.csv'}", confirmed=True)

    both = counts(found)
    assert found["images"] == COUNT
    assert both["Cardiomegaly"] == 15
    assert unknown(found)["Cardiomegaly"] == 30
    assert unknown(found)["Edema"] == sum(number // 4 % 4 > 1 for number in range(COUNT))
    assert not any("Frontal" in name for name in both)


def test_a_parquet_with_images_in_its_cells(check, tmp_path):
    images, ages, genders = [], [], []
    for number in range(COUNT):
        text = io.BytesIO()
        image = Image.new("RGB", (40, 40), (number * 3, 80, number))
        image.save(text, "PNG")
        images.append({"bytes": text.getvalue(), "path": f"{number}.png"})
        ages.append(["0-2", "3-9", "more than 70"][number % 3])
        genders.append(["Male", "Female"][number % 2])
    (tmp_path / "fair/data").mkdir(parents=True)
    table = pa.table({"image": images, "age": ages, "gender": genders, "service_test": [True] * COUNT})
    pq.write_table(table, tmp_path / "fair/data/train-00000-of-00001.parquet")

    found = check(f"huggingface:{tmp_path / 'fair'}")

    assert found["images"] == COUNT
    assert {name: count for name, count in counts(found).items() if name in {"0-2", "3-9", "more than 70"}} == {
        "0-2": 20,
        "3-9": 20,
        "more than 70": 20,
    }
    assert not any("service" in name for name in counts(found))


def test_a_spreadsheet_of_windows(check, tmp_path):
    rows = []
    for number in range(COUNT):
        draw(tmp_path / f"Bilder/{number}.jpg", number)
        cells = [rf"Bilder\{number}.jpg", ["Löwe", "Bär", "n/a"][number % 3], ["ja", "nein"][number % 2]]
        rows.append([*cells, f"{number / 7:.3f}".replace(".", ",")])
    header = ["Datei", "Tier", "lächelt", "Gewicht"]
    write_csv(tmp_path / "Mappe1.csv", header, rows, separator=";", encoding="utf-16", ending="\r\n")

    found = check(f"table:{tmp_path / 'Mappe1.csv'}")

    assert found["images"] == COUNT
    both = counts(found)
    assert (both["Löwe"], both["Bär"]) == (20, 20)
    assert unknown(found)["Löwe"] == 20
    assert "n/a" not in both
    assert not any("Gewicht" in name for name in both)
