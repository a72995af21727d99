"""The pool of earlier images: what it gives back, and that its state is all that it is."""

import torch

from stargan_fw_plugins.methods.cyclegan import ImagePool


def marked(*values):
    return torch.tensor([float(value) for value in values]).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()


def marks(images):
    return images[:, 0, 0, 0].tolist()


def test_while_it_fills_images_come_back():
    pool = ImagePool(4, 4)
    assert marks(pool.mix(marked(1, 2, 3))) == [1, 2, 3]
    assert int(pool.filled) == 3


def test_then_half_of_them_are_older_ones_which_they_replace():
    torch.manual_seed(0)
    pool = ImagePool(10, 4)
    pool.mix(marked(*range(10)))
    back = [mark for number in range(10, 1010) for mark in marks(pool.mix(marked(number)))]
    older = [mark != number for number, mark in enumerate(back, 10)]
    assert 0.45 < sum(older) / len(older) < 0.55
    swapped = [mark for mark, old in zip(back, older, strict=True) if old]
    assert len(set(swapped)) == len(swapped)  # what came back is no longer in it
    assert all(mark < number for number, mark in enumerate(back, 10) if mark != number)
    assert not set(marks(pool.images)) & set(back)


def test_without_room_it_gives_back_what_comes():
    images = marked(1, 2)
    assert ImagePool(0, 4).mix(images) is images


def test_it_continues_from_its_state():
    first, second = ImagePool(2, 4), ImagePool(2, 4)
    first.mix(marked(1, 2, 3))
    second.load_state_dict(first.state_dict())
    found = []
    for pool in (first, second):
        torch.manual_seed(3)
        found.append([marks(pool.mix(marked(number))) for number in range(4, 20)])
    assert found[0] == found[1]
    assert not list(first.parameters())
