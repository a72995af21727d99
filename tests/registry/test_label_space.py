"""Positions, the joint vector with its mask, and what is refused."""

import json
import math

import pytest
import torch

from stargan_fw_registry import Binary, Categorical, Edit, Exclusive, LabelError, LabelSchema, LabelSpace

CELEBA = LabelSchema(
    "celeba",
    [Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"]), Binary("Male"), Binary("Young")],
)
EXPRESSIONS = ["angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
RAFD = LabelSchema("rafd", [Categorical("expression", EXPRESSIONS)])
SPACE = LabelSpace([CELEBA, RAFD])


def test_the_papers_numbers():
    assert (SPACE.label_dim, SPACE.mask_dim, SPACE.dim) == (13, 2, 15)
    assert SPACE.unified_names == (*SPACE.names, "mask.celeba", "mask.rafd")
    assert SPACE.slice("celeba") == slice(0, 5)
    assert SPACE.slice("rafd") == slice(5, 13)
    assert SPACE.datasets == ("celeba", "rafd")
    assert SPACE.names[:5] == (
        "celeba.Black_Hair",
        "celeba.Blond_Hair",
        "celeba.Brown_Hair",
        "celeba.Male",
        "celeba.Young",
    )
    assert SPACE.names[5:] == tuple(f"rafd.{expression}" for expression in EXPRESSIONS)
    single = LabelSpace([CELEBA])
    assert (single.label_dim, single.mask_dim, single.dim) == (5, 0, 5)
    assert single.unified_names == single.names


def test_the_mask_can_name_another_dataset():
    labels = torch.eye(8)[:2]
    joint = SPACE.join("rafd", labels, mask="celeba")
    assert joint.tolist() == [[0] * 5 + row + [1, 0] for row in labels.tolist()]
    with pytest.raises(LabelError, match="no dataset 'raf'"):
        SPACE.join("rafd", labels, "raf")


def test_join_as_written_in_the_paper():
    labels = torch.eye(8)[:2]
    assert SPACE.join("rafd", labels).tolist() == [[0] * 5 + row + [0, 1] for row in labels.tolist()]


def test_labels_of_both_datasets_set_both_bits_of_the_mask():
    joint = SPACE.join_all({"rafd": torch.eye(8)[[4]], "celeba": torch.tensor([[0, 1, 0, float("nan"), 0.5]])})
    assert joint.tolist() == [[0, 1, 0, 0, 0.5, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1]]


def test_decode_of_the_faces():
    logits = torch.tensor([[-1.0, 2.0, 1.0, -1.0, 3.0, *range(8)], [-1.0, -2.0, -3.0, 1.0, -1.0, *range(0, -8, -1)]])
    assert SPACE.decode("celeba", logits).tolist() == [[0, 1, 0, 0, 1], [0, 0, 0, 1, 0]]
    assert SPACE.decode("rafd", logits).argmax(dim=1).tolist() == [7, 0]


def test_edit_of_the_faces():
    labels = torch.tensor([[1.0, 0.0, 0.0, 1.0, math.nan]])
    edited = SPACE.edit("celeba", labels, "Blond_Hair")
    assert edited[0, :4].tolist() == [0, 1, 0, 1]
    assert edited[0, 4].isnan()
    assert SPACE.edit("celeba", labels, "Blond_Hair=0")[0, :4].tolist() == [1, 0, 0, 1]
    assert SPACE.edit("celeba", labels, SPACE.resolve("Young"))[0].tolist() == [1, 0, 0, 1, 1]


def test_an_edit_of_an_equal_label_space_is_understood():
    read = LabelSpace.from_dict(json.loads(json.dumps(SPACE.to_dict())))
    assert read.edit("celeba", torch.zeros(1, 5), SPACE.resolve("Young")).tolist() == [[0, 0, 0, 0, 1]]


def test_a_dataset_may_have_hundreds_of_labels():
    schema = LabelSchema("many", [Binary(f"label {number}") for number in range(300)])
    edited = schema.edit(torch.zeros(1, 300), "label 299")
    assert edited[0].nonzero().tolist() == [[299]]


def test_join_accepts_whole_numbers():
    assert SPACE.join("rafd", torch.eye(8, dtype=torch.int64)).dtype == torch.float32


def test_encode():
    encoded = CELEBA.encode({"hair": "Brown_Hair", "Male": False})
    assert encoded[:4] == [0, 0, 1, 0]
    assert math.isnan(encoded[4])
    assert [part for _, part in CELEBA.parts] == [slice(0, 3), slice(3, 4), slice(4, 5)]


def test_names_shared_within_a_dataset_are_qualified():
    schema = LabelSchema("pets", [Categorical("tame", ["yes", "no"]), Categorical("fed", ["yes", "fed"]), Binary("no")])
    assert schema.names == ("tame.yes", "tame.no", "fed.yes", "fed.fed", "no")


def test_label_spaces_are_values():
    assert LabelSpace([CELEBA, RAFD]) == SPACE
    assert LabelSpace([RAFD, CELEBA]) != SPACE
    assert hash(LabelSpace((CELEBA, RAFD))) == hash(SPACE)
    assert eval(repr(SPACE)) == SPACE  # noqa: S307 the text is our own


LABELS = torch.zeros(2, 5)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: LabelSpace([]), "a label space has no datasets"),
        (lambda: LabelSpace([CELEBA, CELEBA]), "datasets of a label space: 'celeba' occurs twice"),
        (lambda: LabelSchema("celeba", []), "dataset 'celeba' has no attributes"),
        (lambda: LabelSchema("cel.eba", [Binary("Male")]), "the name of a dataset 'cel.eba' contains"),
        (lambda: LabelSchema("celeba", [Binary("Male"), Binary("Male")]), "'celeba': 'Male' occurs twice"),
        (lambda: LabelSchema("celeba", [Binary("Male"), Exclusive("sex", ["Male"])]), "'Male' occurs twice"),
        (lambda: LabelSchema("celeba", ["Male"]), "'celeba': give an Attribute, not 'Male'"),
        (lambda: SPACE.schema("celebA"), "no dataset 'celebA' in this label space; did you mean 'celeba'"),
        (lambda: SPACE.slice("pets"), "no dataset 'pets' in this label space; known: celeba, rafd"),
        (lambda: SPACE.join("pets", LABELS), "no dataset 'pets'"),
        (lambda: SPACE.join("rafd", LABELS), r"labels of 'rafd': give shape \(B, 8\), not \(2, 5\)"),
        (lambda: SPACE.join_all({}), "no dataset's labels are given"),
        (lambda: SPACE.join_all({"celeba": LABELS, "pets": LABELS}), "no dataset 'pets'"),
        (
            lambda: SPACE.join_all({"celeba": torch.zeros(2, 5), "rafd": torch.zeros(1, 8)}),
            r"different numbers of images \(2 of 'celeba', 1 of 'rafd'\)",
        ),
        (lambda: SPACE.join("celeba", LABELS[0]), r"give shape \(B, 5\), not \(5,\)"),
        (lambda: SPACE.edit("rafd", LABELS, "happy"), r"labels of 'rafd': give shape \(B, 8\), not \(2, 5\)"),
        (lambda: SPACE.edit("celeba", LABELS, "happy"), "no label 'happy' in celeba"),
        (
            lambda: SPACE.edit("celeba", LABELS, SPACE.resolve("happy")),
            "the edit is of dataset 'rafd': name labels of 'celeba'",
        ),
        (
            lambda: SPACE.edit("rafd", torch.eye(8), SPACE.resolve("Male")),
            "the edit is of dataset 'celeba': name labels of 'rafd'",
        ),
        (
            lambda: SPACE.edit("celeba", LABELS, Edit("celeba", (("Mole", 1.0),))),
            "'celeba' has no label 'Mole'; did you mean 'Male'",
        ),
        (lambda: SPACE.decode("celeba", LABELS), r"logits: give shape \(B, 13\), not \(2, 5\)"),
        (lambda: CELEBA.decode(LABELS[:, :4]), r"logits of 'celeba': give shape \(B, 5\), not \(2, 4\)"),
        (lambda: CELEBA.decode(torch.zeros(2, 6)), r"logits of 'celeba': give shape \(B, 5\), not \(2, 6\)"),
        (lambda: CELEBA.decode(torch.zeros(2, 5, 1)), r"give shape \(B, 5\), not \(2, 5, 1\)"),
        (lambda: CELEBA.encode({"male": True}), "dataset 'celeba' has no label 'male'; did you mean 'Male'"),
        (lambda: CELEBA.encode({"Male": "x"}), "'Male' cannot be 'x'"),
        (lambda: LabelSpace.from_dict([]), r"label space: give an object, not \[\]"),
        (lambda: LabelSpace.from_dict({}), "label space: key 'datasets' is missing"),
        (lambda: LabelSpace.from_dict({"dataset": []}), "unknown key 'dataset'; did you mean 'datasets'"),
        (lambda: LabelSpace.from_dict({"datasets": {}}), "datasets of a label space: give a list"),
        (lambda: LabelSpace.from_dict({"datasets": []}), "a label space has no datasets"),
        (lambda: LabelSpace.from_dict({"datasets": ["celeba"]}), "dataset of a label space: give an object"),
        (lambda: LabelSchema.from_dict({"name": "a", "attributes": "b"}), "attributes of dataset 'a': give a list"),
        (
            lambda: LabelSchema.from_dict({"name": 1, "attributes": [{"kind": "binary", "name": "b"}]}),
            ": give a string",
        ),
    ],
)
def test_refuses(act, message):
    with pytest.raises(LabelError, match=message):
        act()


def test_known_labels_are_an_edit_that_restores_them():
    schema = LabelSchema("faces", [Exclusive("hair", ["black", "blond"]), Binary("old")])
    labels = torch.tensor([[1.0, 0.0, float("nan")]])
    known = schema.known(labels[0].tolist())
    assert known.assignments == (("black", 1.0), ("blond", 0.0))
    assert torch.equal(schema.edit(torch.tensor([[0.0, 1.0, 1.0]]), known), torch.tensor([[1.0, 0.0, 1.0]]))
    with pytest.raises(ValueError, match="shorter"):
        schema.known(labels[0, :2].tolist())
