"""What holds of every table: what its columns mean, in whatever order rows and columns come."""

import itertools
import math
from random import Random

from hypothesis import HealthCheck, assume, example, given, settings, strategies as st

from stargan_fw.errors import ConfigError, DataError
from stargan_fw_plugins.datasets.columns import interpret
from stargan_fw_plugins.datasets.records import ColumnOptions, Records, as_text, label_name
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema

# A busy machine says nothing about the code.
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.text("abAB_.", min_size=1, max_size=3)
UNKNOWN = st.sampled_from([None, "", " ", math.nan])
WORDS = st.sampled_from(["dog", "cat", " cat ", "Dog", "a,b", "é"])
YES_AND_NO = st.sampled_from(["yes", "No", "true", "FALSE", "1", "0", "-1", "1.0", "t", "f"])
NUMBERS = st.sampled_from([True, False, 1, 0, -1, 1.0, 0.0, -0.0, -1.0, 2, 2.5, math.inf])
ODD = (
    st.lists(st.integers(), max_size=1)
    | st.dictionaries(st.text("a"), st.integers(), max_size=1)
    | st.binary(max_size=2)
)
CELLS = st.one_of(WORDS, YES_AND_NO, NUMBERS, UNKNOWN)
# Columns as they are: of one kind of value each. The mixed ones are as they should not be.
COLUMNS = st.sampled_from(
    [
        WORDS | UNKNOWN,
        st.sampled_from(["yes", "no", ""]),
        st.sampled_from([True, False, None]),
        st.sampled_from([1, -1, None]),
        st.sampled_from([1.0, 0.0, math.nan]),
        NUMBERS | UNKNOWN,
        CELLS,
    ]
)


@st.composite
def tables(draw, cells=COLUMNS, most=8):
    rows = draw(st.integers(1, most))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    kinds = [draw(cells) for _ in names]
    return {name: draw(st.lists(kind, min_size=rows, max_size=rows)) for name, kind in zip(names, kinds, strict=True)}


def records(table, classes=None):
    rows = len(next(iter(table.values())))
    return Records(
        "labels.csv, line 1",
        list(table),
        rows,
        table.__getitem__,
        lambda row: f"labels.csv, line {row + 2}",
        classes or {},
    )


def annotations(table, options=None, classes=None):
    """What a table means if all its columns are learned; its message if it is refused."""
    try:
        return interpret(records(table, classes), options or ColumnOptions(labels=list(table)), "image")
    except (ConfigError, DataError) as error:
        return str(error)


def by_name(found):
    return {attribute.name: attribute for attribute in found.attributes}


@quick
@given(tables(), st.randoms(use_true_random=False))
@example({"x": [True, 1, 0]}, Random(1))
@example({"x": [0.0, -0.0, 1]}, Random(1))
def test_the_order_of_the_rows_does_not_change_what_columns_mean(table, random):
    found = annotations(table)
    order = list(range(len(next(iter(table.values())))))
    random.shuffle(order)
    again = annotations({name: [cells[row] for row in order] for name, cells in table.items()})
    if isinstance(found, str):
        assert isinstance(again, str)
        return
    assert again.attributes == found.attributes
    assert again.labels == {name: [values[row] for row in order] for name, values in found.labels.items()}


@quick
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_columns_is_that_of_the_attributes_and_changes_nothing_else(table, random):
    found = annotations(table)
    names = list(table)
    random.shuffle(names)
    again = annotations({name: table[name] for name in names})
    if isinstance(found, str):
        assert isinstance(again, str)
        return
    assert by_name(again) == by_name(found)
    assert [attribute.name for attribute in again.attributes] == [label_name(name) for name in names]
    assert again.labels == found.labels


@quick
@given(tables())
def test_a_row_twice_means_what_it_meant_once(table):
    found, again = annotations(table), annotations({name: cells * 2 for name, cells in table.items()})
    if isinstance(found, str):
        assert isinstance(again, str)
        return
    assert again.attributes == found.attributes
    assert again.labels == {name: values * 2 for name, values in found.labels.items()}


@quick
@given(tables())
def test_every_cell_is_one_of_the_classes_or_unknown_and_every_class_is_a_cell(table):
    found = annotations(table)
    assume(not isinstance(found, str))
    schema = LabelSchema("table", found.attributes)
    for row in range(len(next(iter(table.values())))):
        encoded = schema.encode(found.row(row))
        for attribute, part in schema.parts:
            is_unknown = found.labels[attribute.name][row] is None
            assert [math.isnan(value) for value in encoded[part]] == [is_unknown] * attribute.size
    for attribute in found.attributes:
        seen = set(found.labels[attribute.name]) - {None}
        assert seen <= {True, False} if isinstance(attribute, Binary) else seen == set(attribute.values)
        assert not isinstance(attribute, Categorical) or list(attribute.values) == sorted(attribute.values)


@quick
@given(tables())
def test_a_cell_is_unknown_where_nothing_stands_and_nowhere_else(table):
    found = annotations(table)
    assume(not isinstance(found, str))
    for name, values in found.labels.items():
        (column,) = [column for column in table if label_name(column) == name]
        assert [value is None for value in values] == [not as_text(cell) for cell in table[column]]


@quick
@given(tables(st.just(CELLS | ODD)), st.data())
def test_any_table_and_any_choice_is_read_or_refused(table, data):
    names = st.sampled_from([*table, "split", "nowhere"])
    texts = st.sampled_from(["yes", "cat", "1", "", "a.b"])
    options = ColumnOptions(
        labels=data.draw(st.none() | st.lists(names, max_size=3)),
        exclusive=data.draw(st.dictionaries(NAMES, st.lists(names, max_size=2), max_size=2)),
        values=data.draw(st.dictionaries(names, st.dictionaries(texts, texts | st.booleans(), max_size=3), max_size=2)),
        identity=data.draw(st.none() | names),
        split=data.draw(st.none() | names),
    )
    classes = data.draw(st.dictionaries(names, st.lists(texts, max_size=3), max_size=1))
    found = annotations(table, options, classes)
    if isinstance(found, str):
        assert found
        return
    rows = len(next(iter(table.values())))
    assert len(found.identities) == len(found.splits) == rows
    assert set(found.splits) <= {"train", "test", None}
    assert "" not in found.identities


@quick
@given(tables(st.just(st.sampled_from(["yes", "no", ""]))), st.dictionaries(NAMES, st.integers(1, 3), max_size=2))
def test_columns_that_exclude_each_other_are_one_attribute_or_refused(table, sizes):
    columns = iter(table)
    groups = {group: list(itertools.islice(columns, size)) for group, size in sizes.items()}
    found = annotations(table, ColumnOptions(labels=list(table), exclusive=groups))
    if isinstance(found, str):
        return
    exclusive = {a.name: list(a.members) for a in found.attributes if isinstance(a, Exclusive)}
    assert exclusive == {group: [label_name(name) for name in members] for group, members in groups.items()}
    grouped = set(itertools.chain.from_iterable(groups.values()))
    assert {a.name for a in found.attributes if isinstance(a, Binary)} == {
        label_name(name) for name in table if name not in grouped
    }


@quick
@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6), st.sampled_from([str, int, float]))
def test_yes_and_no_are_the_same_however_they_are_written(cells, kind):
    table = {"young": cells, "other": [True, False] * 3}
    table["other"] = table["other"][: len(cells)]
    assume(set(cells) >= {True, False} and set(table["other"]) == {True, False})
    written = {name: [None if cell is None else kind(cell) for cell in column] for name, column in table.items()}
    assert annotations(written) == annotations(table)
