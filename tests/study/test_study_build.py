"""`study build` as a researcher calls it: the page, the key, and what is refused."""

import hashlib
import json
import random
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from stargan_fw.errors import ConfigError, DataError
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_evaluate import HeldOut
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema
from stargan_fw_study.attention_checks import draw_check
from stargan_fw_study.study_key import Key
from stargan_fw_study.study_questions import Task, default_tasks, draw_questions, parse_tasks

CELEBA = LabelSchema("celeba", [Exclusive("hair", ["black", "blond"]), Binary("Male"), Binary("Young")])
RAFD = LabelSchema("rafd", [Categorical("expression", ["happy", "sad", "neutral"])])


@pytest.fixture(scope="session")
def two(trained_once, tmp_path_factory):
    """Two runs with other weights, called sun and moon."""
    folder = tmp_path_factory.mktemp("two")
    for name in ("sun", "moon"):
        shutil.copytree(trained_once, folder / name)
    step = folder / "moon/checkpoints/step-00000004"
    shutil.move(step / "generator.safetensors", step / "ema.safetensors")
    (step / "SHA256SUMS").unlink()
    files = sorted(step.iterdir())
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (step / "SHA256SUMS").write_text("".join(sums))
    return folder / "sun", folder / "moon"


def document_of(page):
    return json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_holds_everything_and_names_nobody(cli, two, tmp_path):
    outcome = cli("study", "build", *two, "--questions", "16", "--title", "Faces <1>", "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    page = (tmp_path / "study.html").read_text()
    key = Key.read(tmp_path / "key.json")
    document = document_of(page)

    assert document["study"] == key.study
    assert len(document["questions"]) == 16 + 7
    for question, entry in zip(document["questions"], key.questions, strict=True):
        assert question["id"] == entry.id
        assert [option["id"] for option in question["options"]] == list(entry.options)
        assert len({option["image"] for option in question["options"]}) == 2
        assert question["input"] not in {option["image"] for option in question["options"]}
        assert set(entry.options.values()) == ({"untouched", "spoilt"} if entry.answer else {"sun", "moon"})
    firsts = {next(iter(entry.options.values())) for entry in key.questions}
    assert firsts == {"sun", "moon", "untouched", "spoilt"}

    without_pictures = re.sub(r"data:image/webp;base64,[\w+/=]+", "", page)
    for name in ("sun", "moon", "celeba.", "rafd", "untouched", ".jpg", str(tmp_path)):
        assert name not in without_pictures, name
    assert not re.search(r"https?://|<link [^>]*href=\"(?!data)|<img[^>]* src=", without_pictures)
    assert "Content-Security-Policy" in page
    assert "Faces &lt;1&gt;" in page


def test_questions_are_held_out_and_spread_over_the_tasks(cli, two, tmp_path):
    assert cli("study", "build", *two, "--questions", "17", "-o", tmp_path).code == 0
    key = Key.read(tmp_path / "key.json")
    splits = RunFolder(two[0]).splits()
    names = [task.name for task in key.tasks]
    assert names == [
        f"celeba.{n}" for n in ("hair", "Male", "Young", "hair+Male", "hair+Young", "Male+Young", "hair+Male+Young")
    ] + ["rafd.expression"]
    for question in key.questions:
        dataset = question.edit.partition(".")[0] or ("rafd" if question.input.startswith("Rafd") else "celeba")
        assert question.input in splits[dataset]["test"]
    votes = [sum(question.task == name for question in key.questions) for name in names]
    assert votes == [3, 2, 2, 2, 2, 2, 2, 2]


def test_the_same_request_gives_the_same_study_and_another_seed_another(cli, two, tmp_path):
    request = ["study", "build", *two, "--questions", "8"]
    for name in ("a", "b"):
        assert cli(*request, "-o", tmp_path / name).code == 0
    assert cli(*request, "--seed", "1", "-o", tmp_path / "c").code == 0
    pages = [(tmp_path / name / "study.html").read_bytes() for name in "abc"]
    assert pages[0] == pages[1] != pages[2]

    assert cli(*request, "-o", tmp_path / "a").code == 0  # the same again harms nothing
    refused = cli(*request, "--seed", "1", "-o", tmp_path / "a")
    assert refused.code == 2
    assert "another study" in refused.err
    assert (tmp_path / "a/study.html").read_bytes() == pages[0]


def test_tasks_words_and_names_are_as_said(cli, two, tmp_path):
    options = ["--tasks", "Male,hair+Male", "--questions", "10", "--checks", "0", "--say", "Male=0:a woman"]
    options += ["--say", "celeba.Male=1:a man"]
    assert cli("study", "build", f"Ours={two[0]}", f"Theirs={two[1]}", *options, "-o", tmp_path).code == 0
    key = Key.read(tmp_path / "key.json")
    assert list(key.methods) == ["Ours", "Theirs"]
    assert [task.name for task in key.tasks] == ["Male", "hair+Male"]
    asked = [question["wanted"] for question in document_of((tmp_path / "study.html").read_text())["questions"]]
    assert {words[-1] for words in asked} <= {"a woman", "a man"}
    assert {len(words) for words in asked} == {1, 2}


REFUSED = {
    "one model": (["{sun}"], "2 to 9 models, and 1"),
    "no run": (["{sun}", "nowhere"], "nowhere"),
    "one name": (["{sun}", "{sun}"], "NAME="),
    "few questions": (["{sun}", "{moon}", "--questions", "3"], "8 tasks"),
    "unknown task": (["{sun}", "{moon}", "--tasks", "hiar"], "did you mean 'hair'"),
    "two datasets": (["{sun}", "{moon}", "--tasks", "hair+expression"], "one dataset"),
    "task twice": (["{sun}", "{moon}", "--tasks", "hair,hair"], "twice"),
    "attribute twice": (["{sun}", "{moon}", "--tasks", "hair+hair"], "twice"),
    "unknown label": (["{sun}", "{moon}", "--say", "Mail=0:x"], "did you mean 'Male'"),
    "no words": (["{sun}", "{moon}", "--say", "Male"], "LABEL=0:WORDS"),
    "no data": (["{sun}", "{moon}", "--data", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize("arguments, message", REFUSED.values(), ids=REFUSED)
def test_a_wrong_request_is_refused(cli, two, tmp_path, arguments, message):
    filled = [argument.format(sun=two[0], moon=two[1]) for argument in arguments]
    outcome = cli("study", "build", *filled, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_models_without_common_labels_are_refused(cli, two, train, tmp_path):
    train("--max-steps", "1", datasets="again=rafd", out=tmp_path / "run")
    outcome = cli("study", "build", two[0], tmp_path / "run", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "no dataset with the same labels in common" in outcome.err


def test_runs_of_fewer_datasets_are_compared_in_what_they_share(cli, two, train, tmp_path):
    train("--max-steps", "1", datasets="rafd", out=tmp_path / "single")
    outcome = cli("study", "build", two[0], tmp_path / "single", "--questions", "2", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert [task.name for task in Key.read(tmp_path / "out/key.json").tasks] == ["expression"]


def test_changed_data_and_other_splits_are_refused(cli, two, tmp_path):
    splits = RunFolder(two[0]).splits()
    changed = shutil.copytree(two[0], tmp_path / "changed")
    splits["celeba"]["test"] = splits["celeba"]["test"][:-1]
    RunFolder(changed).write_splits(splits)
    outcome = cli("study", "build", two[1], changed, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "are not those that" in outcome.err
    assert "24 were trained on, now there are 25" in outcome.err


def test_a_file_in_the_way_is_refused(cli, two, tmp_path):
    (tmp_path / "out").write_text("")
    outcome = cli("study", "build", *two, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "is a file" in outcome.err


class _Labels:
    """As much of a Source as drawing questions needs."""

    def __init__(self, schema, rows):
        self.schema, self.labels = schema, np.array(rows, np.float32)


def test_questions_change_what_they_name_and_nothing_else():
    held_out = {"celeba": HeldOut(_Labels(CELEBA, [[1, 0, 0, 1], [0, 0, 1, 0]]), [0, 1])}
    edits = {q.index: set() for q in draw_questions([Task("celeba", ("hair",))], held_out, 2, random.Random(0))}
    assert set(edits) == {0, 1}
    for seed in range(20):
        for question in draw_questions([Task("celeba", ("hair", "Male"))], held_out, 2, random.Random(seed)):
            edits[question.index].add(question.edit)
    assert edits[0] == {"celeba.blond=1,celeba.Male=1"}
    assert edits[1] == {"celeba.black=1,celeba.Male=0", "celeba.blond=1,celeba.Male=0"}


def test_an_image_with_unknown_labels_is_not_asked_about():
    held_out = {"celeba": HeldOut(_Labels(CELEBA, [[np.nan, np.nan, 0, 1], [0, 0, 1, np.nan]]), [0, 1])}
    assert draw_questions([Task("celeba", ("Young",))], held_out, 1, random.Random(0))[0].index == 0
    with pytest.raises(DataError, match=r"hair\+Young"):
        draw_questions([Task("celeba", ("hair", "Young"))], held_out, 1, random.Random(0))


def test_a_category_is_changed_to_another_value():
    held_out = {"rafd": HeldOut(_Labels(RAFD, [[0, 0, 1]]), [0])}
    edits = {draw_questions(default_tasks(RAFD), held_out, 1, random.Random(seed))[0].edit for seed in range(20)}
    assert edits == {"rafd.happy=1", "rafd.sad=1"}


def test_tasks_of_a_label_space():
    assert [task.name for task in default_tasks(CELEBA)][3:] == [
        "hair+Male",
        "hair+Young",
        "Male+Young",
        "hair+Male+Young",
    ]
    assert [task.name for task in default_tasks(RAFD)] == ["expression"]
    again = LabelSchema("again", RAFD.attributes)
    assert parse_tasks("again.expression", [RAFD, again]) == [Task("again", ("expression",))]
    with pytest.raises(ConfigError, match="Write a dataset and a point before it"):
        parse_tasks("expression", [RAFD, again])


@pytest.mark.parametrize("options", [2, 4, 9])
def test_the_right_answer_of_a_check_is_plain(options):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 48).astype(np.uint8)
    picture = Image.fromarray(
        np.stack([np.tile(ramp, (48, 1)), np.tile(ramp[:, None], (1, 48)), np.full((48, 48), 90, np.uint8)], axis=-1)
    )
    right, *wrong = draw_check(picture, options, rng)
    distance = [np.abs(np.asarray(p, float) - np.asarray(picture, float)).mean() for p in (right, *wrong)]
    assert len(wrong) == options - 1
    assert 0 < distance[0] <= 1
    assert min(distance[1:]) > 15
