"""Batches by number: a permutation an epoch, and the same batch whoever asks for it and when."""

import numpy as np
import pytest
import torch

from stargan_fw.data.loader import Loader
from stargan_fw.data.store import Store, write_store

COUNT = 23


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Images of one colour: their number."""
    path = tmp_path_factory.mktemp("store") / "store"
    write_store(path, (bytes([number]) * 48 for number in range(COUNT)))
    return Store(path, 4)


@pytest.fixture
def loader(store):
    labels = np.stack([np.arange(COUNT), -np.arange(COUNT)], axis=1).astype(np.float32)

    def build(indices=range(COUNT), batch_size=5, seed=(0, 0)):
        return Loader(store, labels, list(indices), batch_size=batch_size, seed=seed)

    return build


def numbers(batch):
    images, labels = batch
    assert torch.equal(images[:, 0, 0, 0].float(), labels[:, 0]), "images and labels go together"
    return images[:, 0, 0, 0].tolist()


def epoch(loader, number):
    start = number * len(loader)
    return [i for batch in range(start, start + len(loader)) for i in numbers(loader.batch(batch))]


def test_a_batch(loader):
    images, labels = loader().batch(0)

    assert (images.shape, images.dtype) == ((5, 3, 4, 4), torch.uint8)
    assert (labels.shape, labels.dtype) == ((5, 2), torch.float32)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_repeats_nothing(loader):
    indices = [1, 2, 3, 5, 7, 11, 13, 17, 19, 22]
    loader = loader(indices, batch_size=5)

    assert len(loader) == 2
    for number in range(5):
        assert sorted(epoch(loader, number)) == indices


def test_what_does_not_fill_a_batch_is_left_out_and_another_time_another(loader):
    loader = loader()

    epochs = [epoch(loader, number) for number in range(8)]

    assert len(loader) == 4
    assert all(len(seen) == len(set(seen)) == 20 for seen in epochs)
    assert len({tuple(seen) for seen in epochs}) == 8
    assert set().union(*epochs) == set(range(COUNT))


def test_the_order_is_the_seeds(loader):
    first = epoch(loader(seed=(3, 1)), 0)

    assert epoch(loader(seed=(3, 1)), 0) == first
    assert epoch(loader(seed=(4, 1)), 0) != first
    assert epoch(loader(seed=(3, 2)), 0) != first


def test_the_global_random_state_is_neither_used_nor_touched(loader):
    first = epoch(loader(), 0)
    torch.manual_seed(1)
    state = torch.get_rng_state()

    assert epoch(loader(), 0) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_random_access_is_sequential_access(loader):
    sequential = [numbers(loader().batch(number)) for number in range(12)]
    shuffled = np.random.default_rng(0).permutation(12)
    loader = loader()

    assert [numbers(loader.batch(int(number))) for number in shuffled] == [sequential[number] for number in shuffled]


@pytest.mark.parametrize(("count", "batch_size"), [(3, 8), (1, 4), (4, 5), (4, 4)])
def test_a_dataset_smaller_than_a_batch_fills_it(loader, count, batch_size):
    loader = loader(range(count), batch_size=batch_size)

    assert len(loader) == 1
    for number in range(3):
        seen = numbers(loader.batch(number))
        assert len(seen) == batch_size
        assert set(seen) == set(range(count))
        assert sorted(seen[:count]) == list(range(count)), "each once before any comes twice"


def test_batches_are_copies(loader):
    loader = loader()
    images, labels = loader.batch(0)
    before = numbers((images, labels))
    images.zero_()
    labels.zero_()

    assert numbers(loader.batch(0)) == before
