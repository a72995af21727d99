"""The adversarial losses and the classification loss against plain formulas."""

import math

import pytest
import torch

from stargan_fw.interfaces import score_together
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.cpu import accelerate
from stargan_fw_plugins.losses.classification import classification_loss
from stargan_fw_plugins.losses.vanilla import Vanilla
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss
from stargan_fw_plugins.losses.wgan_gp import WGANGP, gradient_penalty
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator
from stargan_fw_registry import Binary, Categorical, Continuous, Exclusive, LabelSchema

LOSSES = PluginManager.discover().index("loss").items()
EVERY_LOSS = pytest.mark.parametrize("kind", [kind for _, kind in LOSSES], ids=[name for name, _ in LOSSES])
NAN = math.nan
PETS = LabelSchema(
    "pets", [Binary("young"), Exclusive("coat", ["black", "white"]), Categorical("kind", ["a", "b", "c"])]
)


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return StarGANDiscriminator(image_size=32, label_dim=6, conv_dim=4)


def images(seed):
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def sigmoid(score):
    return 1 / (1 + math.exp(-score))


def mean(values):
    return sum(values) / len(values)


def patches(critic, x):
    return critic.score_images(x).flatten().tolist()


def discriminate(loss, critic, real, fake):
    return loss.discriminator(*score_together(critic.score_images, real, fake), critic.score_images)


class LinearCritic(torch.nn.Module):
    """Patches that are linear in the image, so that the slope of their sum is the sum of their weights."""

    def __init__(self, weights):
        super().__init__()
        self.weights = torch.nn.Parameter(weights)

    def forward(self, x):
        return (x.flatten(1) @ self.weights).reshape(len(x), 1, 2, 2)


# Adversarial losses


def test_the_built_in_losses_are_found():
    assert {"vanilla", "wgan_gp"} <= {name for name, _ in LOSSES}


@EVERY_LOSS
def test_the_discriminators_part_trains_the_critic(kind, critic):
    result = discriminate(kind(), critic, images(1), images(2))
    result.total.backward()
    assert result.total.shape == ()
    assert result.total.isfinite()
    assert "adv" in result.terms
    assert all(term.shape == () for term in result.terms.values())
    # The head of the labels learns from the classification loss instead.
    assert all(p.grad.any() for name, p in critic.named_parameters() if name != "cls.weight")


@EVERY_LOSS
def test_separating_real_from_fake_lowers_the_discriminators_part(kind, critic):
    real, fake = images(1), images(2)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        torch.manual_seed(0)
        total = discriminate(kind(), critic, real, fake).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < losses[0]


@EVERY_LOSS
def test_the_generators_part_is_a_mean_over_the_images(kind):
    scores = torch.linspace(-3, 0.9, 16).reshape(4, 1, 2, 2)
    parts = (3 * kind().generator(scores[:3]) + kind().generator(scores[3:])) / 4
    torch.testing.assert_close(kind().generator(scores), parts)


@EVERY_LOSS
def test_a_higher_score_lowers_the_generators_part(kind):
    # Below 1, where a real image's score is under least squares.
    scores = torch.linspace(-3, 0.9, 8).reshape(2, 1, 2, 2).requires_grad_()
    loss = kind().generator(scores)
    loss.backward()
    assert loss.shape == ()
    assert (scores.grad < 0).all()


@EVERY_LOSS
def test_the_weights_of_the_full_objectives_are_the_papers(kind):
    if not issubclass(kind, WeightedLoss):
        pytest.skip("the loss is for methods that weigh nothing besides")
    assert (kind().lambda_cls, kind().lambda_rec) == (1, 10)
    assert (kind(lambda_cls=2.0, lambda_rec=3.0).lambda_cls, kind(lambda_rec=3.0).lambda_rec) == (2, 3)


def test_vanilla_is_equation_1(critic):
    real, fake = patches(critic, images(1)), patches(critic, images(2))
    l_adv = mean([math.log(sigmoid(s)) for s in real]) + mean([math.log(1 - sigmoid(s)) for s in fake])
    result = discriminate(Vanilla(), critic, images(1), images(2))
    assert result.total.item() == pytest.approx(-l_adv, rel=1e-5)
    assert result.terms["adv"].item() == pytest.approx(-l_adv, rel=1e-5)


def test_vanillas_generator_minimises_what_it_is_in_equation_1():
    scores = torch.tensor([-2.0, -0.5, 0.0, 3.0]).reshape(2, 1, 1, 2)
    expected = mean([math.log(1 - sigmoid(s)) for s in scores.flatten().tolist()])
    assert Vanilla().generator(scores).item() == pytest.approx(expected, rel=1e-5)


def test_the_non_saturating_generator_maximises_the_log_of_being_real():
    scores = torch.tensor([-2.0, -0.5, 0.0, 3.0]).reshape(2, 1, 1, 2)
    expected = mean([-math.log(sigmoid(s)) for s in scores.flatten().tolist()])
    assert Vanilla(non_saturating=True).generator(scores).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("non_saturating", [False, True])
def test_vanilla_does_not_overflow(non_saturating):
    scores = torch.tensor([-200.0, 200.0]).reshape(2, 1, 1, 1).requires_grad_()
    loss = Vanilla(non_saturating=non_saturating).generator(scores)
    loss.backward()
    assert abs(loss.item()) == pytest.approx(100)
    assert scores.grad.isfinite().all()


def test_wgan_gp_weighs_the_penalty(critic):
    torch.manual_seed(5)
    penalty = gradient_penalty(critic.score_images, images(1), images(2)).item()
    torch.manual_seed(5)
    result = discriminate(WGANGP(lambda_gp=3.0), critic, images(1), images(2))
    adversarial = mean(patches(critic, images(2))) - mean(patches(critic, images(1)))
    assert result.terms["adv"].item() == pytest.approx(adversarial, rel=1e-4)
    assert result.terms["gp"].item() == pytest.approx(penalty, rel=1e-6)
    assert result.total.item() == pytest.approx(adversarial + 3 * penalty, rel=1e-5)


def test_the_penalty_is_of_the_slope_of_the_summed_patches():
    weights = torch.randn(3 * 32 * 32, 4, generator=torch.Generator().manual_seed(3)) / 50
    penalty = gradient_penalty(LinearCritic(weights), images(1), images(2))
    assert penalty.item() == pytest.approx((weights.sum(1).norm().item() - 1) ** 2, rel=1e-4)


def test_the_penalty_of_a_flat_critic_is_one_and_its_gradient_finite(critic):
    accelerate(critic)
    flat = LinearCritic(torch.zeros(3 * 32 * 32, 4))
    penalty = gradient_penalty(flat, images(1), images(2))
    penalty.backward()
    assert penalty.item() == 1
    assert flat.weights.grad.isfinite().all()
    torch.nn.init.zeros_(critic.src.weight)
    penalty = gradient_penalty(critic.score_images, images(1), images(2))
    penalty.backward()
    assert penalty.item() == 1
    weights, biases = ([p for p in critic.trunk.parameters() if (p.ndim > 1) is many] for many in (True, False))
    assert all(p.grad.isfinite().all() for p in weights)
    assert all(p.grad is None for p in biases), "the slope does not depend on them"
    assert critic.src.weight.grad.isfinite().all()


def test_the_penalty_is_taken_between_real_and_fake():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.square().mean((1, 2, 3), keepdim=True)

    real, fake = torch.ones(64, 3, 4, 4), -torch.ones(64, 3, 4, 4)
    gradient_penalty(critic, real, fake)
    alpha = seen[0][:, 0, 0, 0]
    assert (seen[0] == alpha[:, None, None, None]).all()  # one an image
    assert alpha.unique().numel() == 64
    assert -1 <= alpha.min() < -0.8
    assert 0.8 < alpha.max() <= 1


def test_autocast_does_not_touch_the_penalty(critic):
    torch.manual_seed(5)
    expected = gradient_penalty(critic.score_images, images(1), images(2))
    torch.manual_seed(5)
    with torch.autocast("cpu", torch.bfloat16):
        result = discriminate(WGANGP(), critic, images(1), images(2))
    assert result.terms["gp"].dtype == torch.float32
    torch.testing.assert_close(result.terms["gp"], expected)


# The classification loss


def bernoulli(logit, label):
    return -math.log(sigmoid(logit) if label else 1 - sigmoid(logit))


def softmax_loss(logits, number):
    return -math.log(math.exp(logits[number]) / sum(math.exp(logit) for logit in logits))


def plain_classification(logits, labels):
    """PETS, row by row and attribute by attribute; an attribute that nobody knows adds nothing."""
    total = 0.0
    for position in range(3):
        known = [
            (row[position], y[position]) for row, y in zip(logits, labels, strict=True) if y[position] == y[position]
        ]
        total += mean([bernoulli(logit, label) for logit, label in known]) if known else 0
    known = [(row[3:], y[3:].index(1)) for row, y in zip(logits, labels, strict=True) if y[3] == y[3]]
    return total + (mean([softmax_loss(*pair) for pair in known]) if known else 0)


LABELS = {
    "all known": [[1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1], [1, 0, 0, 0, 1, 0]],
    "some unknown": [
        [NAN, 0, 1, 1, 0, 0],
        [0, NAN, 0, NAN, NAN, NAN],
        [0, 1, NAN, 0, 0, 1],
        [NAN, 0, 0, NAN, NAN, NAN],
    ],
    "a binary unknown": [[NAN, 0, 1, 1, 0, 0], [NAN, 0, 0, 0, 1, 0], [NAN, 1, 0, 0, 0, 1], [NAN, 0, 0, 0, 1, 0]],
    "a category unknown": [[1, 0, 1, *[NAN] * 3], [0, 0, 0, *[NAN] * 3], [0, 1, 0, *[NAN] * 3], [1, 0, 0, *[NAN] * 3]],
    "all unknown": [[NAN] * 6] * 4,
}


def test_a_category_of_which_a_part_is_unknown_is_unknown():
    logits = torch.randn(1, 6, generator=torch.Generator().manual_seed(4))
    partly, wholly = torch.tensor([[1.0, 0, 1, 1, NAN, 0]]), torch.tensor([[1.0, 0, 1, NAN, NAN, NAN]])
    assert classification_loss(PETS, logits, partly) == classification_loss(PETS, logits, wholly)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_only_known_labels_enter_the_classification_loss(labels):
    logits = torch.randn(4, 6, generator=torch.Generator().manual_seed(4)).requires_grad_()
    loss = classification_loss(PETS, logits, torch.tensor(labels, dtype=torch.float32))
    loss.backward()
    assert loss.item() == pytest.approx(plain_classification(logits.tolist(), labels), rel=1e-5)
    assert logits.grad.isfinite().all()
    known = ~torch.tensor(labels, dtype=torch.float32).isnan()
    assert torch.equal(logits.grad != 0, known)


def test_known_labels_give_the_references_loss():
    """Summed binary cross-entropies over the batch size, and the mean cross-entropy."""
    logits, labels = torch.randn(4, 6, generator=torch.Generator().manual_seed(4)), torch.tensor(LABELS["all known"])
    binary = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, :3], labels[:, :3].float(), reduction="sum")
    categorical = torch.nn.functional.cross_entropy(logits[:, 3:], labels[:, 3:].argmax(1))
    torch.testing.assert_close(classification_loss(PETS, logits, labels.float()), binary / 4 + categorical)


def test_a_number_is_regressed_to_0_with_the_gradient_of_its_error():
    schema = LabelSchema("faces", [Continuous("age", 0, 100), Binary("male")])
    logits = torch.tensor([[0.5, 9.0], [-1.0, 9.0], [3.0, 9.0]]).requires_grad_()
    labels = torch.tensor([[0.75, 1.0], [0.0, 1.0], [NAN, 1.0]])
    loss = classification_loss(schema, logits, labels)
    loss.backward()
    errors = (logits[:2, 0].sigmoid() - labels[:2, 0]) / 2
    torch.testing.assert_close(logits.grad[:, 0], torch.cat([errors, torch.zeros(1)]))
    exact = torch.tensor([[math.log(3), 40.0], [-40.0, 40.0], [3.0, 40.0]])
    assert classification_loss(schema, exact, labels).item() == pytest.approx(0, abs=1e-6)
    assert classification_loss(schema, logits, labels * 0).isfinite()


def test_a_penalty_without_gradients_is_refused(critic):
    """Compiled critics returned detached slopes in some versions of torch; training would go on without the penalty."""

    def detached(x):
        return _Detached.apply(x, critic.score_images(x))

    real, fake = score_together(critic.score_images, images(1), images(2))
    with pytest.raises(RuntimeError, match="would train nothing"):
        WGANGP().discriminator(real, fake, detached)


def test_a_compiled_critic_never_trains_without_its_penalty():
    """torch either refuses to differentiate a compiled network twice, or does it right."""
    torch.manual_seed(0)
    critic = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 4, 2), torch.nn.LeakyReLU(0.01), torch.nn.Conv2d(4, 1, 3))
    gradients = {}
    for name, scores in {"eager": critic, "compiled": torch.compile(critic, backend="aot_eager")}.items():
        critic.zero_grad()
        torch.manual_seed(1)
        try:
            loss = WGANGP().discriminator(*score_together(scores, images(1), images(2)), scores)
            loss.terms["gp"].backward(inputs=[critic[0].weight])
        except RuntimeError:
            continue
        gradients[name] = critic[0].weight.grad.clone()
    assert gradients["eager"].norm() > 0
    torch.testing.assert_close(gradients.get("compiled", gradients["eager"]), gradients["eager"])


class _Detached(torch.autograd.Function):
    """Scores whose slopes are constants."""

    @staticmethod
    def forward(context, x, scores):
        context.save_for_backward(x)
        return scores.detach().clone()

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return torch.ones_like(x).detach(), None
