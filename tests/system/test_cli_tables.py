"""Tables as people download and export them: right at once, or after a line of the one message is pasted."""

import json
import shlex

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

COMMON = ("--json", "--set", "data.image_size=16")


@pytest.fixture
def folder(tmp_path):
    """Draws images: `folder(["a/0.jpg"]) -> path`."""

    def draw(names):
        for number, name in enumerate(names):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 20), (number % 250, number // 250, 90)).save(tmp_path / name)
        return tmp_path

    return draw


@pytest.fixture
def check(cli):
    """Checks a dataset and returns exit code, images, and label → training, test and unknown images in all."""

    def run(dataset, *options):
        outcome = cli("data", "check", "--datasets", dataset, *COMMON, *options)
        if outcome.code:
            return outcome.code, outcome.err
        found = json.loads(outcome.out)["datasets"][dataset.partition("=")[0]]
        return found["images"], {
            label["name"]: (label["train"] + label["test"], label["unknown"]) for label in found["labels"]
        }

    return run


def pasted(message, which=0):
    line = [line for line in message.splitlines() if "--set" in line][which]
    return shlex.split(line[line.index("--set") :])


def test_numbers_for_classes_beside_amounts(folder, check):
    root = folder([f"{row % 3}/{row:03}.jpg" for row in range(66)])
    lines = ["subDirectory_filePath,face_x,face_width,facial_landmarks,expression,valence,source"]
    lines += [f"{r % 3}/{r:03}.jpg,{r * 7},{r + 90},{r}.5;{r}.25,{r % 11},{r / 66:.3f},web" for r in range(66)]
    (root / "training.csv").write_text("\n".join(lines))
    code, message = check(f"faces=table:{root}/training.csv")
    assert code == 2
    images, labels = check(f"faces=table:{root}/training.csv", *pasted(message))
    assert (images, len(labels)) == (66, 11)
    where = ("--set", "datasets.faces.where=expression < 8")
    images, labels = check(f"faces=table:{root}/training.csv", *pasted(message), *where)
    assert (images, labels) == (48, {str(number): (6, 0) for number in range(8)})


def test_yes_no_and_uncertain(folder, check):
    names = [f"CheXpert/train/patient{row // 2:05}/view{row % 2}.jpg" for row in range(40)]
    root = folder(names)
    signs = ["1.0", "0.0", "-1.0", ""]
    lines = ["Path,Sex,Age,No Finding,Edema,Pleural Effusion"]
    lines += [
        f"{n},{'FM'[r % 2]},{20 + r},{['1.0', ''][r % 2]},{signs[r % 4]},{signs[-r % 4]}" for r, n in enumerate(names)
    ]
    (root / "CheXpert" / "train.csv").write_text("\n".join(lines))
    code, message = check(f"chest=table:{root}/CheXpert/train.csv")
    assert code == 2
    images, labels = check(f"chest=table:{root}/CheXpert/train.csv", *pasted(message))
    assert images == 40
    assert labels == {"F": (20, 0), "M": (20, 0), "Edema": (10, 20), "Pleural Effusion": (10, 20)}


def test_a_parquet_file_with_a_doubtful_column(folder, check):
    root = folder([f"train/{row}.jpg" for row in range(40)])
    columns = {
        "file": [f"train/{row}.jpg" for row in range(40)],
        "age": [["0-2", "3-9", "more than 70"][row % 3] for row in range(40)],
        "gender": [["Male", "Female"][row % 2] for row in range(40)],
        "service_test": [row % 4 == 0 for row in range(40)],
    }
    pq.write_table(pa.table(columns), root / "faces.parquet")
    code, message = check(f"fair=table:{root}")
    assert code == 2
    images, labels = check(f"fair=table:{root}", *pasted(message, 1))
    assert images == 40
    assert labels["Male"] == labels["Female"] == (20, 0)
    assert list(labels) == ["0-2", "3-9", "more than 70", "Female", "Male"]


def test_a_table_of_windows(folder, check):
    root = folder([f"Bilder/Bild {row}.jpg" for row in range(40)])
    lines = ["Datei;Geschlecht;Brille;Größe"]
    lines += [
        f"Bilder\\Bild {r}.jpg;{['männlich', 'weiblich'][r % 2]};{['ja', 'nein', 'NA', ''][r % 4]};1,{r}"
        for r in range(40)
    ]
    (root / "Tabelle.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    images, labels = check(f"leute=table:{root}")
    assert images == 40
    assert labels == {"männlich": (20, 0), "weiblich": (20, 0), "ja": (10, 20), "nein": (10, 20)}
