"""What is said of labels that no training image had."""

import pytest

from stargan_fw_registry import (
    Binary,
    Categorical,
    Continuous,
    Exclusive,
    LabelError,
    LabelSchema,
    LabelSpace,
    add_earlier_counts,
    check_ranges,
    describe_untrained,
)

FACES = LabelSchema("faces", [Exclusive("hair", ["black", "blond"]), Binary("male"), Binary("hat")])
MOODS = LabelSchema("moods", [Categorical("mood", ["happy", "sad, or so", "hat"])])
COUNTS = {
    "faces": {"black": [5, 5], "blond": [10, 0], "male": [0, 10], "hat": [0, 0]},
    "moods": {"happy": [4, 6], "sad, or so": [10, 0], "hat": [6, 4]},
}


def said(*edits, space=FACES, counts=None):
    space = LabelSpace([space] if isinstance(space, LabelSchema) else space)
    return describe_untrained(space, COUNTS if counts is None else counts, [space.resolve(edit) for edit in edits])


def test_each_kind_of_label():
    can = "It can draw black, male."

    assert said("black", "male", "black=0", "blond=0", "hair=") == []
    assert said("blond") == [f"No training image had blond, so the model cannot draw it. {can}"]
    assert said("male=0", "male=0") == [f"No training image had male=0, so the model cannot draw it. {can}"]
    assert said("male=flip") == said("male=0")
    assert said("hat=flip") == [f"No training image had hat, hat=0, so the model cannot draw them. {can}"]
    assert said("blond,hat", "male=0") == [
        f"No training image had blond, hat, male=0, so the model cannot draw them. {can}"
    ]
    assert said("happy", space=MOODS) == []
    assert said("mood=sad, or so", space=MOODS) == [
        'No training image had "sad, or so", so the model cannot draw it. It can draw happy, hat.'
    ]


def test_a_label_that_another_dataset_has_is_named():
    assert said("faces.hat", space=[FACES, MOODS]) == [
        "No training image had faces.hat, so the model cannot draw it. It can draw faces.black, faces.male, moods.hat."
    ]


def test_nothing_is_said_of_what_is_not_known():
    assert said("blond", counts={}) == []
    assert said("blond,hat=0", counts={"faces": {"black": [1, 1]}, "others": {"blond": [1, 0]}}) == []


def test_labels_that_can_only_be_cleared_and_datasets_without_images():
    assert said("male", counts={"faces": {"male": [3, 0]}})[0].endswith("It can draw male=0.")
    assert said("happy", space=MOODS, counts={"moods": {"happy": [0, 0]}})[0].endswith(
        "It can draw no label of moods before it is trained on some (stargan-fw train --from)."
    )


def test_what_a_model_saw_before_counts():
    counts = {"faces": {"black": [3, 2], "blond": [5, 0], "male": [0, 5], "new": [5, 0]}, "others": {"x": [1, 0]}}

    add_earlier_counts(counts, {"faces": {"black": [1, 9], "blond": [4, 4]}}, LabelSpace([FACES, MOODS]))

    assert counts == {"faces": {"black": [3, 9], "blond": [5, 4], "new": [5, 0]}, "others": {"x": [1, 0]}}


def test_numbers_of_which_only_one_half_of_the_range_was_seen():
    faces = LabelSchema("faces", [Continuous("age", 0, 100), Categorical("mood", ["happy", "sad"])])
    counts = {"faces": {"age": [9, 0], "happy": [0, 9], "sad": [9, 0]}}
    can = "It can draw age from 0 to 50, happy."
    assert said("age=30", "happy=0.5", space=faces, counts=counts) == []
    assert said("age=80", space=faces, counts=counts) == [
        f"No training image had age=80, so the model cannot draw it. {can}"
    ]
    assert said("sad=0.5", space=faces, counts=counts) == [
        f"No training image had sad, so the model cannot draw it. {can}"
    ]
    assert said("age+5", "age-5", space=faces, counts=counts) == [], (
        "a number that the model has learned moves both ways"
    )
    assert said("age+5", "age-5", space=faces, counts={"faces": {"age": [0, 0], "happy": [0, 9], "sad": [9, 0]}}) == [
        "No training image had age, so the model cannot draw it. It can draw happy."
    ]
    counts["faces"]["age"] = [9, 9]
    assert said("sad", space=faces, counts=counts)[0].endswith("It can draw age from 0 to 100, happy.")


def test_a_models_numbers_stay_on_their_scale():
    def space(high, name="age"):
        return LabelSpace([LabelSchema("faces", [Continuous(name, 0, high), Binary("male")]), MOODS])

    check_ranges(space(100), space(100))
    check_ranges(space(100), space(80, "weight"))
    check_ranges(space(100), LabelSpace([MOODS]))
    with pytest.raises(LabelError, match="'faces.age' goes from 0 to 100 in the model and from 0 to 80 in the data"):
        check_ranges(space(100), space(80))
