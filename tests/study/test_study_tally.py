"""`study tally` over simulated workers whose preferences are known."""

import csv
import io
import json
import random

import numpy as np
import pytest

from stargan_fw_study.attention_checks import how_many_checks
from stargan_fw_study.study_key import Key, KeyQuestion, KeyTask
from stargan_fw_study.study_results import Answer, Results
from stargan_fw_study.study_tally import Column, Share, count_votes, intervals, percentages, sign_flip_test, tally

METHODS = ("StarGAN", "DIAT", "CycleGAN", "IcGAN")
PLANTED = (0.60, 0.20, 0.15, 0.05)
SETS = (
    ["hair"],
    ["Male"],
    ["Young"],
    ["hair", "Male"],
    ["hair", "Young"],
    ["Male", "Young"],
    ["hair", "Male", "Young"],
)


def make_key(questions=30, checks=4, study="5" * 16):
    tasks = [KeyTask(name="+".join(names), dataset="celeba", attributes=names) for names in SETS]
    asked = [
        KeyQuestion(
            id=f"q{number}",
            options={f"q{number}o{i}": method for i, method in enumerate(METHODS)},
            task=tasks[number % len(tasks)].name,
            input="1.jpg",
            edit="celeba.Male=0",
        )
        for number in range(questions)
    ]
    asked += [
        KeyQuestion(
            id=f"c{n}", options={f"c{n}o{i}": "spoilt" for i in range(4)}, answer=f"c{n}o{n % 4}", input="1.jpg"
        )
        for n in range(checks)
    ]
    return Key(study=study, seed=0, methods=dict.fromkeys(METHODS, "runs/x"), tasks=tasks, questions=asked)


def answer(key, worker, rng, weights=PLANTED, *, attentive=True):
    """One worker's results; who is not attentive chooses at random, in the checks too."""
    answers = []
    for question in key.questions:
        options = list(question.options)
        chosen = rng.choices(options, weights if attentive else None)[0]
        if question.answer and attentive:
            chosen = question.answer
        answers.append(Answer(question=question.id, choice=chosen, position=1, seconds=2.0))
    finished = f"2026-01-01T00:00:{worker:02d}.000Z"
    return Results(
        format="stargan-fw study results",
        version=1,
        study=key.study,
        worker=f"w{worker}",
        finished=finished,
        answers=answers,
    )


@pytest.fixture
def folder(tmp_path):
    """A key and the results of 20 workers, of whom 3, 8, 13 and 18 answer at random."""
    key, rng = make_key(), random.Random(6)
    (tmp_path / "key.json").write_text(key.model_dump_json())
    for worker in range(20):
        results = answer(key, worker, rng, attentive=worker % 5 != 3)
        (tmp_path / f"w{worker:02d}.json").write_text(results.model_dump_json())
    return tmp_path


def columns(document):
    return {f"{table['title'][:7]} {c['task']}": c for table in document["tables"] for c in table["columns"]}


def test_random_workers_are_dropped_and_the_planted_preference_is_recovered(cli, folder):
    outcome = cli("study", "tally", folder, "--json")
    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)

    assert document["workers"] == 16
    assert [one["file"][-8:] for one in document["dropped"]] == ["w03.json", "w08.json", "w13.json", "w18.json"]
    assert all("attention checks" in one["reason"] for one in document["dropped"])
    found = columns(document)
    for name in ("Table 1 all", "Table 2 all"):
        for method, share in zip(METHODS, PLANTED, strict=True):
            low, high = found[name]["methods"][method]["interval"]
            assert low <= share <= high, (name, method)
            assert high - low < 0.2
        assert found[name]["best"] == "StarGAN"
        assert found[name]["runner_up"] == "DIAT"
        assert found[name]["p"] < 0.001
    for column in found.values():
        assert sum(one["share"] for one in column["methods"].values()) == pytest.approx(1)
        assert column["best"] == "StarGAN"
    assert len(found) == 9
    inside = [low <= share <= high for (low, high), share in _intervals(found)]
    assert sum(inside) >= 0.85 * len(inside)  # 36 intervals of 95 %, which are not independent


def _intervals(found):
    return [
        (column["methods"][m]["interval"], share)
        for column in found.values()
        for m, share in zip(METHODS, PLANTED, strict=True)
    ]


def test_intervals_cover_as_often_as_they_say():
    """Workers differ (Dirichlet around the planted shares), which an interval over single votes would not know."""
    rng, covered, naive = np.random.default_rng(0), [], []
    for _ in range(300):
        votes = np.array([rng.multinomial(15, rng.dirichlet(np.array(PLANTED) * 10)) for _ in range(30)])
        covered += [low <= share <= high for (low, high), share in zip(intervals(votes, 500), PLANTED, strict=True)]
        shares = votes.sum(axis=0) / votes.sum()
        naive += list(abs(shares - PLANTED) <= 1.96 * np.sqrt(shares * (1 - shares) / votes.sum()))
    assert 0.90 <= np.mean(covered) <= 0.97
    assert np.mean(naive) < 0.85


def test_the_test_is_exact_for_few_workers_and_honest_for_many():
    assert sign_flip_test(np.array([1, 1, 1, 1, 1])) == pytest.approx(2 / 32)
    assert sign_flip_test(np.array([0, 0])) == 1
    assert sign_flip_test(np.array([3] * 30)) < 0.001
    rng = np.random.default_rng(0)
    false_alarms = np.mean([sign_flip_test(rng.normal(size=20), 500) < 0.05 for _ in range(400)])
    assert 0.02 <= false_alarms <= 0.08


def test_checks_are_as_many_as_keep_random_workers_out():
    assert [how_many_checks(options) for options in (2, 3, 4, 5, 9)] == [7, 5, 4, 3, 3]


def test_shown_shares_sum_to_a_hundred():
    for votes in ((1, 1, 1), (2, 2, 2, 1), (0, 7, 0, 0), (333, 333, 334)):
        shares = [Share(str(i), n, n / sum(votes), None) for i, n in enumerate(votes)]
        shown = percentages(Column("hair", shares, sum(votes), 1.0))
        assert round(sum(shown), 6) == 100.0
        assert all(abs(a - 100 * share.share) < 0.1 for a, share in zip(shown, shares, strict=True))


def test_tables_for_people_and_spreadsheets(cli, folder):
    shown = cli("study", "tally", folder)
    assert shown.code == 0
    for text in ("Table 1: one attribute", "Table 2: several attributes", "hair+", "IcGAN", "224", "< 0.001"):
        assert text in shown.out
    assert shown.err.startswith("16 workers count, 4 files do not.\n")
    assert shown.err.count("dropped: ") == 4

    rows = list(csv.DictReader(io.StringIO(cli("study", "tally", folder, "--csv").out)))
    assert len(rows) == 9 * 4
    assert sum(float(row["share"]) for row in rows if row["task"] == "hair") == pytest.approx(1)
    assert {row["table"] for row in rows} == {"Table 1", "Table 2"}

    markdown = cli("study", "tally", folder, "--markdown").out
    assert "| method | hair | Male | Young | all |" in markdown
    assert markdown.count("**") == 2 * 9


def test_votes_are_counted_by_hand():
    key = make_key(questions=7, checks=0)
    rng = random.Random(0)
    only = [answer(key, 0, rng, (0, 1, 0, 0)), answer(key, 1, rng, (1, 0, 0, 0))]
    assert count_votes(key, only)["hair+Male"].tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]
    first, second = tally(key, only)
    assert [column.task for column in first.columns] == ["hair", "Male", "Young", "all"]
    assert [share.votes for share in first.columns[-1].shares] == [3, 3, 0, 0]
    assert second.columns[-1].votes == 8
    assert first.columns[0].p == 1
    assert tally(key, only[:1])[0].columns[0].shares[0].interval is None


def broken(**changes):
    def change(document):
        document.update(changes)
        return json.dumps(document)

    return change


def with_answers(change):
    return lambda document: json.dumps({**document, "answers": change(document["answers"])})


MALFORMED = {
    "no JSON": (lambda _: "no JSON", "not JSON"),
    "nested": (lambda _: "[" * 100_000, "not JSON"),
    "binary": (lambda _: "\x00\x01", "not JSON"),
    "a list": (lambda _: "[]", "is no results file"),
    "another file": (lambda _: '{"format": "x"}', "is no results file: format"),
    "another version": (broken(version=2), "version"),
    "another study": (broken(study="6" * 16), "answers the study 6666666666666666, not 5555555555555555"),
    "no worker": (broken(worker=""), "worker"),
    "a number": (broken(worker=7), "worker: Input should be a valid string"),
    "incomplete": (with_answers(lambda a: a[:12]), "answers 12 of 34 questions"),
    "twice": (with_answers(lambda a: [*a, a[0]]), "answers a question twice"),
    "unknown question": (with_answers(lambda a: [*a, {**a[0], "question": "q99"}]), "does not have: q99"),
    "unknown choice": (with_answers(lambda a: [{**a[0], "choice": "q1o0"}, *a[1:]]), "does not offer: q1o0"),
    "no choice": (with_answers(lambda a: [{"question": "q0"}, *a[1:]]), "answers.0.choice"),
}


@pytest.mark.parametrize("spoil, reason", MALFORMED.values(), ids=MALFORMED)
def test_a_file_that_cannot_count_has_one_message(cli, folder, spoil, reason):
    bad = folder / "w00.json"
    bad.write_text(spoil(json.loads(bad.read_text())))
    outcome = cli("study", "tally", folder, "--csv")
    assert outcome.code == 0, outcome.err
    told = [line for line in outcome.err.splitlines() if "w00.json" in line]
    assert len(told) == 1
    assert reason in told[0]
    assert outcome.err.startswith("15 workers count, 5 files do not.")


def test_a_worker_counts_once(cli, folder):
    later = json.loads((folder / "w00.json").read_text()) | {"finished": "2026-01-02T00:00:00Z"}
    (folder / "a_copy.json").write_text(json.dumps(later))
    again = json.loads((folder / "w03.json").read_text())  # who failed the checks tries again
    key = Key.read(folder / "key.json")
    second = answer(key, 30, random.Random(0)).model_copy(update={"worker": again["worker"]})
    (folder / "w03_again.json").write_text(second.model_dump_json())
    coded = json.loads((folder / "w01.json").read_text()) | {"code": "P-1"}
    (folder / "w01.json").write_text(json.dumps(coded))
    (folder / "x.json").write_text(json.dumps(coded | {"worker": "other", "code": " p-1", "finished": "2027"}))

    document = json.loads(cli("study", "tally", folder, "--json").out)
    assert document["workers"] == 16
    reasons = {one["file"].rpartition("/")[2]: one["reason"] for one in document["dropped"]}
    assert "same worker" in reasons["a_copy.json"]
    assert "same worker" in reasons["w03_again.json"]
    assert "(code p-1)" in reasons["x.json"]
    assert "attention" in reasons["w03.json"]


def test_misses_are_forgiven_as_asked(cli, folder):
    document = json.loads(cli("study", "tally", folder, "--json", "--misses", "4").out)
    assert document["workers"] == 20


def test_what_a_user_gets_wrong(cli, folder, tmp_path):
    lone, empty, key = folder / "lone", folder / "empty", folder / "key.json"
    lone.mkdir()
    empty.mkdir()
    (lone / "w00.json").write_text((folder / "w00.json").read_text())
    (lone / "broken.json").write_text("{")
    document = json.loads(key.read_text())
    document["questions"][0]["options"]["q0o0"] = "Gnome"
    (lone / "edited.json").write_text(json.dumps(document))
    cases = {
        (folder, "--key", lone / "edited.json"): "the options are not those of the methods",
        (tmp_path / "nowhere",): "does not exist",
        (empty,): "holds no results",
        (lone,): "--key",
        (lone, "--key", tmp_path / "no.json"): "cannot be read",
        (lone, "--key", lone / "w00.json"): "is not the key of a study",
        (lone / "broken.json", "--key", key): "None of the 1 results counts. '",
        (folder, "--json", "--csv"): "exclude each other",
    }
    for arguments, message in cases.items():
        outcome = cli("study", "tally", *arguments)
        assert outcome.code == 2, arguments
        assert message in outcome.err
        assert len(outcome.err.strip().splitlines()) == 1
        assert outcome.out == ""
