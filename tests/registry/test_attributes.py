"""What each kind of attribute encodes, decodes, implies and refuses."""

import math

import numpy as np
import pytest
import torch

from stargan_fw_registry import Attribute, Binary, Categorical, Continuous, Exclusive, LabelError, Move
from stargan_fw_registry.names import is_printable, printable

MALE = Binary("Male")
EXPRESSION = Categorical("expression", ["angry", "happy", "sad"])
HAIR = Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"])
AGE = Continuous("age", 0, 80)


def unknown_as_none(values):
    return [None if math.isnan(value) else value for value in values]


@pytest.mark.parametrize(
    ("attribute", "labels", "encoded"),
    [
        *((MALE, {"Male": yes}, [1]) for yes in (True, 1, 1.0, np.True_, np.int64(1))),
        *((MALE, {"Male": no}, [0]) for no in (False, 0, -1, np.False_, np.int32(-1))),
        *((MALE, labels, [None]) for labels in ({}, {"Male": None}, {"Male": math.nan})),
        (EXPRESSION, {"expression": "happy"}, [0, 1, 0]),
        (EXPRESSION, {"expression": None}, [None] * 3),
        (EXPRESSION, {}, [None] * 3),
        (HAIR, {"hair": "Blond_Hair"}, [0, 1, 0]),
        (HAIR, {"hair": ""}, [0, 0, 0]),
        (HAIR, {"hair": None}, [None] * 3),
        (HAIR, {"hair": None, "Black_Hair": 1, "Brown_Hair": -1}, [1, None, 0]),
        (HAIR, {"hair": "Blond_Hair", "Black_Hair": None}, [0, 1, 0]),
        (HAIR, {"Black_Hair": False, "Blond_Hair": False, "Brown_Hair": False}, [0, 0, 0]),
        *((AGE, {"age": twenty}, [0.25]) for twenty in (20, 20.0, np.float32(20), np.int64(20))),
        (AGE, {"age": 80}, [1]),
        *((AGE, labels, [None]) for labels in ({}, {"age": None}, {"age": math.nan})),
        (Continuous("valence", -1, 1), {"valence": -0.5}, [0.25]),
    ],
)
def test_encode(attribute, labels, encoded):
    assert unknown_as_none(attribute.encode(labels)) == encoded


@pytest.mark.parametrize(
    ("attribute", "labels", "message"),
    [
        (MALE, {"Male": "yes"}, "'Male' cannot be 'yes': give True, False or None"),
        (MALE, {"Male": 2}, "'Male' cannot be 2"),
        (MALE, {"Male": 0.5}, "'Male' cannot be 0.5"),
        (MALE, {"Male": [1]}, r"'Male' cannot be \[1\]"),
        (MALE, {"Male": np.array([1, 0])}, "'Male' cannot be array"),
        (EXPRESSION, {"expression": "hapy"}, "'expression' cannot be 'hapy'; did you mean 'happy'"),
        (EXPRESSION, {"expression": 1}, "'expression' cannot be 1; known: angry, happy, sad"),
        (HAIR, {"hair": "blond_hair"}, "'hair' cannot be 'blond_hair'; did you mean 'Blond_Hair'"),
        (HAIR, {"hair": 3}, "'hair' cannot be 3"),
        (HAIR, {"hair": "Blond_Hair", "Black_Hair": 0}, "give the group or its members"),
        (HAIR, {"Blond_Hair": 1, "Brown_Hair": 1}, "'hair' has Blond_Hair and Brown_Hair set: set at most one"),
        (HAIR, {"Blond_Hair": "x"}, "'Blond_Hair' cannot be 'x'"),
        *(
            (AGE, {"age": value}, "give a number from 0 to 80, or None")
            for value in (81, -1, "20", True, math.inf, [20])
        ),
    ],
)
def test_encode_refuses(attribute, labels, message):
    with pytest.raises(LabelError, match=message):
        attribute.encode(labels)


@pytest.mark.parametrize(
    ("attribute", "logits", "labels"),
    [
        (MALE, [[0.1], [0.0], [-0.5]], [[1], [0], [0]]),
        (EXPRESSION, [[-3.0, -1.0, -2.0], [0.0, 1.0, 2.0]], [[0, 1, 0], [0, 0, 1]]),
        (HAIR, [[-3.0, -1.0, -2.0], [1.0, 0.5, 2.0]], [[0, 0, 0], [0, 0, 1]]),
        (HAIR, [[-0.5, -0.25, -0.75], [0.25, 0.125, -0.5], [0.0, -1.0, -1.0]], [[0, 0, 0], [1, 0, 0], [0, 0, 0]]),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decode(attribute, logits, labels, dtype):
    decoded = attribute.decode(torch.tensor(logits, dtype=dtype))
    assert decoded.tolist() == labels
    assert decoded.dtype == torch.float32


def test_switch_clears_peers():
    assert MALE.switch(0, on=False) == {0: 0}
    assert EXPRESSION.switch(1, on=True) == {0: 0, 1: 1, 2: 0}
    assert HAIR.switch(2, on=True) == {0: 0, 1: 0, 2: 1}
    assert HAIR.switch(2, on=False) == {2: 0}
    assert HAIR.choose("") == {0: 0, 1: 0, 2: 0}


def test_only_the_categorical_is_one_hot():
    assert [attribute.one_hot for attribute in (MALE, EXPRESSION, HAIR, AGE)] == [False, True, False, False]


def test_only_a_number_is_continuous():
    assert [attribute.continuous for attribute in (MALE, EXPRESSION, HAIR, AGE)] == [False, False, False, True]


def test_a_number_is_read_through_the_logistic_function():
    logits = torch.tensor([[0.0], [-math.log(3)], [9.0]])
    torch.testing.assert_close(AGE.decode(logits), torch.tensor([[0.5], [0.25], [1 / (1 + math.exp(-9))]]))
    assert AGE.decode(logits.bfloat16()).dtype == torch.float32


def test_a_sheet_shows_numbers_spread_over_the_range():
    assert Continuous("age", 0, 100).shown == ("=10", "=30", "=50", "=70", "=90")
    assert [attribute.shown for attribute in (MALE, EXPRESSION, HAIR)] == [("=flip",), ("",), ("",)]


@pytest.mark.parametrize("value", [0.0, 1.0, 1 / 3, 0.35, float(np.float32(0.35)), float(np.float32(0.99))])
def test_a_number_is_written_with_as_many_digits_as_a_label_tells_apart(value):
    (again,) = AGE.encode({"age": float(AGE.write(value).removeprefix("="))})
    assert abs(again - value) < 2**-24
    assert len(AGE.write(value)) <= len("=26.6666667")


def test_the_most_that_can_be_added_is_written_so_that_it_can_be_read():
    attribute = Continuous("age", 0, 0.96666667)  # which is rounded up with the digits that would do
    for summand in (1.0, -1.0):
        assert attribute.shift(attribute.write_move(Move(1.0, summand))).summand == pytest.approx(summand, abs=2**-24)


def test_the_numbers_that_images_have_are_summed_up():
    assert AGE.describe_spread([1.0, math.nan, 0.25, 0.5]) == "20 to 80, median 40"
    assert AGE.describe_spread([math.nan]) == ""
    assert [AGE.counts_as_having(value) for value in (0.49, 0.5, 0.51)] == [False, True, True]


def test_a_negative_amount_is_no_amount():
    with pytest.raises(LabelError, match="'-5' is no number"):
        AGE.shift("+-5")


@pytest.mark.parametrize("left_out", ["label_names", "encode", "switch", "decode"])
def test_a_kind_of_attribute_says_all_that_differs(left_out):
    methods = {name: None for name in ("label_names", "encode", "switch", "decode") if name != left_out}
    incomplete = type("Incomplete", (Attribute,), {"kind": "incomplete", **methods})
    with pytest.raises(TypeError, match=left_out):
        incomplete("x")


def test_sizes_and_names():
    assert [attribute.size for attribute in (MALE, EXPRESSION, HAIR)] == [1, 3, 3]
    assert MALE.label_names == ("Male",)
    assert EXPRESSION.label_names == ("angry", "happy", "sad")
    assert HAIR.label_names == ("Black_Hair", "Blond_Hair", "Brown_Hair")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Binary(""), "the name of a binary attribute is empty"),
        (lambda: Binary(3), "is 3: give a string"),
        (lambda: Binary(" Male"), "' Male' begins or ends with a blank"),
        (lambda: Binary("Male "), "'Male ' begins or ends with a blank"),
        (lambda: Binary("a\x1b[2Jb"), r"'a\\x1b\[2Jb' contains a control character"),
        (lambda: Exclusive("hair", ["fair", "d\nark"]), r"'d\\nark' contains a control character"),
        (lambda: Categorical("expression", ["happy"]), "'expression' has 1 values: give at least two"),
        (lambda: Categorical("expression", ["sad", "sad"]), "'expression': 'sad' occurs twice"),
        (lambda: Categorical("expression", "sad"), "give a list of names, not 'sad'"),
        (lambda: Categorical("expression", ["sad", ""]), "'expression': name is empty"),
        (lambda: Exclusive("hair", []), "'hair' has no members"),
        *(
            (lambda ends=ends: Continuous("age", *ends), "least value first")
            for ends in ((9, 1), (5, 5), (-1e308, 1e308))
        ),
        *(
            (lambda low=low: Continuous("age", low, 1), "low is .*: give a number")
            for low in ("0", None, True, math.nan, -math.inf)
        ),
        (lambda: Exclusive("hair", ["hair", "bald"]), "'hair' has a member of the same name"),
    ],
)
def test_constructors_refuse(build, message):
    with pytest.raises(LabelError, match=message):
        build()


@pytest.mark.parametrize(
    ("text", "shown", "is_shown_as_it_is"),
    [
        ("Blond Hair, é", "Blond Hair, é", True),
        ("a\x1b[2Jb", "a\\x1b[2Jb", False),
        ("\n\u202eb", "\\n\\u202eb", False),
    ],
)
def test_what_cannot_be_shown_is_escaped(text, shown, is_shown_as_it_is):
    assert printable(text) == shown
    assert is_printable(text) is is_shown_as_it_is


def test_names_may_come_from_an_array():
    assert Binary(np.array(["Male"])[0]) == MALE
    assert Categorical("expression", list(np.array(EXPRESSION.values))) == EXPRESSION


@pytest.mark.parametrize("attribute", [MALE, EXPRESSION, HAIR, AGE])
def test_dictionary_round_trip(attribute):
    assert Attribute.from_dict(attribute.to_dict()) == attribute


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], r"give an object, not \[\]"),
        ({"name": "Male"}, "no kind None; known: binary, categorical, continuous, exclusive"),
        ({"kind": "binery", "name": "Male"}, "no kind 'binery'; did you mean 'binary'"),
        ({"kind": ["binary"], "name": "Male"}, "no kind"),
        ({"kind": "binary"}, "key 'name' is missing"),
        ({"kind": "continuous", "name": "age", "low": 0}, "key 'high' is missing"),
        ({"kind": "continuous", "name": "age", "low": 0, "high": "80"}, "high is '80': give a number"),
        ({"kind": "binary", "name": "Male", "values": []}, "unknown key 'values'"),
        ({"kind": "binary", "name": 3}, ": give a string"),
        ({"kind": "categorical", "name": "x", "values": {"a": 1}}, "give a list of names"),
        ({"kind": "categorical", "name": "x", "values": [1, 2]}, "is 1: give a string"),
    ],
)
def test_from_dict_refuses(document, message):
    with pytest.raises(LabelError, match=message):
        Attribute.from_dict(document)
