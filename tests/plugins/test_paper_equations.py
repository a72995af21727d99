"""One update against a plain implementation of the paper's tables and Equations 2 to 8, in fp64, with loops.

Everything above the tests is written from the paper and uses nothing of the project: it must stay slow and obvious.
"""

import pytest
import torch
from torch.nn import functional

from stargan_fw.training.optimisation import PhaseOptimizer
from stargan_fw_plugins.cpu import winograd

LAMBDA_CLS, LAMBDA_REC, LAMBDA_GP = 1, 10, 10
RATE, BETA_1, BETA_2, EPSILON = 1e-4, 0.5, 0.999, 1e-8
# dataset → its number of labels, and whether they are one categorical attribute
LABELS = {"celeba": (5, False), "rafd": (8, True)}


# The networks of the appendix


def instance_norm(x, scale, shift):
    mean = x.mean((2, 3), keepdim=True)
    variance = (x - mean).square().mean((2, 3), keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt() * scale[None, :, None, None] + shift[None, :, None, None]


def plain_generator(weights, x, labels):
    """Takes the weights in the order of the table: kernel, scale, shift of each layer."""
    weights = iter(weights)

    def conv(x, **options):
        return functional.conv2d(x, next(weights), **options)

    def deconv(x):
        return functional.conv_transpose2d(x, next(weights), stride=2, padding=1)

    def norm(x):
        return instance_norm(x, next(weights), next(weights))

    planes = torch.ones(len(x), labels.shape[1], *x.shape[2:], dtype=x.dtype) * labels[:, :, None, None]
    x = torch.cat([x, planes], dim=1)
    x = norm(conv(x, padding=3)).relu()
    x = norm(conv(x, stride=2, padding=1)).relu()
    x = norm(conv(x, stride=2, padding=1)).relu()
    for _ in range(6):
        y = norm(conv(x, padding=1)).relu()
        x = x + norm(conv(y, padding=1))
    x = norm(deconv(x)).relu()
    x = norm(deconv(x)).relu()
    x = conv(x, padding=3).tanh()
    assert next(weights, None) is None
    return x


def plain_discriminator(weights, x):
    """Takes the weights in the order of the table: kernel and bias of each layer, then the heads `src` and `cls`."""
    *trunk, src, cls = weights
    for kernel, bias in zip(trunk[::2], trunk[1::2], strict=True):
        x = functional.leaky_relu(functional.conv2d(x, kernel, bias, stride=2, padding=1), 0.01)
    return functional.conv2d(x, src, padding=1), functional.conv2d(x, cls)[:, :, 0, 0]


# The equations


def plain_join(datasets, dataset, labels):
    """Eq. 7: c̃ = [c_1, …, c_n, m]; no mask for a single dataset."""
    rows = []
    for row in labels.tolist():
        joint = []
        for name in datasets:
            width, _ = LABELS[name]
            joint += row if name == dataset else [0.0] * width
        if len(datasets) > 1:
            joint += [1.0 if name == dataset else 0.0 for name in datasets]
        rows.append(joint)
    return torch.tensor(rows, dtype=torch.float64)


def plain_classification(datasets, dataset, logits, labels):
    """Eqs. 2 and 3: E[−log D_cls(c|x)], by the logits of the images' own dataset."""
    start = 0
    for name in datasets:
        if name == dataset:
            break
        start += LABELS[name][0]
    width, categorical = LABELS[dataset]
    total = 0.0
    for i in range(len(labels)):
        own = logits[i, start : start + width]
        if categorical:
            total = total - torch.log(own.exp()[labels[i].tolist().index(1.0)] / own.exp().sum())
        else:
            for j in range(width):
                probability = 1 / (1 + torch.exp(-own[j]))
                total = total - torch.log(probability if labels[i, j] == 1 else 1 - probability)
    return total / len(labels)


def plain_penalty(discriminator, real, fake, alpha):
    """The last term of Eq. 8; as in the reference, of D_src summed over its patches."""
    total = 0.0
    for i in range(len(real)):
        between = (alpha[i] * real[i] + (1 - alpha[i]) * fake[i])[None].requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(between)[0].sum(), between, create_graph=True)
        total = total + (slope.square().sum().sqrt() - 1) ** 2
    return total / len(real)


class PlainAdam:
    def __init__(self, weights):
        self.weights, self.step = weights, 0
        self.first = [torch.zeros_like(w) for w in weights]
        self.second = [torch.zeros_like(w) for w in weights]

    def update(self, gradients):
        self.step += 1
        for i, gradient in enumerate(gradients):
            self.first[i] = BETA_1 * self.first[i] + (1 - BETA_1) * gradient
            self.second[i] = BETA_2 * self.second[i] + (1 - BETA_2) * gradient**2
            first = self.first[i] / (1 - BETA_1**self.step)
            second = self.second[i] / (1 - BETA_2**self.step)
            with torch.no_grad():
                self.weights[i] -= RATE * first / (second.sqrt() + EPSILON)


class PlainStarGAN:
    """Eqs. 5 and 6 and their updates."""

    def __init__(self, datasets, generator, discriminator):
        self.datasets = datasets
        self.g = [w.detach().to(torch.float64, copy=True).requires_grad_() for w in generator.parameters()]
        self.d = [w.detach().to(torch.float64, copy=True).requires_grad_() for w in discriminator.parameters()]
        self.adam_g, self.adam_d = PlainAdam(self.g), PlainAdam(self.d)

    def update(self, batch, due=("d", "g")):
        """Returns the terms and gradients of the discriminator's update, then of the generator's where that is due."""
        permutation = torch.randperm(len(batch.images))
        alpha = torch.rand(len(batch.images), 1, 1, 1).double()
        x, original, target = batch.images.double(), batch.labels, batch.labels[permutation]
        d_terms, l_d = self.discriminator_loss(batch.dataset, x, original, target, alpha)
        d_gradients = torch.autograd.grad(l_d, self.d)
        self.adam_d.update(d_gradients)
        if "g" not in due:
            return {"d": (d_terms, l_d, d_gradients)}
        g_terms, l_g = self.generator_loss(batch.dataset, x, original, target)
        g_gradients = torch.autograd.grad(l_g, self.g)
        self.adam_g.update(g_gradients)
        return {"d": (d_terms, l_d, d_gradients), "g": (g_terms, l_g, g_gradients)}

    def discriminator_loss(self, dataset, x, original, target, alpha):
        """L_D = −L_adv + λ_cls L_cls^r, with L_adv of Eq. 8."""
        fake = plain_generator(self.g, x, plain_join(self.datasets, dataset, target)).detach()
        real_scores, logits = plain_discriminator(self.d, x)
        fake_scores, _ = plain_discriminator(self.d, fake)
        wasserstein = real_scores.mean() - fake_scores.mean()
        penalty = plain_penalty(lambda images: plain_discriminator(self.d, images), x, fake, alpha)
        l_adv = wasserstein - LAMBDA_GP * penalty
        l_cls = plain_classification(self.datasets, dataset, logits, original)
        return {"adv": -wasserstein, "gp": penalty, "cls": l_cls}, -l_adv + LAMBDA_CLS * l_cls

    def generator_loss(self, dataset, x, original, target):
        """L_G = L_adv + λ_cls L_cls^f + λ_rec L_rec, without the part of L_adv that does not depend on G."""
        fake = plain_generator(self.g, x, plain_join(self.datasets, dataset, target))
        scores, logits = plain_discriminator(self.d, fake)
        l_adv = -scores.mean()
        l_cls = plain_classification(self.datasets, dataset, logits, target)
        restored = plain_generator(self.g, fake, plain_join(self.datasets, dataset, original))
        l_rec = (x - restored).abs().mean()
        return {"adv": l_adv, "cls": l_cls, "rec": l_rec}, l_adv + LAMBDA_CLS * l_cls + LAMBDA_REC * l_rec


# The tests


@pytest.fixture
def both(tiny_stargan):
    """Builds the project's StarGAN and the plain one with its weights, none of them at a special value."""

    def build(*datasets):
        method = tiny_stargan(*datasets)
        with torch.no_grad():
            for network in method.networks.values():
                for parameter in network.parameters():
                    parameter.add_(torch.randn_like(parameter), alpha=0.05)
        return method, PlainStarGAN(datasets, method.generator, method.discriminator)

    return build


def assert_agree(actual, expected, what, tolerance=1e-9):
    """Compares relative to the norm of the expected tensor, in fp64 closely enough that nothing hides behind rounding."""
    difference, norm = (actual.detach().double() - expected.detach()).norm().item(), expected.norm().item()
    assert difference <= tolerance * norm, f"{what} is off by {difference}, its norm being {norm}"


@pytest.mark.parametrize("datasets", [("celeba",), ("rafd",), ("celeba", "rafd")], ids="+".join)
def test_networks_compute_the_papers_tables(double_precision, both, draw_batch, datasets):
    method, plain = both(*datasets)
    batch = draw_batch(datasets[-1], 1)
    labels = plain_join(datasets, batch.dataset, batch.labels)
    assert torch.equal(method.space.join(batch.dataset, batch.labels), labels)
    assert_agree(method.generator(batch.images, labels), plain_generator(plain.g, batch.images, labels), "generator")
    results = zip(method.discriminator(batch.images), plain_discriminator(plain.d, batch.images), strict=True)
    for actual, expected in results:
        assert_agree(actual, expected, "discriminator")


@pytest.mark.parametrize("datasets", [("celeba",), ("celeba", "rafd")], ids="+".join)
def test_updates_are_those_of_the_papers_equations(double_precision, both, draw_batch, datasets):
    """An update of both networks on a batch of each dataset in turn: losses, gradients and weights."""
    method, plain = both(*datasets)
    optimizers = {phase.name: PhaseOptimizer(phase, method, (BETA_1, BETA_2)) for phase in method.phases}
    networks = {"d": (method.discriminator, plain.d), "g": (method.generator, plain.g)}
    for seed, dataset in enumerate(datasets):
        batch = draw_batch(dataset, seed)
        torch.manual_seed(seed)
        plain_update = plain.update(batch)
        torch.manual_seed(seed)
        for phase, losses in method.losses(batch, {"d", "g"}):
            optimizers[phase].differentiate(losses)
            slopes = [parameter.grad.clone() for parameter in optimizers[phase].parameters]
            optimizers[phase].step(RATE)
            terms, total, gradients = plain_update[phase]
            assert set(losses.terms) == set(terms)
            for name, value in terms.items():
                assert_agree(losses.terms[name], value, f"{dataset} {phase}/{name}")
            assert_agree(losses.total, total, f"{dataset} {phase} in all")
            network, weights = networks[phase]
            named = zip(network.named_parameters(), slopes, gradients, weights, strict=True)
            for (name, actual), slope, gradient, weight in named:
                assert_agree(slope, gradient, f"{dataset} {phase} gradient of {name}")
                assert_agree(actual, weight, f"{dataset} {phase} {name}")


@pytest.mark.parametrize("dataset", ["celeba", "rafd"])
def test_losses_in_fp32_are_those_of_the_papers_equations(both, draw_batch, dataset):
    """The losses alone: in fp32 a unit that rounds to the other side of a ReLU is worth percents of a gradient."""
    method, plain = both("celeba", "rafd")
    optimizers = {phase.name: PhaseOptimizer(phase, method, (BETA_1, BETA_2)) for phase in method.phases}
    batch = draw_batch(dataset, 1)
    torch.manual_seed(1)
    plain_update = plain.update(batch)
    torch.manual_seed(1)
    for phase, losses in method.losses(batch, {"d", "g"}):
        optimizers[phase].update(losses, RATE)
        for name, value in plain_update[phase][0].items():
            assert losses.terms[name].item() == pytest.approx(value.item(), rel=1e-4, abs=1e-7), f"{phase}/{name}"


@pytest.mark.parametrize("fewest", [1, 10**9], ids=["fewer products", "plain"])
def test_twenty_steps_in_fp32_follow_the_papers_equations(monkeypatch, tiny_stargan, draw_batch, fewest):
    """The paper's schedule, both datasets in turn: what rounding adds up to in losses and weights.

    The images are such that no unit comes so near to the kink of a ReLU that rounding decides, which is worth percents of
    a gradient.
    """
    monkeypatch.setattr(winograd, "FEWEST_TILES", fewest)
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 4)
    taken = []
    partials = winograd._partials
    monkeypatch.setattr(winograd, "_partials", lambda *given: taken.append(1) or partials(*given))
    method = tiny_stargan("celeba", "rafd")
    plain = PlainStarGAN(("celeba", "rafd"), method.generator, method.discriminator)
    optimizers = {phase.name: PhaseOptimizer(phase, method, (BETA_1, BETA_2)) for phase in method.phases}
    for step in range(20):
        batch, due = draw_batch(("celeba", "rafd")[step % 2], 500 + step), {"d", "g"} if step % 10 > 7 else {"d"}
        torch.manual_seed(step)
        plain_update = plain.update(batch, due)
        torch.manual_seed(step)
        for phase, losses in method.losses(batch, due):
            optimizers[phase].update(losses, RATE)
            assert losses.total.item() == pytest.approx(plain_update[phase][1].item(), rel=1e-4), f"{step} {phase}"
    for network, weights in ((method.discriminator, plain.d), (method.generator, plain.g)):
        for (name, actual), weight in zip(network.named_parameters(), weights, strict=True):
            # Instance norm takes away what a label adds everywhere, so the middle of the labels' kernels has no gradient
            # but rounding, of which Adam makes whole steps that change nothing.
            if name == "main.0.weight":
                actual, weight = actual[:, :3], weight[:, :3]  # noqa: PLW2901
            assert_agree(actual, weight, name, tolerance=1e-4)
    assert bool(taken) is (fewest == 1)
