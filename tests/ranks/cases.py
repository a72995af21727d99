"""What must not depend on the number of processes: `python cases.py OUT [CASE…]`, alone or under torchrun.

Each case returns tensors that rank 0 saves. They are computed in fp64, so that a difference is a fault and no rounding:
in fp32, Adam makes whole steps of what is rounded up on one side and down on the other.
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

from stargan_fw import Batch, Losses, ranks
from stargan_fw.components import complete
from stargan_fw.compute.batch_norm import norm_over_ranks
from stargan_fw.config import Config
from stargan_fw.interfaces import Phase
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.optimisation import PhaseOptimizer
from stargan_fw.training.trainer import _numbers
from stargan_fw_bench import rehearse
from stargan_fw_plugins.losses.classification import classification_loss
from stargan_fw_plugins.losses.wgan_gp import gradient_penalty
from stargan_fw_registry import Binary, Categorical, LabelSchema

SMALL = {"conv_dim": 4, "repeat_num": 1}
METHODS = {
    "stargan": {"generator": SMALL, "discriminator": {"conv_dim": 4, "repeat_num": 3}},
    "joint": {"generator": SMALL, "discriminator": {"conv_dim": 4}, "loss": {"name": "r1", "interval": 2}},
    "cyclegan": {"method": {"pool_size": 10}, "generator": SMALL, "discriminator": {"conv_dim": 4}},
    "diat": {"generator": SMALL, "discriminator": {"conv_dim": 4}, "embedding": {"name": "classifier", "conv_dim": 4}},
    "icgan": {"method": {"conv_dim": 4, "hidden_dim": 16, "z_dim": 8}},
}
LABELS = (2, 3, 2)  # of each dataset


def trainer_of(method, datasets, folder, loss=None, **training):
    """Returns a trainer of a tiny method on noise."""
    parts = METHODS[method]
    settings = {"batch_size": 16, "n_critic": 2, "precision": "fp32", "accelerate": "off", **training}
    if loss:
        parts = {**parts, "loss": loss}
    config = {**parts, "method": {**parts.get("method", {}), "name": method}, "training": settings}
    plugins = PluginManager.discover()
    complete_config = complete(Config.model_validate({**config, "data": {"image_size": 32}}), plugins)
    return rehearse(complete_config, plugins, LABELS[:datasets], torch.device("cpu"), folder)


def train(trainer, steps):
    """Takes steps, and returns the losses of each and the weights after the last."""
    results = {}
    for _ in range(steps):
        trainer.step += 1
        batch = trainer.load()
        trainer.update(batch)
        numbers = _numbers(trainer.pending[batch.dataset])
        results |= {
            f"step {trainer.step}: {name}": torch.tensor(float("nan" if value is None else value))
            for name, value in numbers.items()
        }
    for name, network in trainer.method.networks.items():
        results |= {f"{name}.{key}": value.clone() for key, value in network.state_dict().items()}
    return results


def training(method, datasets, steps=6, **settings):
    with tempfile.TemporaryDirectory() as folder:
        return train(trainer_of(method, datasets, Path(folder), **settings), steps)


def lazy_penalty():
    """The penalty is due at every second update of the critic on each dataset."""
    return training("stargan", 2, loss={"name": "r1", "interval": 2}, micro_batch_size=3)


def unequal_micro_batches():
    """Three images per micro-batch: 16 are cut into six parts, and eight into three."""
    return training("stargan", 1, micro_batch_size=3)


def unknown_labels():
    """Most labels of the first batch's second half, which are those of the second of two ranks, are unknown."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of("stargan", 1, Path(folder), micro_batch_size=4)
        (loader,) = trainer.loaders.values()
        for number in range(3):
            loader._labels[loader._whole(number)[9:], :] = torch.nan
            loader._labels[loader._whole(number)[3], 0] = torch.nan
        return train(trainer, 3)


def unknown_labels_of_several_datasets():
    """Half of the labels are unknown, and the generator's update is cut into micro-batches."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of("joint", 2, Path(folder), micro_batch_size=3)
        random = torch.Generator().manual_seed(6)
        for loader in trainer.loaders.values():
            labels = torch.from_numpy(loader._labels)
            labels[torch.rand(labels.shape, generator=random) < 0.5] = torch.nan
        return train(trainer, 4)


def skipped_update():
    """At the second step one image, of the second of two ranks, is not finite: no rank updates."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of("stargan", 1, Path(folder), on_non_finite="skip")
        load = trainer.load

        def spoilt():
            batch = load()
            if trainer.step == 2:
                batch.images[batch.places == 12] = torch.nan
            return batch

        trainer.load = spoilt
        results = train(trainer, 3)
        return {name: value for name, value in results.items() if not value.isnan().any()}


def rows(*shape):
    """Returns this rank's rows of random numbers that are the same on any number of ranks."""
    random = torch.Generator().manual_seed(0)
    return ranks.take(torch.rand(16, *shape, generator=random, dtype=torch.get_default_dtype()))


def small_critic():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 4, 2), nn.LeakyReLU(0.01), nn.Conv2d(4, 1, 3))


def penalty():
    """The penalty of Eq. 8 alone: the last bias has no gradient at all, so Adam must leave it as it is."""
    critic = small_critic()
    method = SimpleNamespace(networks={"critic": critic})
    optimizer = PhaseOptimizer(Phase("d", ("critic",)), method, (0.5, 0.999), 0.1)
    torch.manual_seed(2)
    for _ in range(3):
        value = gradient_penalty(critic, rows(3, 16, 16), 1 - rows(3, 16, 16))
        optimizer.differentiate(Losses(value, {}))
        ranks.average_gradients(optimizer.parameters)
        optimizer.step()
    (average,) = ranks.average([value])
    return {"penalty": average, **critic.state_dict()}


def gradients():
    """The last bias has a gradient on rank 0 only."""
    critic = small_critic()
    scores = critic(rows(3, 16, 16))
    loss = scores.mean() if ranks.rank() == 0 else (scores - critic[2].bias.view(1, 1, 1, 1).detach()).mean()
    if ranks.rank() == 0:
        loss.backward()
    else:
        loss.backward(inputs=[*critic.parameters()][:-1])
    ranks.average_gradients([*critic.parameters()])
    return {"last bias times ranks": critic[2].bias.grad * ranks.world_size()}


def targets():
    """Targets are all images' labels in another order."""
    labels = torch.arange(16.0)[:, None]
    places = ranks.take(torch.arange(16))
    batch = Batch(rows(3, 4, 4), labels[places], "one", all_labels=labels, places=places)
    torch.manual_seed(3)
    return {"targets": ranks.gather(batch.shuffled_labels()), "drawn": ranks.gather(batch.draw(torch.randn, 2))}


def batch_norm():
    """Values, gradients, gradients of gradients, and the statistics that are kept."""
    norm = nn.BatchNorm2d(3)
    nn.init.uniform_(norm.weight, generator=torch.Generator().manual_seed(4))
    norm_over_ranks([norm])
    images = rows(3, 4, 4).requires_grad_()
    normalised = norm(images)
    (slope,) = torch.autograd.grad(normalised.pow(3).sum(), images, create_graph=True)
    (slope.square().sum()).backward()
    ranks.average_gradients([*norm.parameters()])
    kept = {name: value.clone() for name, value in norm.state_dict().items()}
    weight = norm.weight.grad * ranks.world_size()
    found = [ranks.gather(rows.detach()) for rows in (normalised, slope, images.grad)]
    return {"weight": weight, **dict(zip(("values", "slopes", "second"), found, strict=True)), **kept}


def classification():
    """All known labels are on rank 0, and one attribute is known nowhere."""
    schema = LabelSchema("one", [Binary("a"), Binary("b"), Categorical("c", ["x", "y", "z"])])
    labels = torch.full((16, 5), torch.nan)
    labels[:5, 0] = torch.tensor([0.0, 1, 1, 0, 1])
    labels[2:7, 2:] = torch.eye(3)[[0, 1, 2, 1, 0]]
    logits = rows(5).requires_grad_()
    loss = classification_loss(schema, logits, ranks.take(labels))
    loss.backward()
    (average,) = ranks.average([loss])
    return {"loss": average, "gradient": ranks.gather(logits.grad) / ranks.world_size()}


def skipped_phase():
    """A method whose phase depends on the rank's own images is refused, on every rank."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of("stargan", 1, Path(folder))
        whole = trainer.method.losses
        trainer.method.losses = lambda batch, due: (
            pair for pair in whole(batch, due) if pair[0] == "g" or ranks.rank() == 0
        )
        try:
            train(trainer, 2)
        except RuntimeError as error:
            message = str(error)
        else:
            message = ""
        told = ranks.gather(torch.tensor([float("must yield the same phases" in message)]))
        return {"told": told.min()}


def go_on(folder, steps):
    """Continues the training in a folder, or begins it, and returns its weights."""
    run = RunFolder(Path(folder))
    begun = run.path.exists()
    with tempfile.TemporaryDirectory() as data:
        trainer = trainer_of("stargan", 2, Path(data))
        trainer.run = None if ranks.rank() else run
        if begun:
            trainer.resume()
        results = train(trainer, int(steps))
        trainer.save()
        run.checkpoints.wait()
    return results


CASES = {
    **{f"{method} {datasets}": (training, method, datasets) for method in METHODS for datasets in (1, 2, 3)},
    **{
        case.__name__: (case,)
        for case in (
            lazy_penalty,
            unequal_micro_batches,
            unknown_labels,
            unknown_labels_of_several_datasets,
            skipped_update,
            penalty,
            gradients,
            targets,
            batch_norm,
            classification,
            skipped_phase,
        )
    },
}


def main(out, *names):
    torch.set_num_threads(1)
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    with ranks.joined(torch.device("cpu")):
        if names[:1] == ("go_on",):
            results = go_on(*names[1:])
        else:
            results = {name: function(*given) for name in names or CASES for function, *given in [CASES[name]]}
        if ranks.rank() == 0:
            torch.save(results, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
