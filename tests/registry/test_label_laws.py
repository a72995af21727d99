"""What holds of every label space and every edit, whatever the datasets."""

import itertools
import json
import math
from collections import Counter

import pytest
import torch
from hypothesis import assume, given, settings, strategies as st

from stargan_fw_registry import Binary, Categorical, Continuous, Exclusive, Index, LabelError, LabelSchema, LabelSpace
from stargan_fw_registry.names import closest, quote_name

quick = settings(
    deadline=None, max_examples=60
)  # a busy machine, or the first use of torch, says nothing about the code
NAMES = st.text("abcAB_é 1", min_size=1, max_size=3).filter(lambda name: name == name.strip())
RANGES = st.tuples(st.integers(-3, 3), st.integers(4, 200)) | st.tuples(st.floats(-1e6, 0), st.floats(0.125, 1e6))
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text("ab1.,=", max_size=3)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("kn"), inner, max_size=2)
)


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
        "continuous": lambda name: Continuous(name, *draw(RANGES)),
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


@st.composite
def spaces_with_labels_of_several(draw):
    """A space, and labels of some of its datasets for the same images, in any order."""
    space, count = draw(spaces()), draw(st.integers(1, 3))
    names = draw(st.lists(st.sampled_from(space.datasets), min_size=1, unique=True))
    labels = {}
    for name in names:
        width = space.schema(name).dim
        row = st.lists(st.sampled_from([0.0, 0.25, 1.0, math.nan]), min_size=width, max_size=width)
        labels[name] = torch.tensor(draw(st.lists(row, min_size=count, max_size=count)))
    return space, labels


@st.composite
def spelled(draw, schema, attribute, names):
    """One attribute's part of an edit in any spelling, with what it assigns and what it flips."""
    chosen = draw(st.sampled_from(names))
    cleared = dict.fromkeys(names, 0.0)
    if isinstance(attribute, Continuous):
        number = draw(st.sampled_from([attribute.low, attribute.high, (attribute.low + attribute.high) / 2]))
        return f"{chosen}={number!r}", {chosen: attribute.encode({attribute.name: number})[0]}, []
    if isinstance(attribute, Binary):
        value = draw(st.sampled_from(["", "=1", "=0", "=flip"]))
        assigned = {} if value == "=flip" else {chosen: float(value != "=0")}
        return chosen + value, assigned, [chosen] if value == "=flip" else []
    label = attribute.label_names[names.index(chosen)]
    spellings = {
        chosen: {**cleared, chosen: 1.0},
        f"{chosen}=1": {**cleared, chosen: 1.0},
        f"{attribute.name}={label}": {**cleared, chosen: 1.0},
    }
    if isinstance(attribute, Exclusive):
        spellings |= {f"{attribute.name}=": cleared, f"{chosen}=0": {chosen: 0.0}}
    text = draw(st.sampled_from(sorted(spellings)))
    return text, spellings[text], []


@st.composite
def spaces_with_edits(draw):
    """A space, a dataset, and the parts of an edit of some of its attributes, each with its meaning."""
    space = draw(spaces())
    schema = space.schema(draw(st.sampled_from(space.datasets)))
    parts = draw(st.lists(st.sampled_from(schema.parts), min_size=1, unique_by=lambda part: part[0].name))
    return space, schema, [draw(spelled(schema, attribute, schema.names[part])) for attribute, part in parts]


@st.composite
def spaces_with_edits_of_several(draw):
    """A space, and the prefixed parts of an edit of each of some datasets, by dataset."""
    space = draw(spaces())
    parts = {}
    for name in draw(st.lists(st.sampled_from(space.datasets), min_size=1, unique=True)):
        schema = space.schema(name)
        chosen = draw(st.lists(st.sampled_from(schema.parts), min_size=1, unique_by=lambda part: part[0].name))
        spellings = [draw(spelled(schema, attribute, schema.names[part])) for attribute, part in chosen]
        parts[name] = [f"{name}.{text}" for text, _, _ in spellings]
    return space, parts


def blanks(text, around):
    return ",".join(around + part.replace("=", f"{around}={around}") + around for part in text.split(","))


def same(one, other):
    torch.testing.assert_close(one, other, equal_nan=True, rtol=0, atol=0)


# Positions


@quick
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


@quick
@given(spaces_with_labels_of_several())
def test_join_all_holds_the_labels_of_each_dataset_and_their_mask_bits(drawn):
    space, labels = drawn
    joint = space.join_all(labels)
    assert joint.dtype == torch.float32
    assert torch.equal(joint, space.join_all(dict(reversed(labels.items()))))
    for number, dataset in enumerate(space.datasets):
        expected = labels.get(dataset, torch.zeros(len(joint), space.schema(dataset).dim))
        assert torch.equal(joint[:, space.slice(dataset)], torch.where(expected.isnan(), 0.0, expected))
        if space.mask_dim:
            assert joint[:, space.label_dim + number].tolist() == [float(dataset in labels)] * len(joint)


@quick
@given(spaces_with_labels())
def test_join_all_of_one_dataset_is_join_to_the_bit(drawn):
    space, dataset, labels = drawn
    assert torch.equal(space.join_all({dataset: labels}), space.join(dataset, labels))


@quick
@given(spaces())
def test_every_position_has_one_name_and_every_name_edits_its_position(space):
    assert len(space.names) == len(set(space.names)) == space.label_dim
    positions = [position for dataset in space.datasets for position in range(space.label_dim)[space.slice(dataset)]]
    assert positions == list(range(space.label_dim))
    kinds = [attribute for schema in space.schemas for attribute in schema.attributes for _ in attribute.label_names]
    for position, (label, attribute) in enumerate(zip(space.names, kinds, strict=True)):
        name = label + attribute.write(1)
        edit = space.resolve(name)
        start = space.slice(edit.dataset).start
        unknown = torch.full((1, space.schema(edit.dataset).dim), math.nan)
        edited = space.edit(edit.dataset, unknown, name)
        assert edited[0, position - start].item() == pytest.approx(1, abs=1e-6)
        assert edited.nansum().item() == pytest.approx(1, abs=1e-6)


@quick
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


@quick
@given(spaces(), st.data())
def test_labels_that_are_encoded_are_decoded_again(space, data):
    """Encoded labels have logits: a set label above 0, a cleared one below, and a number that of the logistic function."""
    schema = space.schema(data.draw(st.sampled_from(space.datasets)))
    said = {}
    for attribute in schema.attributes:
        if isinstance(attribute, Continuous):
            said[attribute.name] = data.draw(st.floats(attribute.low, attribute.high))
            continue
        values = [True, False] if isinstance(attribute, Binary) else list(attribute.label_names)
        said[attribute.name] = data.draw(st.sampled_from(values))
    encoded = torch.tensor([schema.encode(said)])
    numbers = torch.tensor([attribute.continuous for attribute, part in schema.parts for _ in schema.names[part]])
    decoded = schema.decode(encoded.logit().where(numbers, encoded - 0.5))
    assert torch.equal(decoded[:, ~numbers], encoded[:, ~numbers])
    torch.testing.assert_close(decoded, encoded)


@quick
@given(spaces(), st.dictionaries(NAMES, SCALARS, max_size=3))
def test_an_example_is_encoded_or_refused(space, labels):
    schema = space.schemas[0]
    try:
        encoded = schema.encode(labels)
    except LabelError:
        return
    assert len(encoded) == schema.dim
    for attribute, part in schema.parts:
        assert all(
            value in (0, 1) or math.isnan(value) or (attribute.continuous and 0 <= value <= 1)
            for value in encoded[part]
        )
        known = [value for value in encoded[part] if not math.isnan(value)]
        assert not attribute.one_hot or sum(known) == (1 if known else 0)
        assert sum(known) <= 1


# Edits


@quick
@given(spaces_with_edits(), st.sampled_from(["", " ", "  "]), st.randoms(use_true_random=False))
def test_an_edit_means_what_its_parts_say_in_any_spelling_and_order(drawn, around, random):
    space, schema, parts = drawn
    expected = dict(itertools.chain.from_iterable(assigned.items() for _, assigned, _ in parts))
    flips = {label for _, _, flipped in parts for label in flipped}
    random.shuffle(parts)
    edit = space.resolve(blanks(",".join(f"{schema.name}.{text}" for text, _, _ in parts), around))
    assert edit.dataset == schema.name
    assert dict(edit.assignments) == expected
    assert set(edit.flips) == flips
    assert edit.is_complete(schema) == (set(expected) == set(schema.names))


@quick
@given(spaces_with_edits_of_several(), st.sampled_from(["", " "]), st.randoms(use_true_random=False))
def test_an_edit_across_datasets_is_one_edit_per_dataset_whatever_the_order(drawn, around, random):
    space, parts = drawn
    expected = [space.resolve(",".join(parts[name])) for name in space.datasets if name in parts]
    shuffled = list(itertools.chain.from_iterable(parts.values()))
    random.shuffle(shuffled)
    found = space.resolve_all(blanks(",".join(shuffled), around))
    assert [edit.dataset for edit in found] == [edit.dataset for edit in expected]
    for one, other in zip(found, expected, strict=True):
        assert dict(one.assignments) == dict(other.assignments)
        assert set(one.flips) == set(other.flips)


@quick
@given(spaces_with_edits(), st.data())
def test_what_is_an_edit_of_one_dataset_stays_one(drawn, data):
    space, schema, parts = drawn
    prefixes = [data.draw(st.sampled_from(["", f"{schema.name}."])) for _ in parts]
    text = ",".join(prefix + part for prefix, (part, _, _) in zip(prefixes, parts, strict=True))
    try:
        edit = space.resolve(text)
    except LabelError:
        return
    assert space.resolve_all(text) == (edit,)


@quick
@given(spaces_with_edits())
def test_the_prefix_may_be_left_out_where_there_is_one_dataset(drawn):
    _, schema, parts = drawn
    short = ",".join(text for text, _, _ in parts)
    assume(not any(text.startswith(f"{schema.name}.") for text, _, _ in parts))
    full = ",".join(f"{schema.name}.{text}" for text, _, _ in parts)
    alone = LabelSpace([schema])
    assert alone.resolve(short) == alone.resolve(full)


@quick
@given(spaces_with_edits(), st.data())
def test_an_edit_sets_what_it_says_keeps_the_rest_and_once_is_enough(drawn, data):
    space, schema, parts = drawn
    text = ",".join(f"{schema.name}.{part}" for part, _, _ in parts)
    row = data.draw(st.lists(st.sampled_from([0.0, 1.0, math.nan]), min_size=schema.dim, max_size=schema.dim))
    labels = torch.tensor([row])
    before = labels.clone()
    edited = space.edit(schema.name, labels, text)
    same(labels, before)
    expected = labels.clone()
    for _, assigned, flips in parts:
        for label, value in assigned.items():
            expected[0, schema.position(label)] = value
        for label in flips:
            expected[0, schema.position(label)] = 1 - labels[0, schema.position(label)]
    same(edited, expected)
    again = space.edit(schema.name, edited, text)
    for _, _, flips in parts:
        for label in flips:
            again[0, schema.position(label)] = edited[0, schema.position(label)]
    same(again, edited)


@quick
@given(spaces_with_labels())
def test_known_labels_as_an_edit_restore_them(drawn):
    space, dataset, labels = drawn
    schema = space.schema(dataset)
    for row in labels:
        known = schema.known(row.tolist())
        same(schema.edit(torch.full((1, schema.dim), math.nan), known)[0], row)
        assert known.is_complete(schema) == (not row.isnan().any())


@quick
@given(spaces(), st.data())
def test_any_text_is_an_edit_or_a_label_error(space, data):
    words = sorted({*space.names, *space.datasets, *(key for schema in space.schemas for key in schema.edit_keys)})
    pieces = st.lists(st.sampled_from([*words, *".,=", "0", "1", "flip", " "]), max_size=5).map("".join)
    text = data.draw(pieces | st.text(max_size=6))
    try:
        edits = space.resolve_all(text)
    except LabelError:
        return
    assert [edit.dataset for edit in edits] == [name for name in space.datasets if name in {e.dataset for e in edits}]
    for edit in edits:
        named = [label for label, _ in edit.assignments] + list(edit.relative)
        assert named
        assert set(named) <= set(space.schema(edit.dataset).names)
        assert max(Counter(named).values()) == 1
        assert all(0 <= value <= 1 for _, value in edit.assignments)
        check_written(space, edit)


def check_written(space, edit):
    """Checks that an edit that is written in words is the same edit when it is read, but for single precision."""
    schema = space.schema(edit.dataset)
    again = space.resolve(",".join(f"{edit.dataset}.{part}" for part in schema.write(edit)))
    labels = torch.rand(3, schema.dim, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(schema.edit(labels, again), schema.edit(labels, edit), rtol=0, atol=2**-22)


@st.composite
def spaces_with_strengths(draw):
    """A space, a dataset, current labels that are known, and a part of an edit that depends on them, or has a strength."""
    space = draw(spaces())
    schema = space.schema(draw(st.sampled_from(space.datasets)))
    attribute, part = draw(st.sampled_from(schema.parts))
    position = draw(st.integers(part.start, part.stop - 1))
    strength = draw(st.integers(1, 15)) / 16
    if attribute.continuous:
        sign = draw(st.sampled_from("+-"))
        end = f"{sign}{strength * (attribute.high - attribute.low):.17g}"
        return space, schema, position, end, strength if sign == "+" else -strength
    return space, schema, position, f"={strength}", strength


@quick
@given(spaces_with_strengths(), st.sampled_from(["", " "]), st.data())
def test_a_strength_lies_between_what_a_label_is_and_what_the_edit_makes_it(drawn, around, data):
    space, schema, position, end, strength = drawn
    attribute, part = next(one for one in schema.parts if position in range(schema.dim)[one[1]])
    row = [
        data.draw(st.integers(0, 16)) / 16 if a.continuous else 0.0 for a, p in schema.parts for _ in schema.names[p]
    ]
    if not attribute.continuous:
        row[data.draw(st.integers(part.start, part.stop - 1))] = 1.0
    labels = torch.tensor([row])
    name = quote_name(schema.names[position])
    text = f"{schema.name}.{name}{around}{end[:1]}{around}{end[1:]}"
    edited = space.edit(schema.name, labels, text)
    outside = torch.ones(schema.dim, dtype=torch.bool)
    outside[part] = False
    same(edited[:, outside], labels[:, outside])
    if attribute.continuous:
        expected = min(max(row[position] + strength, 0), 1)
    else:
        full = space.edit(schema.name, labels, f"{schema.name}.{name}")
        expected = torch.lerp(labels, full, strength)[0, position].item() if attribute.one_hot else strength
        assert not attribute.one_hot or edited[:, part].sum().item() == pytest.approx(1)
        others = [peer for peer in range(schema.dim)[part] if peer != position]
        torch.testing.assert_close(edited[:, others], labels[:, others] * (1 - strength))
    assert edited[0, position].item() == pytest.approx(expected, abs=1e-6)
    check_written(space, space.resolve(text))


# Documents and names


@quick
@given(spaces())
def test_json_round_trip(space):
    again = LabelSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again == space
    assert hash(again) == hash(space)
    assert again.names == space.names


@quick
@given(spaces(), st.data())
def test_a_document_that_was_changed_is_read_or_refused(space, data):
    document = json.loads(json.dumps(space.to_dict()))
    places = list(walk(document))
    holder, key = data.draw(st.sampled_from(places))
    if data.draw(st.booleans()):
        holder[key] = data.draw(JSON)
    else:
        del holder[key]
    try:
        again = LabelSpace.from_dict(document)
    except LabelError:
        return
    assert LabelSpace.from_dict(again.to_dict()) == again


def walk(document):
    """Yields every place of a JSON document: what holds it, and its key there."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield document, key
        if isinstance(value, (dict, list)):
            yield from walk(value)


@quick
@given(st.text(max_size=5), st.lists(st.text(max_size=5), unique_by=str.casefold))
def test_the_closest_name_is_a_known_one(name, known):
    hint = closest(name, known)
    if hint.startswith("did you mean"):
        assert any(hint == f"did you mean {candidate!r}?" for candidate in known)
    else:
        assert hint.startswith("known: ") if known else hint == "none is known"
    assert name.casefold() not in map(str.casefold, known) or hint.startswith("did you mean")


@quick
@given(st.dictionaries(NAMES, st.integers(), min_size=1))
def test_an_index_lists_what_was_registered_whatever_the_order(items):
    index = Index("thing")
    for name, item in items.items():
        index.register(name, item, f"source of {name}")
    assert index.items() == tuple(sorted(items.items()))
    assert [index.get(name) for name in index.names()] == [items[name] for name in sorted(items)]
    assert all(index.source(name) == f"source of {name}" for name in items)
