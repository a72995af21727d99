"""Batches by number: a permutation an epoch, and the same batch whoever asks for it and when."""

import numpy as np
import pytest
import torch

from stargan_fw.data import device_cache as resident
from stargan_fw.data.device_cache import ResidentImages, cache_on_device, check_room
from stargan_fw.data.loader import Loader
from stargan_fw.data.store import Store, write_store
from stargan_fw.errors import ConfigError

COUNT = 23
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Images of one colour: their number."""
    path = tmp_path_factory.mktemp("store") / "store"
    write_store(path, (bytes([number]) * 48 for number in range(COUNT)))
    return Store(path, 4)


@pytest.fixture
def loader(store):
    labels = np.stack([np.arange(COUNT), -np.arange(COUNT)], axis=1).astype(np.float32)

    def build(indices=range(COUNT), batch_size=5, seed=(0, 0), images=store, **options):
        return Loader(images, labels, list(indices), batch_size=batch_size, seed=seed, **options)

    return build


@pytest.fixture
def halves(store):
    """Two kinds of batches: of low and middle numbers, and of low and high ones."""
    labels = np.stack([np.arange(COUNT), -np.arange(COUNT)], axis=1).astype(np.float32)
    low, middle, high = (torch.tensor(part) for part in np.split(np.arange(COUNT), [3, 13]))

    def build(**options):
        kinds = [[low, middle], [low, high]]
        return Loader(store, labels, range(COUNT), batch_size=8, seed=(0, 0), kinds=kinds, **options)

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


@pytest.mark.parametrize(("world_size", "batch_size", "count"), [(2, 6, COUNT), (3, 6, COUNT), (4, 8, 3)])
def test_the_ranks_shares_side_by_side_are_the_batch_of_one(loader, world_size, batch_size, count):
    alone = loader(range(count), batch_size=batch_size)
    ranks = [
        loader(range(count), batch_size=batch_size, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    assert {len(rank) for rank in ranks} == {len(alone)}
    for number in range(3 * len(alone)):
        shares = [rank.batch(number) for rank in ranks]
        assert {len(images) for images, _ in shares} == {batch_size // world_size}
        for part, whole in zip(zip(*shares, strict=True), alone.batch(number), strict=True):
            assert torch.equal(torch.cat(part), whole)


def test_a_batch_that_the_ranks_cannot_share(loader):
    with pytest.raises(
        ConfigError, match=r"^training\.batch_size = 5 cannot be shared equally by 2 processes\. Set it to 4 or 6\.$"
    ):
        loader(batch_size=5, world_size=2)


def test_resident_images_are_the_same_bits(loader, store, monkeypatch):
    monkeypatch.setattr(resident, "READ_AT_ONCE", 4)
    indices = [1, 2, 3, 5, 7, 11, 13, 17, 19, 22]
    here = loader(indices, images=ResidentImages(store, indices, CPU))
    for number in range(6):
        read, expected = here.batch(number)[0], loader(indices).batch(number)[0]
        assert torch.equal(read, expected)
        assert (read.dtype, read.stride()) == (expected.dtype, expected.stride())
        read.zero_()


@pytest.mark.parametrize(
    ("choice", "free", "stays"),
    [
        ("auto", None, False),
        ("on", None, True),
        ("off", 10**9, False),
        ("auto", 2 * COUNT * 48, True),
        ("auto", 2 * COUNT * 48 - 1, False),
        ("on", COUNT * 48, True),
    ],
)
def test_images_stay_where_there_is_room(store, monkeypatch, choice, free, stays):
    monkeypatch.setattr(resident, "_free_memory", lambda device: free)
    cached = cache_on_device({"faces": store}, {"faces": list(range(COUNT))}, CPU, choice)
    assert isinstance(cached["faces"], ResidentImages) == stays
    assert stays or cached["faces"] is store


def test_a_gpu_that_is_too_small_is_told(monkeypatch):
    monkeypatch.setattr(resident, "_free_memory", lambda device: COUNT * 48 - 1)
    with pytest.raises(ConfigError, match=r'^data\.resident = "on": the images need 1\.1 kB, and cpu has 1\.1 kB free'):
        check_room(COUNT, 4, CPU, "on")
    check_room(COUNT, 4, CPU, "auto")


def test_kinds_of_batches_take_turns_and_their_sets_share_a_batch(halves):
    loader = halves()
    for number in range(10):
        seen = numbers(loader.batch(number))
        kind = loader.kind(number)
        assert kind == number % 2
        assert len(seen) == 8
        assert max(seen[:4]) < 3
        assert all((3 <= i < 13) if kind == 0 else i >= 13 for i in seen[4:])


def test_a_set_is_gone_through_before_it_repeats(halves):
    loader = halves()
    epoch = [i for number in (0, 2) for i in numbers(loader.batch(number))[4:]]
    assert len(set(epoch)) == 8, "two of four from ten"
    assert set(numbers(loader.batch(0))[:4]) == {0, 1, 2}


def test_ranks_share_every_set_of_a_kind(halves):
    for number in range(6):
        alone = numbers(halves().batch(number))
        shares = [numbers(halves(rank=rank, world_size=2).batch(number)) for rank in range(2)]
        assert [shares[0][:2] + shares[1][:2], shares[0][2:] + shares[1][2:]] == [alone[:4], alone[4:]]
    with pytest.raises(
        ConfigError, match=r"8 cannot be shared equally by 2 sets of images on 3 processes\. Set it to 6 or 12"
    ):
        halves(rank=0, world_size=3)


def test_one_kind_of_all_images_is_what_there_is_without_kinds(store, loader):
    labels = np.stack([np.arange(COUNT), -np.arange(COUNT)], axis=1).astype(np.float32)
    kinds = [[torch.arange(COUNT)]]
    same = Loader(store, labels, range(COUNT), batch_size=5, seed=(0, 0), kinds=kinds)
    assert [numbers(same.batch(n)) for n in range(9)] == [numbers(loader().batch(n)) for n in range(9)]
