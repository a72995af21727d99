"""What every registered method keeps, because it is registered."""

import copy
import dataclasses
import itertools
from collections import Counter

import pytest
import torch

from stargan_fw import evaluating
from stargan_fw.components import build_method, complete
from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import ModelError
from stargan_fw.interfaces import ReadsLabels, TranslatesAcross
from stargan_fw.interfaces.method import require_across
from stargan_fw.options import options_model
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.training.optimisation import PhaseOptimizer
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema, LabelSpace

PLUGINS = PluginManager.discover()
METHODS = PLUGINS.index("method").names()
SPACE = LabelSpace(
    [
        LabelSchema("beasts", [Categorical("species", ["cat", "dog", "owl"]), Binary("young")]),
        LabelSchema("coats", [Exclusive("coat", ["black", "white"])]),
    ]
)
EVERY_METHOD = pytest.mark.parametrize("name", METHODS)
PROGRESS = (0.0, 0.95)  # a method may be at another stage at the end of a run


def build(name):
    """Builds the method a few channels wide; what comes with packages that may be missing is replaced."""
    torch.manual_seed(0)
    tables = {"method": {"name": name}, "embedding": {"name": "classifier"}}
    for kind, default in PLUGINS.index("method").get(name).components.items():
        component = tables.setdefault(kind, {"name": default})
        options = options_model(PLUGINS.index(kind).get(component["name"])).model_fields
        component |= {option: value for option, value in {"conv_dim": 4, "repeat_num": 1}.items() if option in options}
        if kind == "discriminator":
            component.pop("repeat_num", None)
    options = options_model(PLUGINS.index("method").get(name)).model_fields
    small = {"conv_dim": 4, "hidden_dim": 16, "z_dim": 8, "pool_size": 3}
    tables["method"] |= {option: value for option, value in small.items() if option in options}
    config = complete(merge([Layer("test", {"data": {"image_size": 32}, **tables})]), PLUGINS)
    method = build_method(config, SPACE, PLUGINS)
    method.prepare()
    with torch.no_grad():  # some begin with the identity
        for network in method.networks.values():
            for parameter in network.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    return method


def labels(dataset, count=12):
    """Labels of `count` images, among which every value is."""
    if dataset == "coats":
        return torch.eye(2)[torch.arange(count) % 2]
    return torch.cat([torch.eye(3)[torch.arange(count) % 3], (torch.arange(count)[:, None] % 2).float()], dim=1)


def batches(method, dataset, progress=0.0, seed=0):
    """Yields a batch of each kind, of eight images, as the loader makes it."""
    from stargan_fw.interfaces import Batch

    random, every = torch.Generator().manual_seed(seed), labels(dataset)
    for kind, sets in enumerate(method.batches(dataset, every)):
        share = 8 // len(sets)
        chosen = torch.cat([indices.repeat(8)[:share] for indices in sets])
        images = torch.rand(len(chosen), 3, 32, 32, generator=random) * 2 - 1
        yield Batch(images, every[chosen], dataset, kind, progress)


def every_batch(method, seed=0):
    """Returns all batches, so that the method knows every dataset's labels before the first one, as in a training."""
    return [
        batch
        for dataset in SPACE.datasets
        for progress in PROGRESS
        for batch in batches(method, dataset, progress, seed)
    ]


def due(method):
    return {phase.name for phase in method.phases}


def optimizers_of(method):
    """Phase → optimiser; phases that share an optimiser have the same one."""
    own = {
        phase.name: PhaseOptimizer(phase, method, (0.5, 0.999))
        for phase in method.phases
        if not isinstance(phase.optimizer, str)
    }
    return {phase.name: own.get(phase.name) or own[phase.optimizer] for phase in method.phases}


def states(method):
    return {
        f"{name}/{key}": value.detach().clone()
        for name, network in method.networks.items()
        for key, value in network.state_dict().items()
    }


def changed(before, after):
    return {name.split("/")[0] for name in before if not torch.equal(before[name], after[name])}


def test_the_papers_comparison_is_there():
    assert {"stargan", "joint", "cyclegan", "diat", "icgan"} <= set(METHODS)


@EVERY_METHOD
def test_what_it_says_of_its_networks_is_true(name):
    method = build(name)
    named = {network for phase in method.phases for network in phase.networks}
    assert {*named, *method.translating, *method.reading, *method.auxiliary, *method.compilable} <= set(method.networks)
    assert method.averaged in {None, *method.translating}
    own = [phase.name for phase in method.phases if not isinstance(phase.optimizer, str)]
    assert all(phase.optimizer in own for phase in method.phases if phase.name not in own)
    assert all(phase.interval == "n_critic" or phase.interval >= 1 for phase in method.phases)
    assert "generator" in method.networks
    learning = {key for key, network in method.networks.items() if any(p.requires_grad for p in network.parameters())}
    assert learning <= named
    assert len({phase.name for phase in method.phases}) == len(method.phases)
    assert method.model_count >= 1


@EVERY_METHOD
def test_its_batches_are_of_training_images(name):
    method = build(name)
    for dataset in SPACE.datasets:
        kinds = method.batches(dataset, labels(dataset))
        assert kinds
        for sets in kinds:
            assert all(len(indices) for indices in sets)
            assert set(torch.cat(list(sets)).tolist()) <= set(range(12))


@EVERY_METHOD
def test_every_loss_is_finite_and_named_for_its_phase(name):
    method = build(name)
    order = [phase.name for phase in method.phases]
    seen = set()
    for batch in every_batch(method):
        phases = []
        for phase, losses in method.losses(batch, due(method)):
            phases.append(phase)
            assert losses.total.shape == ()
            assert losses.total.isfinite()
            assert losses.total.requires_grad
            assert all(term.isfinite() and term.shape == () for term in losses.terms.values())
        assert phases == [phase for phase in order if phase in phases]
        seen |= set(phases)
    assert seen == set(order)


@EVERY_METHOD
def test_no_context_is_open_at_a_yield(name):
    """Neither one of gradients, of which the trainer has none open, nor one of autocast, which it has."""
    method = build(name)
    for batch in every_batch(method):
        losses = method.losses(batch, due(method))
        while True:
            with torch.autocast("cpu", torch.bfloat16):
                item = next(losses, None)
                assert torch.is_autocast_enabled("cpu")
                assert torch.get_autocast_dtype("cpu") is torch.bfloat16
            assert not torch.is_autocast_enabled("cpu")
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
            if item is None:
                break
        assert all(module.training for network in method.networks.values() for module in network.modules())


@EVERY_METHOD
def test_micro_batches_add_up_to_the_batch(name):
    def run(batch):
        """Returns the sums of the terms, the phases in turn, and those that were complete."""
        method = build(name)  # anew, since some remember images of earlier steps
        torch.manual_seed(1)
        sums, phases, completed = Counter(), [], []
        for phase, losses in method.losses(batch, due(method)):
            sums.update({f"{phase}/{term}": value.item() for term, value in losses.terms.items()})
            phases.append(phase)
            completed += [phase] * losses.last
        return sums, [phase for phase, _ in itertools.groupby(phases)], completed

    for batch in every_batch(build(name)):
        whole, order, _ = run(batch)
        added, phases, completed = run(dataclasses.replace(batch, micro_batch=3))
        assert completed == phases == order
        assert added == pytest.approx(whole, rel=1e-4, abs=1e-5)


@EVERY_METHOD
def test_what_waits_for_n_critic_steps_is_left_out_where_it_is_not_due(name):
    method = build(name)
    always = {phase.name for phase in method.phases if phase.interval == 1}
    for batch in batches(method, "beasts"):
        assert {phase for phase, _ in method.losses(batch, always)} <= always


@EVERY_METHOD
def test_a_phase_changes_the_weights_of_its_own_networks_alone(name):
    method = build(name)
    optimizers = optimizers_of(method)
    own = {phase.name: set(phase.networks) for phase in method.phases}
    learning = {f"{n}/{key}" for n, network in method.networks.items() for key, _ in network.named_parameters()}
    for batch in every_batch(method):
        for phase, losses in method.losses(batch, due(method)):
            before = {key: value for key, value in states(method).items() if key in learning}
            optimizers[phase].update(losses, 1e-3)
            assert changed(before, states(method)) == own[phase]


@EVERY_METHOD
def test_networks_and_optimisers_are_all_that_a_run_continues_from(name):
    """A second method, built anew from the first one's state, goes on with the same bits."""

    def train(method, optimizers, seed):
        found = []
        for number, batch in enumerate(every_batch(method, seed)):
            torch.manual_seed(number + 100 * seed)
            for phase, losses in method.losses(batch, due(method)):
                optimizers[phase].update(losses, 1e-3)
                found.append(losses.total.item())
        return found

    first = build(name)
    optimizers = optimizers_of(first)
    train(first, optimizers, 1)
    second = build(name)
    for key, network in second.networks.items():
        network.load_state_dict(copy.deepcopy(first.networks[key].state_dict()))
    continued = optimizers_of(second)
    for phase, optimizer in continued.items():
        optimizer.load_state({key: value.clone() for key, value in optimizers[phase].state().items()})
    assert train(second, continued, 2) == train(first, optimizers, 2)
    assert changed(states(first), states(second)) == set()


@EVERY_METHOD
@pytest.mark.parametrize("dataset", SPACE.datasets)
def test_translation_keeps_shape_and_range_and_leaves_no_trace(name, dataset):
    method = build(name)
    source = labels(dataset, 6)
    images = torch.rand(6, 3, 32, 32) * 2 - 1
    before = states(method)
    with evaluating(*method.networks.values()):
        result = method.translate(images, dataset, source.roll(1, 0), source)
    assert result.shape == images.shape
    assert not result.requires_grad
    assert result.isfinite().all()
    assert result.abs().max() <= 1
    assert not torch.equal(result, images)
    assert changed(before, states(method)) == set()
    assert all(network.training for network in method.networks.values())


@EVERY_METHOD
def test_labels_of_several_datasets_change_the_picture_or_are_refused(name):
    method = build(name)
    sources = {dataset: labels(dataset, 6) for dataset in SPACE.datasets}
    targets = {dataset: own.roll(1, 0) for dataset, own in sources.items()}
    images = torch.rand(6, 3, 32, 32) * 2 - 1
    if not isinstance(method, TranslatesAcross):
        with pytest.raises(ModelError, match=f"'{name}' cannot translate to labels of beasts and coats at once"):
            require_across(method, SPACE.datasets)
        return
    assert isinstance(method.trained_across, bool)
    before = states(method)
    with evaluating(*method.networks.values()):
        result = method.translate_across(images, targets, sources)
        alone = method.translate_across(images, {"beasts": targets["beasts"]}, sources)
        assert torch.equal(alone, method.translate(images, "beasts", targets["beasts"], sources["beasts"]))
    assert result.shape == images.shape
    assert not result.requires_grad
    assert result.abs().max() <= 1
    assert not torch.equal(result, alone)
    assert changed(before, states(method)) == set()


@EVERY_METHOD
@pytest.mark.parametrize("dataset", SPACE.datasets)
def test_labels_that_it_reads_are_zeros_and_ones_or_unknown(name, dataset):
    method = build(name)
    if not isinstance(method, ReadsLabels):
        return
    before = states(method)
    with evaluating(*method.networks.values()):
        found = method.read_labels(torch.rand(5, 3, 32, 32), dataset)
    assert found.shape == (5, SPACE.schema(dataset).dim)
    assert ((found == 0) | (found == 1) | found.isnan()).all()
    assert changed(before, states(method)) == set()


@EVERY_METHOD
def test_a_batch_of_unknown_labels_harms_nothing(name):
    method = build(name)
    for batch in every_batch(method):
        unknown = dataclasses.replace(batch, labels=torch.full_like(batch.labels, torch.nan))
        for _, losses in method.losses(unknown, due(method)):
            assert losses.total.isfinite()


@EVERY_METHOD
def test_it_is_built_without_memory_or_weights_to_translate(name):
    tables = {"method": {"name": name}, "data": {"image_size": 64}}
    config = complete(merge([Layer("test", tables)]), PLUGINS)
    with torch.device("meta"):
        method = build_method(config, SPACE, PLUGINS)
    assert all(p.is_meta for network in method.networks.values() for p in network.parameters())
