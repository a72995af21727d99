"""What StarGAN does around the paper's equations: which graph is built, who gets gradients, translation, reading."""

import math
from collections import Counter
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from stargan_fw import AdversarialLoss, CriticLoss, Discriminator
from stargan_fw.errors import ConfigError
from stargan_fw.interfaces import Batch
from stargan_fw.training.optimisation import PhaseOptimizer
from stargan_fw_plugins.embeddings.dataset_classifier import DatasetClassifier
from stargan_fw_plugins.losses.wgan_gp import WGANGP
from stargan_fw_plugins.methods.diat import DIAT
from stargan_fw_plugins.methods.stargan import StarGAN
from stargan_fw_plugins.networks.resnet_generator import ResNetGenerator
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator
from stargan_fw_plugins.networks.stargan_generator import StarGANGenerator
from stargan_fw_registry import Categorical, LabelSchema, LabelSpace


@pytest.fixture
def method(tiny_stargan):
    return tiny_stargan("celeba", "rafd")


@pytest.fixture
def calls(method):
    """What the generator returned so far, and whether gradients were on."""
    seen = []
    method.generator.register_forward_hook(lambda module, given, result: seen.append((torch.is_grad_enabled(), result)))
    return seen


def optimizers(method):
    return {phase.name: PhaseOptimizer(phase, method, (0.5, 0.999)) for phase in method.phases}


def gradients(network):
    return [p.grad for p in network.parameters()]


def weights(network):
    return [p.detach().clone() for p in network.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_generator_sees_the_mask_and_the_discriminator_does_not(method):
    assert method.generator.main[0].in_channels == 3 + 15
    assert method.discriminator.cls.out_channels == 13


def test_there_is_no_mask_with_one_dataset(tiny_stargan):
    method = tiny_stargan("celeba")
    assert method.generator.main[0].in_channels == 3 + 5
    assert method.discriminator.cls.out_channels == 5


def test_phases_and_networks(method):
    assert [(phase.name, phase.networks, phase.interval) for phase in method.phases] == [
        ("d", ("discriminator",), 1),
        ("g", ("generator",), "n_critic"),
    ]
    assert list(method.networks) == ["generator", "discriminator"]


def test_terms_are_those_of_the_metrics(method, draw_batch):
    terms = {phase: set(losses.terms) for phase, losses in method.losses(draw_batch("rafd", 1), {"d", "g"})}
    assert terms == {"d": {"adv", "gp", "cls"}, "g": {"adv", "cls", "rec"}}


def test_without_a_generator_update_its_graph_is_not_built(method, draw_batch, calls):
    phases = [phase for phase, _ in method.losses(draw_batch("celeba", 1), {"d"})]
    assert phases == ["d"]
    assert [(grad, fake.requires_grad) for grad, fake in calls] == [(False, False)]


def test_one_fake_serves_both_updates(method, draw_batch, calls):
    phases = [phase for phase, _ in method.losses(draw_batch("celeba", 1), {"d", "g"})]
    assert phases == ["d", "g"]
    assert [fake.requires_grad for _, fake in calls] == [True, True]  # the fake, and its reconstruction


@pytest.mark.parametrize("size", [1, 2, 3])
def test_micro_batches_add_up_to_the_batch(double_precision, tiny_stargan, draw_batch, size):
    found = []
    for batch in (draw_batch("celeba", 1, 5), replace(draw_batch("celeba", 1, 5), micro_batch=size)):
        method = tiny_stargan("celeba", "rafd")
        torch.manual_seed(1)
        terms, phases = Counter(), optimizers(method)
        for phase, losses in method.losses(batch, {"d", "g"}):
            phases[phase].differentiate(losses)
            terms.update({f"{phase}/{name}": term.item() for name, term in losses.terms.items()})
        found.append((terms, [p.grad for optimizer in phases.values() for p in optimizer.parameters]))
    (terms, gradients), (sums, added) = found
    assert sums == pytest.approx(terms, rel=1e-9)
    for one, other in zip(gradients, added, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-12)


def test_micro_batches_hold_a_graph_at_a_time(method, draw_batch, calls):
    batch = replace(draw_batch("celeba", 1), micro_batch=3)
    yielded = [(phase, losses.last) for phase, losses in method.losses(batch, {"d", "g"})]
    assert yielded == [("d", True), ("g", False), ("g", True)]
    assert [(grad, len(fake)) for grad, fake in calls] == [(False, 4), (True, 2), (True, 2), (True, 2), (True, 2)]


def test_a_batch_with_unknown_labels_is_not_cut(method, draw_batch):
    batch = replace(draw_batch("celeba", 1), micro_batch=1)
    batch.labels[0] = math.nan
    assert [phase for phase, _ in method.losses(batch, {"d", "g"})] == ["d", "g"]


def test_a_batch_that_is_normed_as_one_is_not_cut(tiny_stargan, draw_batch, monkeypatch):
    init = StarGANDiscriminator.__init__

    def normed(self, **options):
        init(self, **options)
        self.trunk.insert(1, nn.BatchNorm2d(self.trunk[0].out_channels))

    monkeypatch.setattr(StarGANDiscriminator, "__init__", normed)
    batch = replace(draw_batch("celeba", 1), micro_batch=1)
    assert [phase for phase, _ in tiny_stargan("celeba").losses(batch, {"d", "g"})] == ["d", "g"]


def test_gradients_are_on_again_after_a_discriminator_step(method, draw_batch):
    for _, losses in method.losses(draw_batch("celeba", 1), {"d"}):
        assert torch.is_grad_enabled()
        assert losses.total.requires_grad


def test_each_update_gives_gradients_to_its_own_network_alone(method, draw_batch):
    phases = optimizers(method)
    losses = method.losses(draw_batch("celeba", 1), {"d", "g"})
    generator, discriminator = weights(method.generator), weights(method.discriminator)
    phases["d"].update(next(losses)[1], 1e-3)
    assert gradients(method.generator) == [None] * len(generator)
    assert same(generator, weights(method.generator))
    assert not same(discriminator, weights(method.discriminator))

    discriminator = weights(method.discriminator)
    phases["g"].update(next(losses)[1], 1e-3)
    assert gradients(method.discriminator) == [None] * len(discriminator)
    assert same(discriminator, weights(method.discriminator))
    assert not same(generator, weights(method.generator))


def test_a_discriminator_step_leaves_the_generator_without_gradients(method, draw_batch):
    for _, losses in method.losses(draw_batch("rafd", 1), {"d"}):
        losses.total.backward()
    assert gradients(method.generator) == [None] * len(gradients(method.generator))
    assert all(gradient is not None for gradient in gradients(method.discriminator))


def test_targets_are_the_batchs_labels_in_another_order(method, draw_batch, monkeypatch):
    joined = []
    join = method.space.join
    monkeypatch.setattr(
        type(method.space), "join", lambda self, name, labels: joined.append(labels) or join(name, labels)
    )
    batch = draw_batch("rafd", 1)
    list(method.losses(batch, {"d", "g"}))
    target, original = joined
    assert sorted(target.argmax(1).tolist()) == sorted(batch.labels.argmax(1).tolist())
    assert original is batch.labels


@pytest.mark.parametrize("dataset", ["celeba", "rafd"])
def test_the_other_datasets_logits_learn_nothing(method, draw_batch, dataset):
    losses = dict(method.losses(draw_batch(dataset, 1), {"d"}))
    losses["d"].terms["cls"].backward()
    rows = method.discriminator.cls.weight.grad.flatten(1).any(dim=1)
    expected = torch.zeros(13, dtype=torch.bool)
    expected[method.space.slice(dataset)] = True
    assert torch.equal(rows, expected)


def test_the_weights_of_the_terms_are_the_losses(tiny_stargan, draw_batch):
    method = tiny_stargan("celeba", lambda_cls=2.0, lambda_rec=3.0, lambda_gp=5.0)
    losses = dict(method.losses(draw_batch("celeba", 1), {"d", "g"}))
    d, g = losses["d"].terms, losses["g"].terms
    torch.testing.assert_close(losses["d"].total, d["adv"] + 5 * d["gp"] + 2 * d["cls"])
    torch.testing.assert_close(losses["g"].total, g["adv"] + 2 * g["cls"] + 3 * g["rec"])


@pytest.mark.parametrize("dataset", ["celeba", "rafd"])
@pytest.mark.parametrize("unknown", ["some", "all"])
def test_unknown_labels_leave_every_loss_and_gradient_finite(method, draw_batch, dataset, unknown):
    batch = draw_batch(dataset, 1)
    batch.labels[: 2 if unknown == "some" else None] = math.nan
    phases = optimizers(method)
    for phase, losses in method.losses(batch, {"d", "g"}):
        phases[phase].differentiate(losses)
        assert all(term.isfinite() for term in losses.terms.values())
        assert (losses.terms["cls"] == 0) == (unknown == "all")
        assert all(parameter.grad.isfinite().all() for parameter in phases[phase].parameters)


def test_unknown_labels_count_as_if_their_images_had_none(method, draw_batch):
    """The classification loss of a batch, half of it unknown, is that of the other half."""
    batch = draw_batch("celeba", 1)
    half = Batch(batch.images[2:], batch.labels[2:].clone(), "celeba")
    batch.labels[:2] = math.nan
    whole, known = (dict(method.losses(b, {"d"}))["d"].terms["cls"] for b in (batch, half))
    torch.testing.assert_close(whole, known)


@pytest.mark.parametrize("dataset", ["celeba", "rafd"])
def test_translate_follows_the_target_without_gradients(method, draw_batch, dataset):
    batch = draw_batch(dataset, 1)
    result = method.translate(batch.images, dataset, batch.labels)
    other = method.translate(batch.images, dataset, 1 - batch.labels)
    assert result.shape == batch.images.shape
    assert not result.requires_grad
    assert result.abs().max() <= 1
    assert (result != other).flatten(1).any(dim=1).all()
    torch.testing.assert_close(result, method.generator(batch.images, method.space.join(dataset, batch.labels)))


def test_translate_sets_the_mask_of_the_targets_dataset(method, draw_batch):
    images = draw_batch("celeba", 1).images
    celeba = method.translate(images, "celeba", torch.zeros(4, 5))
    rafd = method.translate(images, "rafd", torch.zeros(4, 8))
    assert not torch.equal(celeba, rafd)


def test_translate_across_sets_the_mask_of_every_dataset_with_labels(method, draw_batch):
    images = draw_batch("celeba", 1).images
    celeba, rafd = torch.eye(5)[[1] * 4], torch.eye(8)[[4] * 4]
    joint = torch.cat([celeba, rafd, torch.ones(4, 2)], dim=1)
    result = method.translate_across(images, {"rafd": rafd, "celeba": celeba}, {})
    torch.testing.assert_close(result, method.generator(images, joint))
    assert not method.trained_across


def test_the_wrong_mask_keeps_the_labels_and_sets_another_mask(method, draw_batch):
    batch = draw_batch("rafd", 1)
    variant = method.variant("mask", "wrong")
    wrong = variant.translate(batch.images, "rafd", batch.labels)
    joint = method.space.join("rafd", batch.labels)
    joint[:, -2:] = torch.tensor([1.0, 0.0])
    torch.testing.assert_close(wrong, method.generator(batch.images, joint))
    assert not torch.equal(wrong, method.translate(batch.images, "rafd", batch.labels))
    assert variant.networks is method.networks


@pytest.mark.parametrize(("dataset", "width"), [("celeba", 5), ("rafd", 8)])
def test_read_labels_gives_zeros_and_ones(method, draw_batch, dataset, width):
    labels = method.read_labels(draw_batch(dataset, 1).images, dataset)
    assert labels.shape == (4, width)
    assert labels.dtype == torch.float32
    assert not labels.requires_grad
    assert ((labels == 0) | (labels == 1)).all()


def test_read_labels_reads_the_logits_of_the_dataset(method, draw_batch, monkeypatch):
    logits = torch.tensor([[1.0, 2, -1, -3, 4, *range(8)], [-1, -2, -3, 1, -1, 9, *[0] * 7]])
    monkeypatch.setattr(method.discriminator, "forward", lambda images: (torch.zeros(2, 1, 2, 2), logits))
    images = draw_batch("celeba", 1).images[:2]
    # Of hair colours at most one, and none where none is likely; of expressions the likeliest.
    assert method.read_labels(images, "celeba").tolist() == [[0, 1, 0, 0, 1], [0, 0, 0, 1, 0]]
    assert method.read_labels(images, "rafd").argmax(1).tolist() == [7, 0]
    assert method.read_labels(images, "rafd").sum(1).tolist() == [1, 1]


class Scores(Discriminator):
    """A critic with one head: the mean of the image under one weight."""

    name = "scores"

    def __init__(self, *, image_size, label_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return self.weight * images.mean((1, 2, 3), keepdim=True)


class Hinge(AdversarialLoss):
    """A loss without weights for other losses."""

    name = "hinge"

    def discriminator(self, real, fake, critic):
        total = (1 - real.scores).relu().mean() + (1 + fake.scores).relu().mean()
        return CriticLoss(total, {"adv": total})

    def generator(self, scores):
        return -scores.mean()


PETS = LabelSpace([LabelSchema("pets", [Categorical("species", ["cat", "dog"])])])


def components(**others):
    """A `ComponentBuilder` of small networks, but for what is given."""
    small = {"generator": partial(ResNetGenerator, conv_dim=2), "discriminator": Scores, "loss": WGANGP}
    return SimpleNamespace(**{**small, **others})


def test_a_discriminator_that_reads_no_labels_is_refused():
    with pytest.raises(ConfigError, match="'scores' reads no labels.*ClassifyingDiscriminator"):
        StarGAN(PETS, 32, components(generator=partial(StarGANGenerator, conv_dim=2)))


def test_a_loss_without_weights_is_refused():
    with pytest.raises(ConfigError, match="'hinge' has no lambda_cls and no lambda_rec.*WeightedLoss"):
        StarGAN(
            PETS,
            32,
            components(
                generator=partial(StarGANGenerator, conv_dim=2),
                discriminator=partial(StarGANDiscriminator, conv_dim=2),
                loss=Hinge,
            ),
        )


def test_a_method_that_reads_no_labels_takes_a_critic_with_one_head_and_any_loss():
    method = DIAT(PETS, 32, components(loss=Hinge, embedding=DatasetClassifier))
    found = dict(method.losses(Batch(torch.rand(4, 3, 32, 32), torch.eye(2)[[0, 0, 1, 1]], "pets"), {"d", "g"}))
    assert set(found) == {"d", "g"}
    assert all(losses.total.isfinite() for losses in found.values())
