"""A configured dataset: what is read, what the configuration replaces, and what is refused."""

import re

import numpy as np
import pytest
from PIL import Image

from stargan_fw import Dataset, Example
from stargan_fw.config_layers import Layer, merge
from stargan_fw.data.ingest import Ingestion
from stargan_fw.data.source import Source, label_space, open_sources
from stargan_fw.errors import ConfigError, DataError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_registry import Binary, Categorical, UnknownNameError

CAT_OR_DOG = Categorical("species", ["cat", "dog"])


class Pets(Dataset):
    name = "pets"
    attributes = (CAT_OR_DOG, Binary("young"))
    crop_size = 50
    test_size = 0.2

    def __init__(self, root, *, count: int = 10, wrong: bool = False):
        super().__init__(root)
        self.count, self.wrong = count, wrong

    def examples(self):
        for i in range(self.count):
            species = "bird" if self.wrong and i == 3 else ("cat", "dog", None)[i % 3]
            yield Example(self.root / f"{i}.png", {"species": species, "young": i % 2}, identity=f"{i // 2}")


class Blank(Pets):
    name = "blank"
    attributes = ()


@pytest.fixture
def plugins():
    manager = PluginManager()
    for kind in (Pets, Blank):
        manager.index("dataset").register(kind.name, kind, "here")
    return manager


@pytest.fixture
def open_all(plugins):
    def call(**datasets):
        return open_sources(merge([Layer("here", {"datasets": datasets, "data": {"path": "~/images"}})]), plugins)

    return call


def test_a_dataset_is_listed_encoded_and_split(open_all):
    (source,) = open_all(pets={})

    assert source.alias == source.schema.name == "pets"
    assert [example.image.name for example in source.examples[:2]] == ["0.png", "1.png"]
    assert (source.labels.shape, source.labels.dtype) == ((10, 3), np.float32)
    assert np.array_equal(source.labels[:3], [[1, 0, 0], [0, 1, 1], [np.nan, np.nan, 0]], equal_nan=True)
    assert len(source.test) == 2
    assert sorted([*source.train, *source.test]) == list(range(10))


def test_a_path_may_be_a_text(open_all, plugins, tmp_path, monkeypatch):
    def draw(self):
        for number in range(10):
            yield Example(f"{self.root}/{number}.png", {"young": number % 2})

    monkeypatch.setattr(Pets, "examples", draw)
    for number in range(10):
        Image.new("RGB", (60, 60), (number, 0, 0)).save(tmp_path / f"{number}.png")
    (source,) = open_all(pets={"location": str(tmp_path)})

    assert source.name_of(3) == "3.png"
    assert [picture.getpixel((0, 0))[0] for picture in source.pictures([2, 7], 8)] == [2, 7]
    images, paths = [example.image for example in source.examples], sorted(tmp_path.iterdir())
    store = Ingestion("pets", images, source.framing(8), tmp_path / "cache").run()
    assert store.read([5])[0, 0, 0, 0] == 5
    assert store.path == Ingestion("pets", paths, source.framing(8), tmp_path / "cache").path


def test_the_data_lies_in_the_folder_of_its_plugin_or_where_the_configuration_says(open_all):
    sources = open_all(pets={}, mine={"plugin": "pets"}, yours={"plugin": "pets", "location": "~/pets"})

    roots = [source.dataset.root for source in sources]
    assert roots[0] == roots[1]
    assert roots[0].parts[-2:] == ("images", "pets")
    assert roots[2].parent == roots[0].parents[1], "the home folder"
    assert all(root.is_absolute() for root in roots)


def test_the_plugins_version_is_part_of_what_the_store_is_called_after(open_all, monkeypatch):
    (source,) = open_all(pets={})
    assert source.framing(64).maker == "pets 1"
    monkeypatch.setattr(Pets, "version", "2")
    assert source.framing(64).maker == "pets 2"


def test_aliases_make_the_label_space(open_all):
    space = label_space(open_all(pets={}, mine={"plugin": "pets"}))

    assert space.datasets == ("pets", "mine")
    assert (space.label_dim, space.mask_dim) == (6, 2)


def test_the_configuration_replaces_class_attributes_of_one_dataset(open_all):
    changed, other = open_all(
        pets={"crop_size": 30, "test_split": "person", "test_size": 1, "count": 20}, mine={"plugin": "pets"}
    )

    assert (changed.dataset.crop_size, changed.dataset.test_split, changed.dataset.test_size) == (30, "person", 1)
    assert len(changed.examples) == 20
    assert len(changed.test) == 2, "one person's two images"
    assert (other.dataset.crop_size, other.dataset.test_split, other.dataset.test_size) == (50, "random", 0.2)
    assert (Pets.crop_size, Pets.test_split) == (50, "random")


def test_held_out_examples_are_spread_over_the_test_set(open_all):
    (source,) = open_all(pets={"test_size": 0.5, "count": 40})

    assert len(source.test) == 20
    assert len(source.held_out(4)) == 4
    assert set(source.held_out(4)) <= set(source.test)
    assert source.held_out(100) == source.test


def test_held_out_examples_may_be_preferred_by_their_labels(open_all):
    (source,) = open_all(pets={"test_size": 0.5, "count": 40})
    wanted = source.labels[source.test[3]]

    chosen = source.held_out(2, (source.labels[source.test] == wanted).all(axis=1))
    assert len(chosen) == 2
    assert (source.labels[chosen] == wanted).all()
    assert source.held_out(4, [False] * len(source.test)) == source.held_out(4)


@pytest.mark.parametrize(
    ("datasets", "error", "message"),
    [
        ({}, ConfigError, "No dataset is named. Name them with --datasets, separated by commas; there are: "),
        ({"pest": {}}, UnknownNameError, "no dataset is called 'pest'; did you mean 'pets'?"),
        ({"pets": {"cuont": 3}}, ConfigError, "Unknown key 'datasets.pets.cuont': did you mean 'count'?"),
        ({"pets": {"crop_sise": 3}}, ConfigError, "Unknown key 'datasets.pets.crop_sise': did you mean 'crop_size'?"),
        ({"pets": {"count": "all"}}, ConfigError, "datasets.pets.count = 'all' should be a valid integer"),
        ({"blank": {}}, ConfigError, "The dataset 'blank' has no attributes to translate to."),
        ({"pets": {"count": 0, "location": "x"}}, DataError, "The dataset 'pets' has no images at 'x'. Check its loc"),
        (
            {"mine": {"plugin": "pets", "wrong": True, "location": "x"}},
            DataError,
            "The labels of 'x/3.png' in the dataset 'mine': categorical attribute 'species' cannot be 'bird'; ",
        ),
        ({"pets": {"count": 1}}, DataError, "The dataset 'pets' at '"),
    ],
)
def test_what_is_refused(open_all, datasets, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        open_all(**datasets)


def test_one_source_opens_on_its_own(plugins):
    config = merge([Layer("here", {"datasets": {"pets": {}}})])

    assert len(Source.open("pets", config.datasets["pets"], "data", plugins).examples) == 10
