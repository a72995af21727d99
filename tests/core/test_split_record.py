"""What a run remembers of its split: the same images stay held out, whatever becomes of the data."""

import shutil

import pytest

from stargan_fw.config_layers import Layer, merge
from stargan_fw.data.source import label_space, open_sources
from stargan_fw.errors import RunError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.runs.split_record import check_splits, describe_split, recorded_sources


@pytest.fixture
def data(small_data, tmp_path):
    """A copy of the fakes' data to change."""
    return shutil.copytree(small_data, tmp_path / "data", ignore=shutil.ignore_patterns(".stargan-fw"))


@pytest.fixture
def sources(data):
    """Opens the datasets as they are: `sources() -> [shapes, colours]`."""
    layer = Layer("here", {"datasets": {"shapes": {}, "colours": {}}, "data": {"path": str(data)}})
    config, plugins = merge([layer]), PluginManager.discover()
    return lambda: open_sources(config, plugins)


@pytest.fixture
def run(sources, data, tmp_path):
    """A run that has written down its split."""
    run, now = RunFolder(tmp_path / "run"), sources()
    layer = Layer("here", {"datasets": {"shapes": {}, "colours": {}}, "data": {"path": str(data)}})
    run.create(merge([layer]), label_space(now))
    run.write_splits({source.alias: describe_split(source) for source in now})
    return run


def recorded(run):
    return {source.alias: source for source in recorded_sources(run, PluginManager.discover())}


def test_what_stays_as_it_was_is_accepted_and_read_back(run, sources):
    check_splits(run, sources())

    for source in sources():
        again = recorded(run)[source.alias]
        assert (again.train, again.test) == (source.train, source.test)


def test_the_images_of_one_person_are_held_out_together(sources):
    _, colours = sources()
    entry = describe_split(colours)

    assert len({name.split("-")[1] for name in entry["test"]}) == 1
    assert entry["training"] == 18


def test_a_new_image_is_another_split_and_is_not_held_out(run, sources, data):
    old = run.splits()["shapes"]["test"]
    first = min((data / "shapes").glob("*.png"))
    first.with_name("990000-person-disc-plain.png").write_bytes(first.read_bytes() + b" ")  # no copy

    with pytest.raises(RunError, match="18 were trained on, now there are 19"):
        check_splits(run, sources())
    source = recorded(run)["shapes"]
    assert sorted(source.name_of(index) for index in source.test) == sorted(old)
    assert len(source.train) == 19


def test_a_held_out_image_that_is_gone_is_named(run, data):
    gone = run.splits()["shapes"]["test"][0]
    (data / "shapes" / gone).unlink()

    with pytest.raises(RunError, match=f"The image '{gone}' of the dataset 'shapes', which .* holds out, is no longer"):
        recorded(run)


def test_other_training_images_of_the_same_number_are_noticed(run, sources, data):
    source = sources()[0]
    moved = data / "shapes" / source.name_of(source.train[0])
    moved.rename(moved.with_name(moved.name.replace("-person", "-renamed")))

    with pytest.raises(RunError, match="others are trained on, or in another order"):
        check_splits(run, sources())


def test_a_run_without_a_record_is_divided_as_the_data_is(run, sources):
    (run.path / "splits.json").unlink()

    check_splits(run, sources())
    assert recorded(run)["shapes"].test == sources()[0].test


def test_other_labels_are_refused(run, sources, monkeypatch):
    from fake_plugins import Shapes

    monkeypatch.setattr(Shapes, "attributes", Shapes.attributes[::-1])
    with pytest.raises(RunError, match="labels are not those that"):
        recorded(run)
