"""Names that hold the signs of an edit can be written all the same, and no edit changes its meaning by that."""

import itertools
import math

import pytest
import torch
from hypothesis import assume, given, settings, strategies as st

from stargan_fw_registry import (
    Binary,
    Categorical,
    Exclusive,
    LabelError,
    LabelSchema,
    LabelSpace,
    quote_name,
    read_quoted,
    split_quoted,
)

quick = settings(deadline=None, max_examples=150)
NAMES = st.text("ab .,=/\"'é笑", min_size=1, max_size=5).filter(lambda name: name == name.strip())
DOGS = [
    "St. Bernard",
    "A=B",
    "black,white",
    "'s Gravenhage",
    'the "best"',
    '"',
    "a/b",
    "x [y] (z)",
    "笑顔",
    "flip",
    "=",
    ",",
]
SPACE = LabelSpace([LabelSchema("pets", [Categorical("class", DOGS), Binary("old, grey"), Binary("1.5=x")])])


@pytest.mark.parametrize("name", DOGS)
def test_a_class_of_any_name_can_be_named_in_each_spelling(name):
    expected = {dog: float(dog == name) for dog in DOGS}
    quoted = quote_name(name)
    always = '"{}"'.format(name.replace('"', '""'))
    single = "'{}'".format(name.replace("'", "''"))
    for text in (quoted, always, single):
        for edit in (text, f"pets.{text}", f" class = {text} ", f"pets.class={text}", f"{text}=1"):
            assert dict(SPACE.resolve(edit).assignments) == expected, edit
        both = SPACE.resolve(f"{text},\"old, grey\"=0,pets.'1.5=x'=flip")
        assert dict(both.assignments) == expected | {"old, grey": 0}
        assert both.flips == ("1.5=x",)


@pytest.mark.parametrize("name", sorted(set(DOGS) - {","}))
def test_a_class_may_be_named_without_quotes_if_nothing_else_is_meant(name):
    for text in (name, f"pets.{name}"):
        assert dict(SPACE.resolve(text).assignments)[name] == 1


def test_an_edit_that_can_be_read_without_quotes_is_read_so():
    space = LabelSpace([LabelSchema("a", [Binary(name) for name in ("x", "y", "x,y", '"x"', "x=0")])])
    assert dict(space.resolve("x,y").assignments) == {"x": 1, "y": 1}
    assert dict(space.resolve('"x,y"').assignments) == {"x,y": 1}
    assert dict(space.resolve('"x"').assignments) == {"x": 1}
    assert dict(space.resolve('"""x"""').assignments) == {'"x"': 1}
    assert dict(space.resolve("x=0").assignments) == {"x": 0}
    assert dict(space.resolve('"x=0"').assignments) == {"x=0": 1}
    assert dict(space.resolve('"x,y"=0,x').assignments) == {"x,y": 0, "x": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("black,white,St. Bernard", "no label 'black' in pets; known: .*\"black,white\""),
        ('"black,whit"', "no label 'black,whit' in pets; did you mean '\"black,white\"'"),
        ("class=black-white", "cannot be 'black-white'; did you mean '\"black,white\"'"),
        ("class", "needs a value: write it as 'class=St. Bernard'"),
        ('"black,white', "no label"),
        ('""', "no label"),
    ],
)
def test_a_name_that_is_mistyped_is_suggested_as_an_edit_writes_it(text, message):
    with pytest.raises(LabelError, match=message):
        SPACE.resolve(text)


def test_quotes_are_signs_like_others_if_no_name_needs_them():
    space = LabelSpace([LabelSchema("a", [Binary(name) for name in ("x", '"x"', '"y', 'z"')])])
    assert dict(space.resolve('"x"').assignments) == {'"x"': 1}
    assert dict(space.resolve('"y,z"').assignments) == {'"y': 1, 'z"': 1}
    assert dict(space.resolve("'x'").assignments) == {"x": 1}


def test_accents_may_be_composed_or_not():
    space = LabelSpace([LabelSchema("a", [Categorical("c", ["cafe\u0301", "b"])])])
    for text in ("caf\u00e9", "c=caf\u00e9", "a.caf\u00e9", "cafe\u0301"):
        assert dict(space.resolve(text).assignments) == {"cafe\u0301": 1, "b": 0}


def test_a_value_is_no_part_of_another_name():
    space = LabelSpace([LabelSchema("a", [Binary("v1.0"), Binary("b")])])
    with pytest.raises(LabelError, match="no label '0'"):
        space.resolve("0")


def test_a_label_called_as_the_value_of_an_attribute_is_refused():
    twice = [Categorical("tame", ["yes", "no"]), Categorical("fed", ["yes", "no"]), Binary("tame.yes")]
    with pytest.raises(LabelError, match="'tame.yes' occurs twice"):
        LabelSchema("pets", twice)


@st.composite
def spaces(draw):
    schemas = []
    for dataset in draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=2, unique=True)):
        names = draw(st.lists(NAMES, min_size=3, max_size=8, unique=True))
        kinds = [Categorical(names[0], draw(st.lists(NAMES, min_size=2, max_size=4, unique=True)))]
        kinds += [Exclusive(names[1], names[3:5])] if len(names) > 4 else []
        kinds += map(Binary, [names[2], *names[5:]])
        try:
            schemas.append(LabelSchema(dataset, kinds))
        except LabelError:
            assume(False)
    space = LabelSpace(schemas)
    known = {key for schema in schemas for key in schema.edit_keys}
    assume(not known & {quote_name(key) for key in known if quote_name(key) != key})
    return space


@quick
@given(spaces())
def test_every_name_of_a_space_is_an_edit_of_its_position(space):
    for position, name in enumerate(space.names):
        edit = space.resolve(name)
        schema = space.schema(edit.dataset)
        edited = schema.edit(torch.full((1, schema.dim), math.nan), edit)
        assert edited[0, position - space.slice(edit.dataset).start] == 1, name
        assert edited.nansum() == 1


@quick
@given(spaces())
def test_names_can_be_joined_to_one_edit(space):
    for schema in space.schemas:
        firsts = [schema.names[part.start] for _, part in schema.parts]
        edit = space.resolve(",".join(f"{schema.name}.{quote_name(name)}" for name in firsts))
        assert {name for name, value in edit.assignments if value} == set(firsts)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_quoted_parts_are_divided_and_read_back(names):
    text = ",".join(map(quote_name, names))
    parts = split_quoted(text)
    assert len(parts) == len(names)
    assert [read_quoted(part) for part in parts] == [(name, None) for name in names]
    assert ",".join(parts) == text


@given(st.lists(st.text("ab1 _-é", min_size=1, max_size=4).map(str.strip).filter(bool), min_size=1))
def test_plain_names_need_no_quotes(names):
    assert [quote_name(name) for name in names] == names
    assert split_quoted(",".join(names)) == names


def test_a_long_edit_is_refused_in_no_time():
    for text in ('"' * 20_000, "=" * 20_000, '".' * 10_000, "," * 20_000, "'a'," * 5_000):
        with pytest.raises(LabelError):
            SPACE.resolve(text)


def test_all_pairs_of_signs_survive():
    names = ["".join(pair) for pair in itertools.product(".,=/\"'a", repeat=2)]
    space = LabelSpace([LabelSchema("d", [Categorical("c", names)])])
    for name in names:
        assert dict(space.resolve(f"d.{quote_name(name)}").assignments)[name] == 1
        assert dict(space.resolve(f"c={quote_name(name)}").assignments)[name] == 1


@pytest.mark.parametrize("value", ["0", "1", " 0", "1 "])
def test_a_value_may_follow_a_name_with_an_equals_sign_without_quotes(value):
    for text in (f"1.5=x={value}", f"pets.1.5=x ={value}", f" 1.5=x= {value}"):
        assert dict(SPACE.resolve(text).assignments) == {"1.5=x": float(value)}
