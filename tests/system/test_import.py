"""Checkpoints of the reference implementation, against a plain implementation of the paper's tables."""

import pickle
import random
import re

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from stargan_fw import Translator

D, BLOCKS, SIZE, DEPTH = 4, 2, 32, 4
CELEBA, RAFD = 5, 8


def norm(x, scale, shift):
    """Instance norm over each image's own plane."""
    mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
    return (x - mean) / (var + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


def generate(w, x, labels):
    """Table 4: the labels as planes beside the image; two halvings, residual blocks, two doublings."""

    def normed(number, y):
        return norm(y, w[f"main.{number}.weight"], w[f"main.{number}.bias"])

    x = torch.cat([x, labels[:, :, None, None].expand(-1, -1, SIZE, SIZE)], dim=1)
    x = normed(1, F.conv2d(x, w["main.0.weight"], padding=3)).relu()
    for number in (3, 6):
        x = normed(number + 1, F.conv2d(x, w[f"main.{number}.weight"], stride=2, padding=1)).relu()
    for number in range(9, 9 + BLOCKS):
        y = normed(f"{number}.main.1", F.conv2d(x, w[f"main.{number}.main.0.weight"], padding=1)).relu()
        x = x + normed(f"{number}.main.4", F.conv2d(y, w[f"main.{number}.main.3.weight"], padding=1))
    for number in (9 + BLOCKS, 12 + BLOCKS):
        x = normed(number + 1, F.conv_transpose2d(x, w[f"main.{number}.weight"], stride=2, padding=1)).relu()
    return F.conv2d(x, w[f"main.{15 + BLOCKS}.weight"], padding=3).tanh()


def classify(w, x):
    """Table 5's trunk and its head for the domain."""
    for number in range(0, 2 * DEPTH, 2):
        x = F.conv2d(x, w[f"main.{number}.weight"], w[f"main.{number}.bias"], stride=2, padding=1)
        x = F.leaky_relu(x, 0.01)
    return F.conv2d(x, w["conv2.weight"]).flatten(1)


def norms(weights, name, channels):
    weights[f"{name}.weight"] = 1 + 0.1 * torch.randn(channels)
    weights[f"{name}.bias"] = 0.1 * torch.randn(channels)
    weights[f"{name}.running_mean"] = torch.full((channels,), 1e6)  # must be ignored
    weights[f"{name}.running_var"] = torch.full((channels,), 1e-6)
    weights[f"{name}.num_batches_tracked"] = torch.tensor(7)


def generator_weights(labels):
    torch.manual_seed(0)
    w = {"main.0.weight": 0.1 * torch.randn(D, 3 + labels, 7, 7)}
    norms(w, "main.1", D)
    for number, width in ((3, 2 * D), (6, 4 * D)):
        w[f"main.{number}.weight"] = 0.1 * torch.randn(width, width // 2, 4, 4)
        norms(w, f"main.{number + 1}", width)
    for number in range(9, 9 + BLOCKS):
        for convolution in (0, 3):
            w[f"main.{number}.main.{convolution}.weight"] = 0.1 * torch.randn(4 * D, 4 * D, 3, 3)
            norms(w, f"main.{number}.main.{convolution + 1}", 4 * D)
    for number, width in ((9 + BLOCKS, 2 * D), (12 + BLOCKS, D)):
        w[f"main.{number}.weight"] = 0.1 * torch.randn(2 * width, width, 4, 4)
        norms(w, f"main.{number + 1}", width)
    w[f"main.{15 + BLOCKS}.weight"] = 0.1 * torch.randn(3, D, 7, 7)
    return w


def discriminator_weights(labels):
    torch.manual_seed(1)
    widths = [3, *(D * 2**i for i in range(DEPTH))]
    w = {"conv1.weight": torch.randn(1, widths[-1], 3, 3), "conv2.weight": torch.randn(labels, widths[-1], 2, 2)}
    for i in range(DEPTH):
        w[f"main.{2 * i}.weight"] = 0.2 * torch.randn(widths[i + 1], widths[i], 4, 4)
        w[f"main.{2 * i}.bias"] = 0.1 * torch.randn(widths[i + 1])
    return w


@pytest.fixture
def files(tmp_path):
    """Writes checkpoints: `files(labels of G, labels of D) -> (G.ckpt, D.ckpt)`."""

    def write(generator, discriminator):
        torch.save(generator_weights(generator), tmp_path / "G.ckpt")
        torch.save(discriminator_weights(discriminator), tmp_path / "D.ckpt")
        return tmp_path / "G.ckpt", tmp_path / "D.ckpt"

    return write


@pytest.fixture
def images():
    torch.manual_seed(2)
    return torch.rand(3, 3, SIZE, SIZE) * 2 - 1


@pytest.mark.parametrize(
    "datasets, count, edit, target",
    [
        ("celeba", CELEBA, "Blond_Hair,Male=0,Young=1", [0, 1, 0, 0, 1]),
        ("rafd", RAFD, "happy", [0, 0, 0, 0, 1, 0, 0, 0]),
        ("celeba,rafd", CELEBA + RAFD + 2, "happy", [0] * 5 + [0, 0, 0, 0, 1, 0, 0, 0] + [0, 1]),
        ("celeba,rafd", CELEBA + RAFD + 2, "Black_Hair,Male,Young=0", [1, 0, 0, 1, 0] + [0] * 8 + [1, 0]),
    ],
)
def test_the_generator_gives_what_the_tables_do(cli, files, images, tmp_path, datasets, count, edit, target):
    ckpt, _ = files(count, 5)
    command = ["import", ckpt, tmp_path / "model", "--datasets", datasets, "--image-size", SIZE]
    assert cli(*command).code == 0

    translated = Translator.from_pretrained(tmp_path / "model", device="cpu", precision="fp32").translate(
        images, to=edit
    )

    expected = generate(torch.load(ckpt, weights_only=True), images, torch.tensor([target] * 3).float())
    torch.testing.assert_close(translated, expected, rtol=0, atol=2e-5)


def test_current_labels_are_read_by_the_discriminator(cli, files, images, tmp_path):
    ckpt, critic = files(CELEBA, CELEBA)
    assert cli("import", ckpt, tmp_path / "model", "--discriminator", critic, "--datasets", "celeba").code == 0

    translated = Translator.from_pretrained(tmp_path / "model", device="cpu", precision="fp32").translate(
        images, to="Male"
    )

    logits = classify(torch.load(critic, weights_only=True), images)
    labels = (logits > 0).float()
    labels[:, :3] = torch.eye(3)[logits[:, :3].argmax(1)] * (logits[:, :3].amax(1, keepdim=True) > 0)
    labels[:, 3] = 1
    expected = generate(torch.load(ckpt, weights_only=True), images, labels)
    torch.testing.assert_close(translated, expected, rtol=0, atol=2e-5)


def test_other_attributes_in_their_order(cli, files, tmp_path):
    ckpt, _ = files(2, 2)
    options = ["--datasets", "celeba", "--attributes", "Smiling, Eyeglasses", "--image-size", SIZE]
    assert cli("import", ckpt, tmp_path / "model", *options).code == 0
    assert Translator.from_pretrained(tmp_path / "model").labels.names == ("celeba.Smiling", "celeba.Eyeglasses")


HAIR = ["Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"]
OTHERS = ["Male", "Young", "Smiling", "Eyeglasses", "Bald"]


def random_order(seed):
    """Two to four hair colours and some other attributes, mixed."""
    draw = random.Random(seed)
    chosen = draw.sample(HAIR, draw.randint(2, 4)) + draw.sample(OTHERS, draw.randint(1, 4))
    return draw.sample(chosen, len(chosen))


ORDERS = [["Blond_Hair", "Male", "Black_Hair", "Young", "Smiling"], *map(random_order, range(4))]


@pytest.mark.parametrize("rest", [[], ["rafd"]], ids=["alone", "joint"])
@pytest.mark.parametrize("order", ORDERS, ids=",".join)
def test_each_label_keeps_its_meaning_in_every_order(cli, files, images, tmp_path, order, rest):
    count = len(order) + (RAFD if rest else 0)
    ckpt, critic = files(count + (2 if rest else 0), count)
    options = ["--datasets", ",".join(["celeba", *rest]), "--attributes", ",".join(order), "--discriminator", critic]
    assert cli("import", ckpt, tmp_path / "model", *options).code == 0
    model = Translator.from_pretrained(tmp_path / "model", device="cpu", precision="fp32")
    weights, mask = torch.load(ckpt, weights_only=True), [0.0] * RAFD + [1.0, 0.0] if rest else []
    for name in order:
        alone = ",".join(f"celeba.{other}={int(other == name)}" for other in order)
        target = [float(other == name) for other in order]
        expected = generate(weights, images, torch.tensor([target + mask] * len(images)))
        torch.testing.assert_close(model.translate(images, to=alone), expected, rtol=0, atol=2e-5)
    edited = next(name for name in order if name not in HAIR)
    logits = classify(torch.load(critic, weights_only=True), images)[:, : len(order)]
    labels = (logits > 0).float()
    hair = [position for position, name in enumerate(order) if name in HAIR]
    labels[:, hair] *= torch.eye(len(hair))[logits[:, hair].argmax(1)]
    labels[:, order.index(edited)] = 1
    expected = generate(weights, images, torch.cat([labels, torch.tensor([mask] * len(images))], dim=1))
    torch.testing.assert_close(model.translate(images, to=f"celeba.{edited}"), expected, rtol=0, atol=2e-5)


def test_names_of_data_parallel_are_read(cli, tmp_path):
    torch.save({f"module.{name}": value for name, value in generator_weights(5).items()}, tmp_path / "G.ckpt")
    options = ["--datasets", "celeba", "--image-size", SIZE]
    assert cli("import", tmp_path / "G.ckpt", tmp_path / "model", *options).code == 0


class Trap:
    def __reduce__(self):
        return (print, ("run",))


def write_trap(path):
    path.write_bytes(pickle.dumps({"main.0.weight": Trap()}))


def write_whole_module(path):
    torch.save(torch.nn.Linear(2, 2), path)


CHECKPOINTS = {
    "code": (write_trap, "no checkpoint of tensors alone"),
    "a whole module": (write_whole_module, "no checkpoint of tensors alone"),
    "no checkpoint": (lambda path: path.write_text("hello"), "no checkpoint of tensors alone"),
    "empty": (lambda path: path.write_bytes(b""), "no checkpoint of tensors alone"),
    "nothing": (lambda path: None, "does not exist"),
    "a number": (lambda path: torch.save(3, path), "something else than named tensors"),
    "an optimiser": (lambda path: torch.save({"state": {}}, path), "something else than named tensors"),
    "another network": (lambda path: torch.save({"fc.weight": torch.zeros(2)}, path), "no generator of .*yunjey"),
    "a discriminator": (lambda path: torch.save(discriminator_weights(5), path), "no generator of .*yunjey"),
    "a part": (
        lambda path: torch.save({"main.0.weight": torch.zeros(4, 8, 7, 7)}, path),
        "does not fit|conv_dim|repeat",
    ),
    "not finite": (
        lambda path: torch.save(generator_weights(5) | {"main.1.bias": torch.full((D,), torch.nan)}, path),
        "not finite",
    ),
}


@pytest.mark.parametrize("write, message", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_other_files_are_refused(cli, tmp_path, write, message):
    write(tmp_path / "G.ckpt")
    outcome = cli("import", tmp_path / "G.ckpt", tmp_path / "model", "--datasets", "celeba")
    assert outcome.code == 2
    assert len(outcome.err.strip().splitlines()) == 1
    assert re.search(message, outcome.err), outcome.err
    assert outcome.out == ""
    assert not (tmp_path / "model").exists()


WRONG = {
    "labels of RaFD": ((8, 5), ["--datasets", "celeba"], "G.ckpt' was trained with 8 labels, and celeba have 5"),
    "both": ((5, 5), ["--datasets", "celeba,rafd"], "with 5 labels, and celeba, rafd have 15: .* and 2 of the mask"),
    "the discriminator's": ((5, 8), ["--datasets", "celeba"], "D.ckpt' was trained with 8 labels"),
    "no attributes to choose": ((8, 8), ["--datasets", "rafd", "--attributes", "Male"], "0 of rafd can choose"),
    "unknown attribute": ((5, 5), ["--datasets", "celeba", "--attributes", "Smilin"], "Smilin"),
    "unknown dataset": ((5, 5), ["--datasets", "celebb"], "celebb"),
    "another size": ((5, 5), ["--datasets", "celeba", "--image-size", 64], "for images of 32 pixels"),
}


@pytest.mark.parametrize("counts, options, message", WRONG.values(), ids=WRONG)
def test_other_requests_are_refused(cli, files, tmp_path, counts, options, message):
    ckpt, critic = files(*counts)
    outcome = cli("import", ckpt, tmp_path / "model", "--discriminator", critic, *options)
    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert not (tmp_path / "model").exists()
