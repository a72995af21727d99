"""CycleGAN's, DIAT's and IcGAN's losses against their equations, written out here in fp64 image by image."""

import math

import pytest
import torch
from torch import nn

from stargan_fw.interfaces import Batch
from stargan_fw_plugins.embeddings.dataset_classifier import DatasetClassifier
from stargan_fw_plugins.losses.lsgan import LSGAN
from stargan_fw_plugins.losses.vanilla import Vanilla
from stargan_fw_plugins.methods.cyclegan import CycleGAN
from stargan_fw_plugins.methods.diat import DIAT
from stargan_fw_plugins.methods.icgan import IcGAN
from stargan_fw_plugins.networks.patch_discriminator import PatchDiscriminator
from stargan_fw_plugins.networks.resnet_generator import ResNetGenerator
from stargan_fw_registry import Categorical, LabelSchema, LabelSpace

SPACE = LabelSpace([LabelSchema("beasts", [Categorical("species", ["cat", "dog"])])])
CAT, DOG = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
NONE = torch.zeros(1, 0)


class Components:
    def __init__(self, loss):
        self._loss = loss

    def generator(self, **given):
        return ResNetGenerator(**given, conv_dim=2, repeat_num=1)

    def discriminator(self, **given):
        return PatchDiscriminator(**given, conv_dim=2)

    def embedding(self, **given):
        return DatasetClassifier(**given, conv_dim=2)

    def loss(self):
        return self._loss


@pytest.fixture
def cats_and_dogs(double_precision):
    """Three images of either."""
    torch.manual_seed(1)
    labels = torch.cat([CAT.expand(3, 2), DOG.expand(3, 2)]).double()
    return Batch(torch.rand(6, 3, 32, 32) * 2 - 1, labels, "beasts")


def mean(values):
    values = [value.item() if isinstance(value, torch.Tensor) else value for value in values]
    return sum(values) / len(values)


def each(images):
    return [image[None] for image in images]


def patches(discriminator, image):
    return discriminator(image)[0].flatten().tolist()


def l1(one, other):
    return mean((one - other).abs().flatten())


@pytest.fixture
def cyclegan(double_precision):
    torch.manual_seed(0)
    return CycleGAN(SPACE, 32, Components(LSGAN(lambda_rec=7.0)), lambda_idt=3.0)


def test_cyclegans_generators_minimise_its_full_objective(cyclegan, cats_and_dogs):
    """`E[(D_Y(G(x)) − 1)²] + E[(D_X(F(y)) − 1)²] + λ L_cyc + λ_idt L_identity` (Zhu et al., Sec. 3 and 5.2)."""
    cats, dogs = each(cats_and_dogs.images[:3]), each(cats_and_dogs.images[3:])
    g, f = (cyclegan.generators[f"beasts: {key}"] for key in ("cat to dog", "dog to cat"))
    d_y, d_x = (cyclegan.discriminators[f"beasts: {key}"] for key in ("cat to dog", "dog to cat"))
    _, losses = next(cyclegan.losses(cats_and_dogs, {"g"}))

    fooled = mean([(s - 1) ** 2 for x in cats for s in patches(d_y, g(x, NONE))])
    fooled += mean([(s - 1) ** 2 for y in dogs for s in patches(d_x, f(y, NONE))])
    cycle = mean([l1(f(g(x, NONE), NONE), x) for x in cats]) + mean([l1(g(f(y, NONE), NONE), y) for y in dogs])
    identity = mean([l1(g(y, NONE), y) for y in dogs]) + mean([l1(f(x, NONE), x) for x in cats])
    assert {name: term.item() for name, term in losses.terms.items()} == pytest.approx(
        {"adv": fooled, "rec": cycle, "idt": identity}, rel=1e-9
    )
    assert losses.total.item() == pytest.approx(fooled + 7 * cycle + 3 * identity, rel=1e-9)


def test_cyclegans_discriminators_minimise_half_the_least_squares(cyclegan, cats_and_dogs):
    """`½ E[(D_Y(y) − 1)²] + ½ E[D_Y(G(x))²]`, and the same of D_X."""
    cats, dogs = each(cats_and_dogs.images[:3]), each(cats_and_dogs.images[3:])
    losses = dict(cyclegan.losses(cats_and_dogs, {"d"}))["d"]
    expected = 0.0
    for key, real, source in (("cat to dog", dogs, cats), ("dog to cat", cats, dogs)):
        g, d = cyclegan.generators[f"beasts: {key}"], cyclegan.discriminators[f"beasts: {key}"]
        expected += mean([(s - 1) ** 2 for y in real for s in patches(d, y)]) / 2
        expected += mean([s**2 for x in source for s in patches(d, g(x, NONE))]) / 2
    assert losses.total.item() == pytest.approx(expected, rel=1e-9)


def test_without_its_weight_the_identity_term_is_not_computed(double_precision, cats_and_dogs):
    method = CycleGAN(SPACE, 32, Components(LSGAN()))
    assert set(next(method.losses(cats_and_dogs, {"g"}))[1].terms) == {"adv", "rec"}


@pytest.fixture
def diat(double_precision):
    torch.manual_seed(0)
    return DIAT(SPACE, 32, Components(Vanilla(non_saturating=True)), source="cat", lambda_id=5.0)


def test_diats_generator_keeps_features(diat, cats_and_dogs):
    """`−E[log D(G(x))] + λ ‖F(x) − F(G(x))‖₁`, in the mean."""
    (g,), (d,), f = diat.generators.values(), diat.discriminators.values(), diat.embedding
    losses = dict(diat.losses(cats_and_dogs, {"f", "d", "g"}))["g"]
    cats = each(cats_and_dogs.images[:3])
    adversarial = mean([math.log1p(math.exp(-s)) for x in cats for s in patches(d, g(x, NONE))])
    identity = mean([l1(f(x), f(g(x, NONE))) for x in cats])
    assert losses.terms["id"].item() == pytest.approx(identity, rel=1e-9)
    assert losses.total.item() == pytest.approx(adversarial + 5 * identity, rel=1e-9)


def test_diats_discriminator_tells_targets_from_translations(diat, cats_and_dogs):
    """`−E[log D(y)] − E[log(1 − D(G(x)))]`."""
    (g,), (d,) = diat.generators.values(), diat.discriminators.values()
    losses = dict(diat.losses(cats_and_dogs, {"d"}))["d"]
    real = mean([math.log1p(math.exp(-s)) for y in each(cats_and_dogs.images[3:]) for s in patches(d, y)])
    fake = mean([math.log1p(math.exp(s)) for x in each(cats_and_dogs.images[:3]) for s in patches(d, g(x, NONE))])
    assert losses.total.item() == pytest.approx(real + fake, rel=1e-9)


def test_diats_own_classifier_learns_the_labels(diat, cats_and_dogs):
    losses = dict(diat.losses(cats_and_dogs, {"f"}))["f"]
    logits = [diat.embedding.classify(x)[0] for x in each(cats_and_dogs.images)]
    expected = mean([-torch.log_softmax(row, 0)[int(number >= 3)] for number, row in enumerate(logits)])
    assert losses.total.item() == pytest.approx(expected, rel=1e-9)


@pytest.fixture
def icgan(double_precision):
    torch.manual_seed(0)
    return IcGAN(SPACE, 32, Components(Vanilla(non_saturating=True)), conv_dim=2, hidden_dim=16, z_dim=4)


def drawn_z(count):
    torch.manual_seed(5)
    z = torch.randn(count, 4)
    torch.manual_seed(5)
    return z


def test_icgans_first_stage_is_a_conditional_gan(icgan, cats_and_dogs):
    """`−E[log D(x, c)] − E[log(1 − D(G(z, c), c))]`, and of G `−E[log D(G(z, c), c)]`."""
    z, labels = drawn_z(6), cats_and_dogs.labels
    losses = dict(icgan.losses(cats_and_dogs, {"d", "g", "z", "c"}))
    assert set(losses) == {"d", "g"}
    fake = icgan.generator(z, labels)
    real_scores, fake_scores = (icgan.discriminator(x, labels).flatten().tolist() for x in (cats_and_dogs.images, fake))
    softplus = lambda values, sign: mean([math.log1p(math.exp(sign * s)) for s in values])  # noqa: E731
    expected = softplus(real_scores, -1) + softplus(fake_scores, 1)
    assert losses["d"].total.item() == pytest.approx(expected, rel=1e-9)
    assert losses["g"].total.item() == pytest.approx(softplus(fake_scores, -1), rel=1e-9)


def test_icgans_second_stage_inverts_it(icgan, cats_and_dogs):
    """`E[(z − E_z(G(z, c)))²]`, and `E[−log E_c(c|x)]` of the data."""
    late = Batch(cats_and_dogs.images, cats_and_dogs.labels, "beasts", progress=0.6)
    z = drawn_z(6)
    losses = dict(icgan.losses(late, {"d", "g", "z", "c"}))
    assert set(losses) == {"z", "c"}
    icgan.generator.eval()
    found = icgan.encoder_z(icgan.generator(z, late.labels))
    assert losses["z"].total.item() == pytest.approx(mean(((z - found) ** 2).flatten()), rel=1e-9)
    logits = torch.log_softmax(icgan.encoder_c(late.images), 1)
    assert losses["c"].total.item() == pytest.approx(mean([-logits[i, int(i >= 3)] for i in range(6)]), rel=1e-9)


def test_icgan_edits_by_changing_c_and_keeping_z(icgan, cats_and_dogs):
    result = icgan.translate(cats_and_dogs.images, "beasts", cats_and_dogs.labels.flip(0))
    for network in icgan.networks.values():
        assert isinstance(network.eval(), nn.Module)
    z = icgan.encoder_z(cats_and_dogs.images)
    torch.testing.assert_close(result, icgan.generator(z, cats_and_dogs.labels.flip(0)))
