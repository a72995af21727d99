"""Which pairs of domains there are, which images batches take, and which way leads from one domain to another."""

import math

import pytest
import torch

from stargan_fw.errors import ConfigError, DataError, ModelError
from stargan_fw_plugins.methods.domain_pairs import DomainPairs, image_indices
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema, LabelSpace

EXPRESSIONS = ["angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
RAFD = LabelSpace([LabelSchema("rafd", [Categorical("expression", EXPRESSIONS)])])
HAIR = Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"])
BOTH = LabelSpace([LabelSchema("celeba", [HAIR, Binary("Male"), Binary("Young")]), *RAFD.schemas])


def keys(arrows):
    return [(arrow.source.name, arrow.target.name) for arrow in arrows]


def one_hot(*names):
    return torch.stack([torch.eye(8)[EXPRESSIONS.index(name)] for name in names])


def ways(pairs, target, source, known=None):
    """The images and arrows, as names."""
    arrows = (
        {arrow for of_dataset in pairs.one_way_arrows().values() for arrow in of_dataset} if known is None else known
    )
    routes = pairs.routes("rafd" if target.shape[1] == 8 else "celeba", target, source, arrows)
    return [(chosen.tolist(), arrow.source.name, arrow.target.name) for chosen, arrow in routes]


def test_without_a_source_every_two_values_are_a_pair():
    pairs = DomainPairs(RAFD, "")
    assert len(pairs.pairs["rafd"]) == 28
    assert len(pairs.one_way_arrows()["rafd"]) == 56


def test_with_a_source_there_are_k_minus_1():
    pairs = DomainPairs(RAFD, "neutral")
    assert keys(pairs.pairs["rafd"]) == [("neutral", name) for name in EXPRESSIONS if name != "neutral"]
    assert pairs.one_way_arrows() == pairs.pairs


def test_groups_and_binary_labels_have_pairs_of_their_own():
    assert keys(DomainPairs(BOTH, "").pairs["celeba"]) == [
        ("Black_Hair", "Blond_Hair"),
        ("Black_Hair", "Brown_Hair"),
        ("Blond_Hair", "Brown_Hair"),
        ("Male=0", "Male"),
        ("Young=0", "Young"),
    ]


def test_sources_are_edits():
    pairs = DomainPairs(BOTH, "Male=0, rafd.neutral,Black_Hair,Young")
    assert keys(pairs.one_way_arrows()["celeba"]) == [
        ("Black_Hair", "Blond_Hair"),
        ("Black_Hair", "Brown_Hair"),
        ("Male=0", "Male"),
        ("Young", "Young=0"),
    ]
    assert len(pairs.one_way_arrows()["rafd"]) == 7


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("neutrl", "method.source: .*neutral"),
        ("hair=", "not a domain"),
        ("Blond_Hair,Black_Hair", "exclude each other"),
    ],
)
def test_a_wrong_source_is_refused(source, message):
    with pytest.raises(ConfigError, match=message):
        DomainPairs(BOTH, source)


def test_keys_are_unique_and_have_no_dots():
    twice = LabelSpace([LabelSchema("d", [Binary("x"), Categorical("a", ["x", "y"]), Categorical("b", ["x", "y"])])])
    arrows = DomainPairs(twice, "").one_way_arrows()["d"]
    assert len({arrow.key for arrow in arrows}) == len(arrows) == 6
    assert not any("." in arrow.key for arrow in arrows)


def test_batches_are_of_the_two_ends():
    labels = one_hot("sad", "neutral", "happy", "neutral")
    labels[3] = math.nan
    arrow = next(a for a in DomainPairs(RAFD, "neutral").pairs["rafd"] if a.target.name == "happy")
    assert [[ends.tolist() for ends in kind] for kind in image_indices([arrow], labels)] == [[[1], [2]]]


def test_a_domain_without_images_is_refused_by_name():
    with pytest.raises(DataError, match=r"'rafd' has no training image that is labelled angry.* leave the label out"):
        image_indices(DomainPairs(RAFD, "neutral").pairs["rafd"], one_hot("neutral", "sad"))


def test_each_image_takes_the_way_from_its_own_label():
    pairs = DomainPairs(RAFD, "")
    target, source = one_hot("happy", "happy", "sad", "sad"), one_hot("neutral", "sad", "neutral", "sad")
    assert ways(pairs, target, source) == [
        ([0], "neutral", "happy"),
        ([1], "sad", "happy"),
        ([2], "neutral", "sad"),
    ]


def test_an_unknown_label_is_taken_for_the_source():
    pairs = DomainPairs(RAFD, "neutral")
    for source in (None, torch.full((1, 8), math.nan), torch.zeros(1, 8)):
        assert ways(pairs, one_hot("happy"), source) == [([0], "neutral", "happy")]
        assert ways(pairs, one_hot("neutral"), source) == []


def test_an_unknown_label_without_a_source_is_refused_with_the_remedy():
    with pytest.raises(ModelError, match=r"Give its current label, or train with method\.source"):
        ways(DomainPairs(RAFD, ""), one_hot("happy"), None)


def test_what_was_trained_both_ways_leads_by_way_of_the_source():
    pairs = DomainPairs(RAFD, "neutral")
    both = {arrow for pair in pairs.pairs["rafd"] for arrow in (pair, pair.reversed)}
    assert ways(pairs, one_hot("happy"), one_hot("sad"), both) == [([0], "sad", "neutral"), ([0], "neutral", "happy")]
    assert ways(pairs, one_hot("neutral"), one_hot("sad"), both) == [([0], "sad", "neutral")]


def test_what_was_trained_one_way_has_no_way_back():
    with pytest.raises(ModelError, match="no model from sad to happy: the method was trained one way, from neutral"):
        ways(DomainPairs(RAFD, "neutral"), one_hot("happy"), one_hot("sad"))


def test_several_attributes_are_changed_one_after_the_other():
    pairs = DomainPairs(BOTH, "")
    source = torch.tensor([[1.0, 0, 0, 0, 1], [0, 1, 0, 1, 1]])
    target = torch.tensor([[0, 1.0, 0, 1, 1], [0, 1, 0, 1, 0]])
    assert ways(pairs, target, source) == [
        ([0], "Black_Hair", "Blond_Hair"),
        ([0], "Male=0", "Male"),
        ([1], "Young", "Young=0"),
    ]


def test_what_nobody_asks_for_need_not_be_known():
    unknown = torch.full((1, 5), math.nan)
    target = unknown.clone()
    target[:, 3] = 1
    assert ways(DomainPairs(BOTH, "Male=0"), target, unknown) == [([0], "Male=0", "Male")]


def test_there_is_no_model_to_no_hair_colour():
    with pytest.raises(ModelError, match="no model to anything but one of Black_Hair, Blond_Hair, Brown_Hair"):
        ways(DomainPairs(BOTH, ""), torch.tensor([[0.0, 0, 0, 0, 1]]), torch.tensor([[1.0, 0, 0, 0, 1]]))


def test_images_at_the_source_have_all_of_its_values():
    labels = torch.tensor([[1.0, 0, 0, 0, 1], [1, 0, 0, 1, 1], [0, 0, 1, 0, 1]])
    assert DomainPairs(BOTH, "Male=0,Black_Hair").has_source("celeba", labels).tolist() == [True, False, False]
    assert DomainPairs(BOTH, "").has_source("celeba", labels).tolist() == [True, True, True]


def test_an_image_that_nobody_labels_counts_as_one_of_the_source():
    labels = DomainPairs(BOTH, "Male=0,Blond_Hair").source_labels("celeba")
    assert labels[0, :4].tolist() == [0, 1, 0, 0]
    assert labels[0, 4].isnan()
    assert DomainPairs(RAFD, "").source_labels("rafd").isnan().all()
