"""Every registered network because it is registered, and the paper's own to the digit."""

import copy
import sys

import pytest
import torch

from stargan_fw.errors import ConfigError
from stargan_fw.options import options_model
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.cpu import accelerate
from stargan_fw_plugins.networks.attention_generator import AttentionGenerator
from stargan_fw_plugins.networks.patch_discriminator import PatchDiscriminator
from stargan_fw_plugins.networks.projection_discriminator import ProjectionDiscriminator
from stargan_fw_plugins.networks.resnet_generator import ResNetGenerator
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator, depth_for
from stargan_fw_plugins.networks.stargan_generator import StarGANGenerator
from stargan_fw_plugins.networks.unet_generator import UNetGenerator

PLUGINS = PluginManager.discover()
GENERATORS = PLUGINS.index("generator").items()
DISCRIMINATORS = PLUGINS.index("discriminator").items()
EVERY_GENERATOR = pytest.mark.parametrize(
    "kind", [kind for _, kind in GENERATORS], ids=[name for name, _ in GENERATORS]
)
CONDITIONAL = [(name, kind) for name, kind in GENERATORS if kind.conditional]
EVERY_CONDITIONAL_GENERATOR = pytest.mark.parametrize(
    "kind", [kind for _, kind in CONDITIONAL], ids=[name for name, _ in CONDITIONAL]
)
EVERY_DISCRIMINATOR = pytest.mark.parametrize(
    "kind", [kind for _, kind in DISCRIMINATORS], ids=[name for name, _ in DISCRIMINATORS]
)
OWN = [
    StarGANGenerator,
    AttentionGenerator,
    ResNetGenerator,
    UNetGenerator,
    StarGANDiscriminator,
    PatchDiscriminator,
    ProjectionDiscriminator,
]
# image size → side of the map of patches
PATCHES = {32: 2, 48: 3, 64: 2, 96: 3, 128: 2, 160: 5, 256: 4, 512: 8}


def most_labels(kind, count=7):
    return count if getattr(kind, "conditional", True) else 0


def build(kind, image_size=32, label_dim=None, **options):
    torch.manual_seed(0)
    label_dim = most_labels(kind) if label_dim is None else label_dim
    narrow = {"conv_dim": 4} if "conv_dim" in options_model(kind).model_fields else {}
    network = kind(image_size=image_size, label_dim=label_dim, **narrow, **options)
    with torch.no_grad():  # some begin with the identity
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network


def images(count=3, size=32):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def labels(count=3, label_dim=7):
    return torch.randint(2, (count, label_dim), generator=torch.Generator().manual_seed(2)).float()


def parameters(kind, label_dim, image_size=128):
    with torch.device("meta"):
        return sum(p.numel() for p in kind(image_size=image_size, label_dim=label_dim).parameters())


def assert_every_parameter_has_gradients(network):
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


def test_the_built_in_networks_are_found():
    assert {"stargan", "attention", "resnet", "unet"} <= {name for name, _ in GENERATORS}
    assert {"stargan", "patch", "projection"} <= {name for name, _ in DISCRIMINATORS}


@pytest.mark.parametrize(("label_dim", "count"), [(5, 8_430_528), (8, 8_439_936), (15, 8_461_888)])
def test_the_generator_has_the_papers_parameters(label_dim, count):
    assert parameters(StarGANGenerator, label_dim) == count


@pytest.mark.parametrize(("label_dim", "count"), [(5, 44_762_048), (8, 44_786_624), (13, 44_827_584)])
def test_the_discriminator_has_the_papers_parameters(label_dim, count):
    assert parameters(StarGANDiscriminator, label_dim) == count


def test_for_rafds_labels_they_have_53_2_million_together():
    together = parameters(StarGANGenerator, 8) + parameters(StarGANDiscriminator, 8)
    assert round(together / 1e6, 1) == 53.2


@EVERY_GENERATOR
@pytest.mark.parametrize("size", PATCHES)
def test_a_generator_keeps_the_shape(kind, size):
    with torch.device("meta"):
        count = most_labels(kind, 15)
        result = kind(image_size=size, label_dim=count)(torch.empty(2, 3, size, size), torch.empty(2, count))
    assert result.shape == (2, 3, size, size)


@EVERY_DISCRIMINATOR
@pytest.mark.parametrize("size", PATCHES)
def test_a_discriminator_gives_a_patch_map_and_logits(kind, size):
    with torch.device("meta"):
        scores, logits = kind(image_size=size, label_dim=13)(torch.empty(2, 3, size, size))
    assert scores.ndim == 4
    assert scores.shape[:2] == (2, 1)
    assert logits.shape == (2, 13)


@pytest.mark.parametrize(("size", "side"), PATCHES.items())
def test_the_papers_discriminator_halves_down_to_its_patches(size, side):
    with torch.device("meta"):
        scores, _ = StarGANDiscriminator(image_size=size, label_dim=5)(torch.empty(1, 3, size, size))
    assert scores.shape == (1, 1, side, side)
    assert size // 2 ** depth_for(size) == side


@EVERY_GENERATOR
@pytest.mark.parametrize("size", [32, 48])
def test_a_generator_gives_finite_images_in_range(kind, size):
    result = build(kind, size)(images(size=size), labels(label_dim=most_labels(kind)))
    assert result.dtype == torch.float32
    assert result.isfinite().all()
    assert result.abs().max() <= 1


@EVERY_CONDITIONAL_GENERATOR
def test_every_label_changes_the_generated_image(kind):
    generator = build(kind).eval()
    with torch.no_grad():
        before = generator(images(1), torch.zeros(1, 7))
        changes = [(generator(images(1), row[None]) - before).abs().max().item() for row in torch.eye(7)]
    assert min(changes) > 1e-4


@EVERY_GENERATOR
def test_a_generator_works_without_labels(kind):
    generator = build(kind, label_dim=0)
    result = generator(images(), labels(label_dim=0))
    assert result.shape == (3, 3, 32, 32)
    result.square().mean().backward()
    assert_every_parameter_has_gradients(generator)


@pytest.mark.parametrize("kind", [kind for _, kind in GENERATORS if not kind.conditional], ids=lambda kind: kind.name)
def test_a_generator_that_cannot_follow_labels_refuses_them(kind):
    with pytest.raises(ConfigError, match=r"generator\.name = .* Use 'stargan'"):
        build(kind, label_dim=1)


@EVERY_DISCRIMINATOR
def test_a_discriminator_works_without_labels(kind):
    discriminator = build(kind, label_dim=0)
    scores, logits = discriminator(images())
    assert scores.shape[:2] == (3, 1)
    assert logits.shape == (3, 0)
    scores.mean().backward()
    assert_every_parameter_has_gradients(discriminator)


def test_a_patch_is_70_pixels_wide():
    discriminator = build(PatchDiscriminator, 128, label_dim=0).eval()
    image = images(1, 128).requires_grad_()
    features = torch.nn.Sequential(*(m for m in discriminator.trunk if not isinstance(m, torch.nn.InstanceNorm2d)))
    discriminator.src(features(image))[0, 0, 7, 7].backward()  # without the norms, which see the whole image
    assert image.grad[0, 0].any(dim=0).sum() == 70
    assert image.grad[0, 0].any(dim=1).sum() == 70


@EVERY_CONDITIONAL_GENERATOR
def test_each_image_follows_its_own_label(kind):
    generator = build(kind)
    together = generator(images(), labels())
    alone = torch.cat([generator(image[None], label[None]) for image, label in zip(images(), labels(), strict=True)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)


@EVERY_GENERATOR
def test_gradients_reach_every_parameter_of_a_generator(kind):
    generator = build(kind)
    (generator(images(), labels(label_dim=most_labels(kind))) - images()).abs().mean().backward()
    assert_every_parameter_has_gradients(generator)


@EVERY_DISCRIMINATOR
def test_a_discriminator_tells_images_apart(kind):
    scores, logits = build(kind)(images())
    assert scores.isfinite().all()
    assert logits.isfinite().all()
    assert (scores[0] != scores[1]).any()
    assert (logits[0] != logits[1]).any()


@pytest.mark.parametrize(
    "kind", [kind for name, kind in DISCRIMINATORS if name != "patch"], ids=lambda kind: kind.__name__
)
def test_a_discriminator_judges_each_image_alone(kind):
    discriminator = build(kind)
    together, alone = discriminator(images()), [discriminator(image[None]) for image in images()]
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(whole, torch.cat(parts), rtol=0, atol=1e-5)


@EVERY_DISCRIMINATOR
def test_gradients_reach_every_parameter_of_a_discriminator_and_the_image(kind):
    discriminator, image = build(kind), images().requires_grad_()
    scores, logits = discriminator(image)
    (scores.mean() + logits.square().mean()).backward()
    assert_every_parameter_has_gradients(discriminator)
    assert image.grad.flatten(1).any(dim=1).all()


def assert_only_the_label_axes_follow_the_labels(kind):
    few, many = build(kind, label_dim=7), build(kind, label_dim=9)
    axes = few.label_axes()
    assert axes
    for (name, before), after in zip(few.state_dict().items(), many.state_dict().values(), strict=True):
        if name in axes:
            axis, first = axes[name]
            assert (before.shape[axis], after.shape[axis]) == (first + 7, first + 9)
        else:
            assert before.shape == after.shape


@EVERY_CONDITIONAL_GENERATOR
def test_a_generator_says_where_its_labels_are(kind):
    assert_only_the_label_axes_follow_the_labels(kind)


@EVERY_DISCRIMINATOR
def test_a_discriminator_says_where_its_labels_are(kind):
    assert_only_the_label_axes_follow_the_labels(kind)


@EVERY_GENERATOR
def test_a_generator_takes_the_other_sizes_that_it_says_it_does(kind):
    if kind.size_multiple is not None:
        size = 32 + kind.size_multiple
        assert build(kind)(images(size=size), labels()).shape == (3, 3, size, size)


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("size", [0, 16, 30, 33, 1024])
def test_a_size_that_cannot_work_is_refused(kind, size):
    if kind is PatchDiscriminator and size == 33:
        pytest.skip("halving may leave a remainder where there is only a patch map")
    with pytest.raises(ConfigError, match=rf"data\.image_size = {size}: .* between 32 and 512,? such as 64"):
        build(kind, size)


@pytest.mark.parametrize("kind", [StarGANDiscriminator, ProjectionDiscriminator])
@pytest.mark.parametrize(("size", "stuck"), [(36, 9), (100, 25), (200, 25), (300, 75)])
def test_a_discriminator_refuses_a_size_that_it_cannot_halve_far_enough(kind, size, stuck):
    with pytest.raises(ConfigError, match=rf"data\.image_size = {size}: .* gets stuck at {stuck}"):
        build(kind, size)


def test_a_trunk_that_is_too_deep_for_the_image_is_refused_with_the_right_depth():
    with pytest.raises(ConfigError, match=r"discriminator\.repeat_num = 5: .* 48 pixels .* leave it out"):
        build(StarGANDiscriminator, 48, repeat_num=5)


def test_the_trunk_may_be_shallower():
    scores, logits = build(StarGANDiscriminator, 64, repeat_num=3)(images(size=64))
    assert scores.shape == (3, 1, 8, 8)
    assert logits.shape == (3, 7)


@pytest.mark.parametrize(("init", "kept"), [("he", True), ("torch", False)])
def test_hes_way_to_begin_keeps_the_size_of_a_signal(init, kept):
    network = StarGANDiscriminator(image_size=64, label_dim=7, conv_dim=16, init=init)
    assert (network.trunk(images(8, 64)).std() > 0.1) == kept


ARCHITECTURES = [module for name, module in sys.modules.items() if name.startswith("stargan_fw_plugins.networks.")]


def test_architectures_are_made_of_torchs_layers_alone():
    assert len(ARCHITECTURES) > 5
    for module in ARCHITECTURES:
        used = [
            thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, torch.nn.Module)
        ]
        known = ("torch.nn.", "stargan_fw.interfaces.", "stargan_fw_plugins.networks.")
        assert [thing for thing in used if not thing.__module__.startswith(known)] == []


EVERY_NETWORK = pytest.mark.parametrize(
    "kind", [kind for _, kind in (*GENERATORS, *DISCRIMINATORS)], ids=lambda kind: kind.__name__
)


@pytest.mark.parametrize("name", PLUGINS.index("accelerator").names())
@EVERY_NETWORK
def test_an_accelerated_network_keeps_its_parameters(kind, name):
    network, accelerator = build(kind), PLUGINS.index("accelerator").get(name)()
    parameters, state = dict(network.named_parameters()), network.state_dict(keep_vars=True)
    assert accelerator.accelerate(accelerator.accelerate(network)) is network
    kept, accelerated = dict(network.named_parameters()), network.state_dict(keep_vars=True)
    assert kept.keys() == parameters.keys()
    assert all(kept[name] is parameter for name, parameter in parameters.items())
    assert list(accelerated) == list(state)
    assert all(accelerated[name] is value for name, value in state.items())


@EVERY_NETWORK
def test_an_accelerated_network_computes_what_the_plain_one_does(kind):
    plain = build(kind, 64).double()
    fast = accelerate(copy.deepcopy(plain))
    assert [type(layer) for layer in fast.modules()] != [type(layer) for layer in plain.modules()]
    given = [images(size=64).double()]
    if hasattr(kind, "conditional"):
        given.append(labels(label_dim=most_labels(kind)).double())
    results, slopes = [], []
    for network in (plain, fast):
        found = network(*given)
        parts = found if isinstance(found, tuple) else (found,)
        results.append(parts)
        slopes.append(torch.autograd.grad(sum(part.square().sum() for part in parts), list(network.parameters())))
    torch.testing.assert_close(results[1], results[0])
    torch.testing.assert_close(slopes[1], slopes[0])
