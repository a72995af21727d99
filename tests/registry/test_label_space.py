"""Positions, the joint vector with its mask, and what is refused."""

import json
import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from stargan_fw_registry import Binary, Categorical, Edit, Exclusive, LabelError, LabelSchema, LabelSpace

CELEBA = LabelSchema(
    "celeba",
    [Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"]), Binary("Male"), Binary("Young")],
)
EXPRESSIONS = ["angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
RAFD = LabelSchema("rafd", [Categorical("expression", EXPRESSIONS)])
SPACE = LabelSpace([CELEBA, RAFD])

unhurried = settings(deadline=None)  # the first use of torch, or a busy machine, says nothing about this code
NAMES = st.text("abcAB_é 1", min_size=1, max_size=3).filter(lambda name: name == name.strip())


def distinct(least):
    return st.lists(NAMES, min_size=least, max_size=4, unique=True)


@st.composite
def attributes(draw):
    """Any mix of kinds; values may be called like other attributes or their values, which qualifies them."""
    names = draw(distinct(1))
    members = iter(f"{name}-{number}" for number in range(2) for name in names)
    kinds = {
        "binary": Binary,
        "categorical": lambda name: Categorical(name, draw(distinct(2))),
        "exclusive": lambda name: Exclusive(name, [next(members), next(members)]),
    }
    return [kinds[draw(st.sampled_from(sorted(kinds)))](name) for name in names]


@st.composite
def spaces(draw):
    return LabelSpace([LabelSchema(name, draw(attributes())) for name in draw(distinct(1))])


@st.composite
def spaces_with_labels(draw):
    space = draw(spaces())
    dataset = draw(st.sampled_from(space.datasets))
    width = space.schema(dataset).dim
    row = st.lists(st.sampled_from([0.0, 1.0, math.nan]), min_size=width, max_size=width)
    labels = draw(st.lists(row, min_size=1, max_size=3))
    return space, dataset, torch.tensor(labels)


def test_the_papers_numbers():
    assert (SPACE.label_dim, SPACE.mask_dim, SPACE.dim) == (13, 2, 15)
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


def test_the_mask_can_name_another_dataset():
    labels = torch.eye(8)[:2]
    joint = SPACE.join("rafd", labels, mask="celeba")
    assert joint.tolist() == [[0] * 5 + row + [1, 0] for row in labels.tolist()]
    with pytest.raises(LabelError, match="no dataset 'raf'"):
        SPACE.join("rafd", labels, "raf")


def test_join_as_written_in_the_paper():
    labels = torch.eye(8)[:2]
    assert SPACE.join("rafd", labels).tolist() == [[0] * 5 + row + [0, 1] for row in labels.tolist()]


@unhurried
@given(spaces_with_labels())
def test_join_holds_the_labels_zeros_elsewhere_and_one_mask_bit(drawn):
    space, dataset, labels = drawn
    joint = space.join(dataset, labels)
    assert joint.shape == (len(labels), space.dim)
    assert joint.dtype == torch.float32
    part = space.slice(dataset)
    assert torch.equal(joint[:, part], torch.where(labels.isnan(), 0.0, labels))
    mask = joint[:, space.label_dim :]
    assert mask.shape[1] == (len(space.datasets) if len(space.datasets) > 1 else 0)
    if space.mask_dim:
        assert torch.equal(mask.argmax(dim=1), torch.full((len(labels),), space.datasets.index(dataset)))
        assert torch.equal(mask.sum(dim=1), torch.ones(len(labels)))
    joint[:, part] = 0
    assert not joint[:, : space.label_dim].any()


@unhurried
@given(spaces())
def test_every_position_has_one_name_and_every_name_edits_its_position(space):
    assert len(space.names) == len(set(space.names)) == space.label_dim
    positions = [position for dataset in space.datasets for position in range(space.label_dim)[space.slice(dataset)]]
    assert positions == list(range(space.label_dim))
    for position, name in enumerate(space.names):
        edit = space.resolve(name)
        start = space.slice(edit.dataset).start
        unknown = torch.full((1, space.schema(edit.dataset).dim), math.nan)
        edited = space.edit(edit.dataset, unknown, name)
        assert edited[0, position - start] == 1
        assert edited.nansum() == 1


@unhurried
@given(spaces_with_labels(), st.data())
def test_edit_keeps_what_it_does_not_determine(drawn, data):
    space, dataset, labels = drawn
    schema = space.schema(dataset)
    _, part = data.draw(st.sampled_from(schema.parts))
    name = data.draw(st.sampled_from(schema.names[part]))
    before = labels.clone()
    edited = space.edit(dataset, labels, f"{dataset}.{name}")
    torch.testing.assert_close(labels, before, equal_nan=True, rtol=0, atol=0)
    assert (edited[:, part].sum(dim=1) == 1).all()
    assert (edited[:, schema.position(name)] == 1).all()
    labels[:, part] = edited[:, part] = 0
    torch.testing.assert_close(edited, labels, equal_nan=True, rtol=0, atol=0)


@unhurried
@given(spaces())
def test_json_round_trip(space):
    again = LabelSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again == space
    assert again.names == space.names


@unhurried
@given(spaces(), st.data())
def test_decode_reads_one_datasets_slice(space, data):
    dataset = data.draw(st.sampled_from(space.datasets))
    numbers = st.floats(-5, 5, width=32)
    logits = torch.tensor([data.draw(st.lists(numbers, min_size=space.label_dim, max_size=space.label_dim))])
    decoded = space.decode(dataset, logits)
    schema, own = space.schema(dataset), logits[:, space.slice(dataset)]
    assert decoded.shape == own.shape
    for attribute, part in schema.parts:
        assert torch.equal(decoded[:, part], attribute.decode(own[:, part]))
        assert not attribute.one_hot or decoded[:, part].sum() == 1


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
        (lambda: LabelSchema("celeba", ["Male"]), "'celeba': 'Male' is not an attribute"),
        (lambda: SPACE.schema("celebA"), "no dataset 'celebA' in this label space; did you mean 'celeba'"),
        (lambda: SPACE.slice("pets"), "no dataset 'pets' in this label space; known: celeba, rafd"),
        (lambda: SPACE.join("pets", LABELS), "no dataset 'pets'"),
        (lambda: SPACE.join("rafd", LABELS), r"labels of 'rafd': got shape \(2, 5\), expected \(B, 8\)"),
        (lambda: SPACE.join("celeba", LABELS[0]), r"got shape \(5,\), expected \(B, 5\)"),
        (lambda: SPACE.edit("rafd", LABELS, "happy"), r"labels of 'rafd': got shape \(2, 5\), expected \(B, 8\)"),
        (lambda: SPACE.edit("celeba", LABELS, "happy"), "no label 'happy' in celeba"),
        (
            lambda: SPACE.edit("celeba", LABELS, SPACE.resolve("happy")),
            "the edit is of dataset 'rafd', the labels are of 'celeba'",
        ),
        (
            lambda: SPACE.edit("celeba", LABELS, Edit("celeba", (("Mole", 1.0),))),
            "'celeba' has no label 'Mole'; did you mean 'Male'",
        ),
        (lambda: SPACE.decode("celeba", LABELS), r"logits: got shape \(2, 5\), expected \(B, 13\)"),
        (lambda: CELEBA.decode(LABELS[:, :4]), r"logits of 'celeba': got shape \(2, 4\), expected \(B, 5\)"),
        (lambda: CELEBA.encode({"male": True}), "dataset 'celeba' has no label 'male'; did you mean 'Male'"),
        (lambda: CELEBA.encode({"Male": "x"}), "'Male' cannot be 'x'"),
        (lambda: LabelSpace.from_dict([]), r"label space: expected an object, not \[\]"),
        (lambda: LabelSpace.from_dict({}), "label space: key 'datasets' is missing"),
        (lambda: LabelSpace.from_dict({"dataset": []}), "unknown key 'dataset'; did you mean 'datasets'"),
        (lambda: LabelSpace.from_dict({"datasets": {}}), "datasets of a label space: expected a list"),
        (lambda: LabelSpace.from_dict({"datasets": []}), "a label space has no datasets"),
        (lambda: LabelSpace.from_dict({"datasets": ["celeba"]}), "dataset of a label space: expected an object"),
        (lambda: LabelSchema.from_dict({"name": "a", "attributes": "b"}), "attributes of dataset 'a': expected a list"),
        (
            lambda: LabelSchema.from_dict({"name": 1, "attributes": [{"kind": "binary", "name": "b"}]}),
            "must be a string",
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
