"""What the joint method's own networks do beyond the contract of all networks."""

import onnxruntime
import pytest
import torch

from stargan_fw_plugins.networks.projection_discriminator import ProjectionDiscriminator
from stargan_fw_plugins.networks.unet_generator import UNetGenerator


def drawn(count=3, side=32):
    random = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, side, side, generator=random) * 2 - 1, torch.rand(count, 5, generator=random).round()


@pytest.fixture
def fresh():
    torch.manual_seed(0)
    return UNetGenerator(image_size=32, label_dim=5, conv_dim=4, repeat_num=1)


@pytest.fixture
def generator(fresh):
    """A generator with weights that differ from those with which training begins."""
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return fresh


def test_training_begins_with_the_identity(fresh):
    images, labels = drawn()
    assert torch.equal(fresh(images, labels), images)
    (fresh(images, labels) - 1).abs().mean().backward()
    for layer, painted in ((fresh.to_recolouring, 6), (fresh.to_image, 3)):  # and with layers that learn at once
        assert all(layer.weight.grad[row].any() for row in range(painted))


def with_masks(generator, logit):
    """Returns the generator with a constant for the logits of both masks, and colours that change every pixel."""
    with torch.no_grad():
        generator.to_image.weight[3:] = 0
        generator.to_image.bias[:] = torch.tensor([0.4, 0.4, 0.4, logit, logit])
        generator.to_recolouring.bias[3:] = 0.3
    return generator


@pytest.mark.parametrize("logit", [-9.0, -5.0])
def test_once_trained_a_mask_that_is_nearly_closed_changes_nothing(generator, logit):
    images, labels = drawn()
    assert torch.equal(with_masks(generator, logit).eval()(images, labels), images)


@pytest.mark.parametrize("logit", [-9.0, -5.0])
def test_in_training_it_can_open_again(generator, logit):
    images, labels = drawn()
    (with_masks(generator, logit)(images * 0.2, labels) - 1).abs().mean().backward()
    assert (generator.to_image.bias.grad[3:] < 0).all()


def test_a_mask_that_is_nearly_open_is_open(generator):
    images, labels = drawn()
    found = [with_masks(generator, logit).eval()(images, labels) for logit in (5.0, 9.0)]
    assert torch.equal(*found)
    assert (found[0] - images).abs().mean() > 0.1


def test_a_recolouring_makes_no_pattern(generator):
    """Flat images under the same labels are recoloured flatly."""
    with torch.no_grad():
        for parameter in (generator.to_image.weight, generator.to_image.bias[:3]):
            parameter.zero_()
    images, labels = torch.full((1, 3, 64, 64), 0.2), drawn(1)[1]
    inner = generator(images, labels)[:, :, 20:44, 20:44]  # the border of the image is known from its padding
    assert (inner - images[:, :, 20:44, 20:44]).abs().max() > 1e-3
    assert inner.flatten(2).std(2).max() < 1e-3


def test_it_converts_to_onnx(generator, tmp_path):
    program = torch.onnx.export(
        generator.eval(), drawn(2), dynamo=True, verbose=False, input_names=["images", "labels"]
    )
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    images, labels = drawn(2)
    (found,) = session.run(None, {"images": images.numpy(), "labels": labels.numpy()})
    assert (torch.from_numpy(found) - generator(images, labels)).abs().max() < 1e-3


def test_bf16_gives_the_same_pictures(generator):
    images, labels = drawn()
    expected = generator(images, labels).detach()
    with torch.autocast("cpu", torch.bfloat16):
        found = generator(images, labels)
    assert found.dtype is torch.float32
    assert (found - expected).abs().max() < 0.05


def test_a_discriminator_judges_patches_and_the_whole():
    torch.manual_seed(0)
    network, images = ProjectionDiscriminator(image_size=64, label_dim=5, conv_dim=4), drawn(side=64)[0]
    judgement = network.judge(images)
    assert [scores.shape for scores in judgement.scores] == [(3, 1, 8, 8), (3, 1, 1, 1)]
    assert [scores.shape for scores in judgement.label_scores] == [(3, 5, 8, 8), (3, 5, 1, 1)]
    scores, logits = network(images)
    torch.testing.assert_close(scores, judgement.scores[0] + judgement.scores[1])
    assert torch.equal(logits, judgement.logits)
