"""The named index, and the imports of the package."""

import string
import subprocess
import sys

import pytest

from stargan_fw_registry import DuplicateNameError, Index, RequestError, UnknownNameError


@pytest.fixture
def index():
    index = Index("dataset")
    index.register("rafd", 2, "built-in")
    index.register("celeba", 1, "plugin faces.py")
    return index


def test_listings_are_sorted(index):
    assert index.names() == ("celeba", "rafd")
    assert index.items() == (("celeba", 1), ("rafd", 2))
    assert len(index) == 2
    assert "rafd" in index
    assert "pets" not in index
    assert repr(index) == "Index('dataset': celeba, rafd)"


def test_get_and_source(index):
    assert index.get("rafd") == 2
    assert index.source("celeba") == "plugin faces.py"


@pytest.mark.parametrize(
    ("count", "listed"),
    [
        (0, "none is known"),
        (3, "known: a, b, c"),
        (12, "known: a, b, c, d, e, f, g, h, i, j, k, l"),
        (13, "known: a, b, c, d, e, f, g, h, i, j, k, l and 1 more"),
        (26, "known: a, b, c, d, e, f, g, h, i, j, k, l and 14 more"),
    ],
)
def test_an_unknown_name_is_answered_with_at_most_twelve_known_ones(count, listed):
    index = Index("dataset")
    for name in reversed(string.ascii_lowercase[:count]):
        index.register(name, name, "built-in")
    with pytest.raises(UnknownNameError, match=f"^no dataset is called '0'; {listed}$"):
        index.get("0")


def test_one_may_be_the_default(index):
    assert index.default is None
    index.register(name="pets", item=3, source="pets.py", default=True)
    assert index.default == "pets"
    with pytest.raises(
        DuplicateNameError, match=r"'cats' of cats\.py cannot be the default: 'pets' of pets\.py already is"
    ):
        index.register("cats", 4, "cats.py", default=True)
    assert (index.default, "cats" in index) == ("pets", False)


def test_a_duplicate_names_both_sources_and_changes_nothing(index):
    with pytest.raises(
        DuplicateNameError, match=r"dataset 'rafd' of pets\.py is already registered by built-in: rename"
    ):
        index.register("rafd", 3, "pets.py")
    assert index.get("rafd") == 2


@pytest.mark.parametrize("ask", ["get", "source"])
@pytest.mark.parametrize(("name", "hint"), [("celebA", "did you mean 'celeba'"), ("zzz", "known: celeba, rafd")])
def test_an_unknown_name_is_answered_with_the_closest(index, ask, name, hint):
    with pytest.raises(UnknownNameError, match=f"no dataset is called '{name}'; {hint}"):
        getattr(index, ask)(name)


def test_an_empty_index_knows_none():
    with pytest.raises(UnknownNameError, match="none is known"):
        Index("loss").get("wgan_gp")


def test_a_long_listing_is_cut():
    index = Index("loss")
    for number in range(20):
        index.register(f"x{number:02}", number, "here")
    with pytest.raises(UnknownNameError, match=r"x11 and 8 more$"):
        index.get("qqqqqq")


def test_errors_are_requests():
    assert issubclass(DuplicateNameError, RequestError)
    assert issubclass(UnknownNameError, RequestError)


def test_import_leaves_torch_alone():
    program = "import sys, stargan_fw_registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
