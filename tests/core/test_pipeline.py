"""From what is given to what is given back: batches, reading ahead, writing behind, and what the engine is asked for."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from stargan_fw.errors import DataError, LabelError, ModelError
from stargan_fw.inference.engine import Engine
from stargan_fw.inference.inputs import as_input
from stargan_fw.inference.pipeline import Pipeline, in_batches, map_batches
from stargan_fw.inference.target_labels import Target
from stargan_fw_registry import Binary, LabelSchema, LabelSpace

SPACE = LabelSpace([LabelSchema("shapes", [Binary("inverted"), Binary("large")])])
CPU = torch.device("cpu")


class Shift:
    """A method that adds the first target label to an image, and writes down what it is asked."""

    name, space, translating, reading, compilable = "shift", SPACE, ("generator",), (), ()

    def __init__(self):
        self.networks = {"generator": torch.nn.Conv2d(3, 3, 1)}
        self.batches, self.read = [], []

    def translate(self, images, dataset, target, source=None):
        self.batches.append(len(images))
        return images + target[:, :1, None, None]

    def read_labels(self, images, dataset):
        self.read.append(len(images))
        return torch.tensor([[1.0, 0.0]]).repeat(len(images), 1)


@pytest.fixture
def method():
    return Shift()


@pytest.fixture
def run(method):
    """Translates tensors to edits: `run([zeros], "inverted", batch_size=2, current=None) -> [[translation, …], …]`."""

    def call(images, *edits, batch_size=None, **options):
        pipeline = Pipeline(SPACE, 8, Engine(method, CPU, precision="fp32", batch_size=batch_size), lambda: None)
        targets = [Target.make(SPACE, edit) for edit in edits]
        given = (as_input(image) for image in images)
        return [done.results("model") for batch in pipeline.run(given, targets, **options) for done in batch]

    return call


def zeros(count=None):
    return torch.zeros(*([] if count is None else [count]), 3, 8, 8)


def test_items_are_put_together_until_they_count_to_a_batch():
    assert list(in_batches("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(in_batches([3, 1, 1, 4], 2, lambda item: item)) == [[3], [1, 1], [4]]
    assert list(in_batches([], 2)) == []


def test_one_batch_is_read_ahead_and_no_further():
    read = []
    with ThreadPoolExecutor(1) as pool:
        batches = map_batches(([number] for number in range(5)), lambda item: read.append(item) or item, pool)
        for number, batch in enumerate(batches):
            assert batch == [number]
            assert len(read) <= number + 2


def test_results_are_written_in_their_order_while_the_next_are_made():
    go = threading.Event()

    def batches():
        yield [lambda: go.wait(5) and 1, lambda: 2]
        go.set()  # the next batch is made while the first one is still being written
        yield [lambda: 3]

    with ThreadPoolExecutor(2) as pool:
        assert list(map_batches(batches(), lambda job: job(), pool)) == [[1, 2], [3]]


def test_an_error_while_writing_is_raised_in_the_callers_thread():
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        list(map_batches([[0]], lambda number: 1 / number, pool))


def test_every_image_is_translated_to_every_edit(run):
    found = run([zeros(), zeros(2)], "inverted,large", "inverted=0,large")

    assert [[tuple(result.shape) for result in results] for results in found] == [[(3, 8, 8)] * 2, [(2, 3, 8, 8)] * 2]
    assert [[result.unique().tolist() for result in results] for results in found] == [[[1.0], [0.0]]] * 2


@pytest.mark.parametrize(("batch_size", "sizes"), [(None, [1, 1, 3]), (2, [2, 2, 1]), (5, [5])])
def test_a_batch_is_as_large_as_it_is_said_to_be(run, method, batch_size, sizes):
    run([zeros(), zeros(), zeros(3)], "inverted,large", batch_size=batch_size)

    assert method.batches == sizes


def test_labels_are_read_only_if_an_edit_leaves_them_open(run, method):
    assert run([zeros()], "inverted=flip")[0][0].unique() == 0, "read as inverted"
    assert method.read == [1]
    run([zeros()], "inverted", current="large")
    run([zeros(2)], "inverted,large")
    assert method.read == [1]


def test_what_cannot_be_read_is_raised_or_left_out(run):
    images = [zeros(), "nowhere.png", zeros()]
    left_out = []

    with pytest.raises(DataError, match="'nowhere.png' cannot be read"):
        run(images, "inverted,large")
    assert len(run(images, "inverted,large", unreadable=lambda image, error: left_out.append(str(error)))) == 2
    assert len(left_out) == 1


@pytest.mark.parametrize("known", [["large"], ["large"] * 3])
def test_current_labels_are_as_many_as_images(run, known):
    with pytest.raises(LabelError, match="more"):
        run([zeros(), zeros()], "inverted", current=known)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"precision": "fp16"}])
def test_an_engine_refuses_what_it_cannot_do(method, options):
    with pytest.raises(ModelError, match="give"):
        Engine(method, CPU, **options)
