"""Squares that are blanked while training, and only then."""

import torch

from stargan_fw_plugins.networks.erasing import SIDES, Erasing
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator

IMAGES = torch.rand(200, 3, 64, 64) + 1


def blanked(images):
    return (images == 0).all(dim=1)


def test_a_square_of_some_images_is_blanked_in_all_channels():
    torch.manual_seed(0)
    seen = Erasing(0.5)(IMAGES)

    gone = blanked(seen)
    assert torch.equal(seen[~(seen == 0)], IMAGES[~(seen == 0)])
    assert torch.equal(gone[:, None].expand_as(seen), seen == 0)
    assert 70 <= int(gone.flatten(1).any(1).sum()) <= 130
    for one in gone[gone.flatten(1).any(1)]:
        rows, columns = one.any(1), one.any(0)
        assert torch.equal(one, rows[:, None] & columns[None])
        assert max(int(rows.sum()), int(columns.sum())) <= SIDES[1] * 64 + 1
    whole = [
        one for one in gone if not (one[0].any() or one[-1].any() or one[:, 0].any() or one[:, -1].any()) and one.any()
    ]
    assert all(abs(int(one.any(1).sum()) - int(one.any(0).sum())) <= 1 for one in whole)
    assert min(int(one.any(1).sum()) for one in whole) >= SIDES[0] * 64 - 2


def test_blanked_pixels_have_no_gradient():
    torch.manual_seed(0)
    images = IMAGES.clone().requires_grad_()
    seen = Erasing(1.0)(images)
    seen.sum().backward()
    assert torch.equal(images.grad == 0, seen == 0)


def test_evaluated_or_with_no_chance_images_are_left_alone():
    assert Erasing(0.0)(IMAGES) is IMAGES
    assert Erasing(1.0).eval()(IMAGES) is IMAGES


def test_an_image_that_is_not_square_in_half_precision():
    torch.manual_seed(0)
    seen = Erasing(1.0)(torch.ones(4, 1, 32, 48, dtype=torch.bfloat16))
    assert seen.dtype == torch.bfloat16
    assert blanked(seen).any()


def test_the_discriminator_reads_whole_images_once_it_is_trained():
    torch.manual_seed(0)
    discriminator = StarGANDiscriminator(image_size=64, label_dim=3, conv_dim=4, erase=1.0)
    images = IMAGES[:4]
    assert not torch.equal(discriminator(images)[0], discriminator(images)[0])
    discriminator.eval()
    assert torch.equal(discriminator(images)[0], discriminator(images)[0])
