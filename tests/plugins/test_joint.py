"""The joint method against its equations, written plainly: image by image, without the functions of its modules."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from stargan_fw.config import TrainingConfig
from stargan_fw.errors import ConfigError
from stargan_fw.interfaces import Batch
from stargan_fw.training.optimisation import phase_optimizers
from stargan_fw_plugins.losses.lsgan import LSGAN
from stargan_fw_plugins.losses.r1 import R1
from stargan_fw_plugins.losses.wgan_gp import WGANGP
from stargan_fw_plugins.methods.joint import Joint
from stargan_fw_plugins.methods.training_edits import (
    DatasetEdit,
    EditSampler,
    LabelTable,
    Reconstructions,
    TrainingEdits,
)
from stargan_fw_plugins.networks.projection_discriminator import ProjectionDiscriminator
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator
from stargan_fw_plugins.networks.unet_generator import UNetGenerator
from stargan_fw_registry import Binary, Categorical, Continuous, Exclusive, LabelSchema, LabelSpace

BEASTS = LabelSchema(
    "beasts", [Categorical("species", ["cat", "dog", "owl"]), Binary("young"), Continuous("age", 0, 9)]
)
COATS = LabelSchema("coats", [Exclusive("coat", ["black", "white"]), Categorical("length", ["long", "short"])])
HATS = LabelSchema("hats", [Binary("hat")])
SPACE = LabelSpace([BEASTS, COATS, HATS])
STAY, CYCLE, IDENTITY = 0.3, 0.5, 0.25
CYCLED, KEPT = [0, 2], [1]  # of four images
R1_WEIGHT, INTERVAL, LAMBDA_CLS, LAMBDA_REC = 3.0, 2, 0.7, 5.0


def components(**others):
    small = {
        "generator": lambda **given: UNetGenerator(conv_dim=4, repeat_num=1, **given),
        "discriminator": lambda **given: ProjectionDiscriminator(conv_dim=4, **given),
        "loss": lambda: R1(lambda_r1=R1_WEIGHT, interval=INTERVAL, lambda_cls=LAMBDA_CLS, lambda_rec=LAMBDA_REC),
    }
    return SimpleNamespace(**{**small, **others})


def build(space=SPACE, **options):
    """Builds the method with weights that differ from those with which training begins."""
    torch.manual_seed(0)
    options = {"cycle": CYCLE, "identity": IDENTITY, "lambda_stay": STAY, **options}
    method = Joint(space, 32, components(), **options)
    with torch.no_grad():
        for network in method.networks.values():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    for schema in space.schemas:
        method.batches(schema.name, labels_of(schema, 12))
    return method


def labels_of(schema, count, seed=3):
    """Draws labels of each kind, none of them unknown."""
    random = torch.Generator().manual_seed(seed)
    columns = []
    for attribute in schema.attributes:
        if attribute.kind == "categorical":
            columns.append(torch.eye(attribute.size)[torch.randint(attribute.size, (count,), generator=random)])
        elif attribute.kind == "exclusive":
            one = torch.eye(attribute.size + 1)[torch.randint(attribute.size + 1, (count,), generator=random)]
            columns.append(one[:, 1:])
        elif attribute.continuous:
            columns.append(torch.rand(count, 1, generator=random))
        else:
            columns.append(torch.randint(2, (count, 1), generator=random).to(torch.get_default_dtype()))
    return torch.cat([column.to(torch.get_default_dtype()) for column in columns], dim=1)


def draw_batch(schema=BEASTS, count=4, *, unknown=False, seed=0):
    images = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(7 + seed)) * 2 - 1
    labels = labels_of(schema, count, seed=5 + seed)
    if unknown:
        for number, part in enumerate([slice(0, 3), slice(3, 4), slice(4, 5)]):
            labels[number, part] = math.nan
    return Batch(images, labels, schema.name)


def edits_of(batch):
    """Returns an edit for each of four images: all own labels, all of another dataset, all of both, one own attribute.

    The second image keeps its own labels without being told, and the labels that are not asked for are unlike the image's, so
    that a test sees whether they count. What the fourth one should show differs from what the generator is told.
    """
    named = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    told = labels_of(BEASTS, 4, seed=8)
    result = told.clone()
    result[3] = torch.cat([told[3, :3].roll(1), 1 - told[3, 3:]])
    own = DatasetEdit(told, torch.tensor([True, False, True, True]), named, result)
    given = torch.tensor([False, True, True, False])
    told = labels_of(COATS, 4, seed=9)
    other = DatasetEdit(told, given, given[:, None].expand(4, 4), told)
    return TrainingEdits(SPACE, batch.dataset, {"beasts": own, "coats": other}, judged=~given)


def losses_of(method, batch, due=("d", "r1", "g")):
    """Returns the losses under `edits_of`, and those edits."""
    edits = edits_of(batch)
    method.sampler = SimpleNamespace(draw=lambda *_: edits)
    return dict(method.losses(batch, set(due))), edits


# The equations


def attributes(schema):
    start = 0
    for attribute in schema.attributes:
        yield attribute, range(start, start + attribute.size)
        start += attribute.size


def first_label(dataset):
    return {"beasts": 0, "coats": 5, "hats": 9}[dataset]


def reading(logits, dataset):
    """What D reads from an image, with its certainty."""
    found, first = [], first_label(dataset)
    for attribute, positions in attributes(SPACE.schema(dataset)):
        own = [logits[first + k] for k in positions]
        total = sum(value.exp() for value in own)
        found += [value.exp() / total if attribute.kind == "categorical" else 1 / (1 + (-value).exp()) for value in own]
    return torch.stack(found).detach()


def current_labels(method, batch):
    """Per image and dataset, the labels as they are known, else as D reads them."""
    rows = []
    for image, labels in zip(batch.images, batch.labels, strict=True):
        logits = method.discriminator.judge(image[None]).logits[0]
        row = {schema.name: reading(logits, schema.name) for schema in SPACE.schemas}
        read = row[batch.dataset]
        row[batch.dataset] = torch.stack([r if label.isnan() else label for label, r in zip(labels, read, strict=True)])
        rows.append(row)
    return rows


def fit(maps, dataset, labels, importance=None):
    """`wᵀ u` at every patch of one image, for label scores (label_dim, h, w)."""
    total, first = 0, first_label(dataset)
    for attribute, positions in attributes(SPACE.schema(dataset)):
        for k in positions:
            weight = labels[k] if attribute.kind == "categorical" else 2 * labels[k] - 1
            total = total + (1 if importance is None else importance[k]) * weight * maps[first + k]
    return total


def scales(method, image):
    """Yields per scale the scores (h, w) and label scores (label_dim, h, w) of an image."""
    judgement = method.discriminator.judge(image[None])
    for scores, label_scores in zip(judgement.scores, judgement.label_scores, strict=True):
        yield scores[0, 0], label_scores[0]


def softplus(values):
    return (1 + values.exp()).log()


def attribute_loss(attribute, logits, wanted):
    if attribute.kind == "categorical":
        log_total = sum(value.exp() for value in logits).log()
        return [sum(w * (log_total - value) for value, w in zip(logits, wanted, strict=True)), *[0] * (len(logits) - 1)]
    found = []
    for value, w in zip(logits, wanted, strict=True):
        p = 1 / (1 + (-value).exp())
        loss = -w * p.log() - (1 - w) * (1 - p).log()
        if attribute.kind == "continuous":
            loss = loss + sum(part * part.log() for part in (w, 1 - w) if part > 0)
        found.append(loss)
    return found


def plain_d(method, batch, edits, current=None):
    """D's terms; the fakes are those of `translated` that get no labels of another dataset."""
    current, fakes = current or current_labels(method, batch), translated(method, batch, edits)
    real, fake = [], []
    for number, image in enumerate(batch.images):
        wanted = edits.parts[batch.dataset].result[number]
        for scores, label_scores in scales(method, image):
            real.append(softplus(-(scores + fit(label_scores, batch.dataset, current[number][batch.dataset]))).mean())
        if edits.judged[number]:
            for scores, label_scores in scales(method, fakes[number].detach()):
                fake.append(softplus(scores + fit(label_scores, batch.dataset, wanted)).mean())
    adversarial = sum(real) / len(fakes) + sum(fake) / int(edits.judged.sum())
    classification, first = 0, first_label(batch.dataset)
    for attribute, positions in attributes(SPACE.schema(batch.dataset)):
        losses = []
        for image, labels in zip(batch.images, batch.labels, strict=True):
            logits, wanted = method.discriminator.judge(image[None]).logits[0], [labels[k] for k in positions]
            if not any(w.isnan() for w in wanted):
                losses.append(sum(attribute_loss(attribute, [logits[first + k] for k in positions], wanted)))
        classification += sum(losses) / len(losses)
    return {"adv": adversarial, "cls": classification}


def unified(edits, number, labels_by_dataset):
    """c̃ of one image: the labels of the datasets that are given, and their mask bits."""
    row = [0.0] * 13
    for position, dataset in enumerate(SPACE.datasets):
        if dataset in edits.parts and edits.parts[dataset].given[number]:
            for k, value in enumerate(labels_by_dataset[dataset]):
                row[first_label(dataset) + k] = float(value)
            row[10 + position] = 1.0
    return torch.tensor([row])


def translated(method, batch, edits):
    labels = [{name: part.labels[number] for name, part in edits.parts.items()} for number in range(4)]
    return [
        method.generator(image[None], unified(edits, number, labels[number]))[0]
        for number, image in enumerate(batch.images)
    ]


def plain_r1(method, batch, current):
    """R1's term: the squared slope of how real an image looks with its own labels."""
    squares = []
    for given, labels in zip(batch.images, current, strict=True):
        image = given.clone().requires_grad_()
        fits = [
            (scores + fit(maps, batch.dataset, labels[batch.dataset])).mean() for scores, maps in scales(method, image)
        ]
        (slope,) = torch.autograd.grad(sum(fits), image, create_graph=True)
        squares.append(slope.square().sum())
    return {"penalty": sum(squares) / len(squares)}


def plain_g(method, batch, edits, current=None):
    current, fakes = current or current_labels(method, batch), translated(method, batch, edits)
    adversarial, classification, errors = 0, 0, []
    for number, fake in enumerate(fakes):
        own = edits.parts[batch.dataset]
        importance = [1.0 if named else STAY for named in own.named[number]]
        logits = method.discriminator.judge(fake[None]).logits[0]
        for scores, label_scores in scales(method, fake):
            adversarial += softplus(-(scores + fit(label_scores, batch.dataset, own.result[number], importance))).mean()
            for name, other in edits.parts.items():
                if name != batch.dataset and other.given[number]:
                    adversarial += softplus(-fit(label_scores, name, other.result[number])).mean()
        for schema in SPACE.schemas:
            for attribute, positions in attributes(schema):
                part = edits.parts.get(schema.name)
                named = part is not None and bool(part.named[number][positions[0]])
                wanted = part.result[number] if named else current[number][schema.name]
                values = [logits[first_label(schema.name) + k] for k in positions]
                loss = sum(attribute_loss(attribute, values, [wanted[k] for k in positions]))
                classification += (1.0 if named else STAY) * loss
    for number, shown in [*((n, fakes[n]) for n in CYCLED), *((n, batch.images[n]) for n in KEPT)]:
        again = method.generator(shown[None], unified(edits, number, current[number]))[0]
        errors.append((again - batch.images[number]).abs().mean())
    return {"adv": adversarial / 4, "cls": classification / 4, "rec": sum(errors) / 3}


def assert_same_gradients(found, expected, network):
    parameters = list(network.parameters())
    for one, other in zip(
        *(torch.autograd.grad(x, parameters, allow_unused=True) for x in (found, expected)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("unknown", [False, True])
def test_the_discriminator_minimises_the_equations(double_precision, unknown):
    method, batch = build(), draw_batch(unknown=unknown)
    losses, edits = losses_of(method, batch)
    expected = plain_d(method, batch, edits)
    assert losses["d"].terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses["d"].terms[name], value)
    torch.testing.assert_close(losses["d"].total, expected["adv"] + expected["cls"])
    assert_same_gradients(losses["d"].total, expected["adv"] + expected["cls"], method.discriminator)


@pytest.mark.parametrize("unknown", [False, True])
def test_the_generator_minimises_the_equations(double_precision, unknown):
    method, batch = build(), draw_batch(unknown=unknown)
    losses, edits = losses_of(method, batch)
    expected = plain_g(method, batch, edits)
    assert losses["g"].terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses["g"].terms[name], value)
    total = expected["adv"] + LAMBDA_CLS * expected["cls"] + LAMBDA_REC * expected["rec"]
    torch.testing.assert_close(losses["g"].total, total)
    assert_same_gradients(losses["g"].total, total, method.generator)


def test_r1_is_the_slope_of_how_real_an_image_looks_with_its_labels(double_precision):
    method, batch = build(), draw_batch(unknown=True)
    losses, _ = losses_of(method, batch)
    expected = plain_r1(method, batch, current_labels(method, batch))["penalty"]
    torch.testing.assert_close(losses["r1"].terms["penalty"], expected)
    torch.testing.assert_close(losses["r1"].total, INTERVAL * R1_WEIGHT / 2 * expected)
    assert_same_gradients(losses["r1"].total, INTERVAL * R1_WEIGHT / 2 * expected, method.discriminator)


STEPS = 6
# The losses of a seeded run in fp64. After a deliberate change of the numerics: run the test below, and paste what it prints as "the
# trace is now". Say in the changelog why it changed.
TRACE = [
    {"d/adv": 3.02935709, "d/cls": 2.31819273, "g/adv": 2.95353362, "g/cls": 1.81828877, "g/rec": 0.294212529},
    {"d/adv": 2.8345799, "d/cls": 2.15167875, "g/adv": 2.05655369, "g/cls": 2.51049288, "g/rec": 0.275577857},
    {
        "d/adv": 2.71575822,
        "d/cls": 2.36168883,
        "r1/penalty": 1.49232046,
        "g/adv": 2.4864796,
        "g/cls": 2.05828075,
        "g/rec": 0.273885134,
    },
    {
        "d/adv": 2.72235741,
        "d/cls": 2.56161338,
        "r1/penalty": 0.863040242,
        "g/adv": 2.07632515,
        "g/cls": 2.84561057,
        "g/rec": 0.266845968,
    },
    {"d/adv": 3.16072858, "d/cls": 2.00554409, "g/adv": 2.0699945, "g/cls": 2.48724323, "g/rec": 0.266885626},
    {"d/adv": 2.87716327, "d/cls": 2.22300666, "g/adv": 1.46922654, "g/cls": 1.85052159, "g/rec": 0.267675936},
]


def test_a_seeded_run_takes_the_losses_that_it_took_and_those_of_the_equations(double_precision):
    """The datasets take turns, and R1 follows every second step of a dataset; edits are drawn. D's reading is that before its update."""
    method, edits = build(), []
    optimizers, draw = phase_optimizers(method, TrainingConfig(learning_rate=1e-3)), method.sampler.draw
    method.sampler = SimpleNamespace(draw=lambda *given: edits.append(draw(*given)) or edits[-1])
    plain, rows = (
        {"d": plain_d, "r1": lambda method, batch, _, current: plain_r1(method, batch, current), "g": plain_g},
        [],
    )
    for step in range(1, STEPS + 1):
        schema = (BEASTS, COATS)[step % 2]
        batch = draw_batch(schema, unknown=schema is BEASTS, seed=step)
        torch.manual_seed(step)
        current, row = current_labels(method, batch), {}
        for phase, losses in method.losses(batch, {"d", "g"} if (step - 1) // 2 % INTERVAL == 0 else {"d", "r1", "g"}):
            for name, value in plain[phase](method, batch, edits[-1], current).items():
                torch.testing.assert_close(losses.terms[name], value)
                row[f"{phase}/{name}"] = losses.terms[name].item()
            optimizers[phase].update(losses)
        rows.append(row)
    written = [", ".join(f'"{name}": {value:.9g}' for name, value in row.items()) for row in rows]
    now = "the trace is now:\nTRACE = [\n" + "".join(f"    {{{row}}},\n" for row in written) + "]"
    assert rows == [{name: pytest.approx(value, rel=1e-6) for name, value in row.items()} for row in TRACE], now


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("cycle", [0.0, 0.25, 1.0])
def test_micro_batches_add_up_to_the_batch(double_precision, size, cycle):
    found = []
    for micro_batch in (None, size):
        method, batch = build(cycle=cycle), draw_batch(count=5)
        torch.manual_seed(1)
        parts = [
            losses
            for phase, losses in method.losses(
                Batch(batch.images, batch.labels, "beasts", micro_batch=micro_batch), {"d", "g"}
            )
            if phase == "g"
        ]
        assert [part.last for part in parts] == [*[False] * (len(parts) - 1), True]
        total = sum(part.total for part in parts)
        found.append(
            (
                total,
                sum(part.terms["rec"] for part in parts),
                torch.autograd.grad(total, list(method.generator.parameters())),
            )
        )
    torch.testing.assert_close(found[0], found[1], rtol=1e-7, atol=1e-12)


# The edits


def tables_of(space=SPACE, count=50):
    return {schema.name: LabelTable.of(schema, labels_of(schema, count)) for schema in space.schemas}


def drawn(space=SPACE, *, across=0.5, single=0.5, labels=None, tables=None, read=0.7):
    """Draws 8,000 edits for images of which all that is unknown is read as the same number."""
    schema = space.schemas[0]
    labels = labels_of(schema, 8000) if labels is None else labels
    current = {each.name: torch.full((len(labels), each.dim), read) for each in space.schemas}
    current[schema.name] = torch.where(labels.isnan(), read, labels)
    torch.manual_seed(2)
    batch = Batch(torch.zeros(len(labels), 3, 1, 1), labels, schema.name)
    sampler = EditSampler(space, across, single)
    return sampler.draw(batch, current, tables_of(space) if tables is None else tables), current


def about(share):
    return pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("across", [0.0, 0.4, 1.0])
def test_an_edit_gives_labels_of_the_own_dataset_or_of_another_one(across):
    edits, _ = drawn(across=across)
    own, (other,) = edits.parts["beasts"].given, [part.given for name, part in edits.parts.items() if name != "beasts"]
    assert other.float().mean() == about(across)
    assert torch.equal(own, ~other)


@pytest.mark.parametrize(("across", "weight"), [(0.0, 1.0), (0.3, 1.0), (1.0, 1.0)])
def test_the_discriminator_learns_from_edits_that_give_no_labels_of_another_dataset(across, weight):
    edits, _ = drawn(across=across)
    (other,) = [part.given for name, part in edits.parts.items() if name != "beasts"]
    assert torch.equal(edits.judged, torch.ones_like(other) if across == 1 else ~other)
    assert edits.weight == weight
    half = edits.cut(slice(0, 4000))
    assert torch.equal(half.judged, edits.judged[:4000])


def test_the_ranks_of_a_step_judge_its_edits_with_the_same_weight_for_each():
    labels, tables = labels_of(BEASTS, 60), tables_of()
    current = {each.name: torch.zeros(60, each.dim) for each in SPACE.schemas} | {"beasts": labels}

    def draw(places):
        torch.manual_seed(5)
        images = torch.zeros(60 if places is None else len(places), 3, 1, 1)
        if places is None:
            return EditSampler(SPACE, 0.5, 0.5).draw(Batch(images, labels, "beasts"), current, tables)
        batch = Batch(images, labels[places], "beasts", all_labels=labels, places=places)
        here = {name: rows[places] for name, rows in current.items()}
        return EditSampler(SPACE, 0.5, 0.5).draw(batch, here, tables)

    whole, value = draw(None), torch.linspace(1, 2, 60)
    ranks = [torch.arange(0, 60, 3), torch.arange(1, 60, 3), torch.arange(2, 60, 3)]
    means = []
    for places in ranks:
        edits = draw(places)
        assert torch.equal(edits.judged, whole.judged[places])
        means.append(edits.weight * value[places][edits.judged].mean())
    torch.testing.assert_close(sum(means) / 3, value[whole.judged].mean())
    (across,) = (~whole.judged).nonzero(as_tuple=True)
    nothing = draw(across[:2])
    assert nothing.weight == 0
    assert nothing.judged.all()


def test_the_weight_of_the_judged_edits_is_that_of_their_loss():
    found = []
    for weight in (1.0, 0.25, 0.0):
        method, batch = build(), draw_batch()
        edits = replace(edits_of(batch), weight=weight)
        method.sampler = SimpleNamespace(draw=lambda *_, edits=edits: edits)
        total = dict(method.losses(batch, {"d"}))["d"].total
        found.append((total, torch.autograd.grad(total, list(method.discriminator.parameters()))))
    (one, ones), (quarter, quarters), (none, nones) = found
    torch.testing.assert_close(quarter - none, (one - none) / 4)
    assert one != none
    for a, b, c in zip(ones, quarters, nones, strict=True):
        torch.testing.assert_close(b - c, (a - c) / 4)
    assert any((a != c).any() for a, c in zip(ones, nones, strict=True))


def test_edits_of_all_labels_of_a_dataset_are_those_that_an_image_there_has():
    tables = tables_of()
    edits, _ = drawn(tables=tables, single=0.0)
    ((name, part),) = [item for item in edits.parts.items() if item[0] != "beasts"]
    assert torch.equal(part.named, part.given[:, None].expand_as(part.named))
    rows = {tuple(row.tolist()) for row in tables[name].rows}
    assert {tuple(row.tolist()) for row in part.labels[part.given]} == rows
    for each in edits.parts.values():
        assert torch.equal(each.result, each.labels)


@pytest.mark.parametrize("single", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("across", "number"), [(0.0, 0), (1.0, 1)])
def test_an_edit_of_one_attribute_leaves_the_others(single, across, number):
    space = LabelSpace([BEASTS, COATS])
    edits, current = drawn(space, across=across, single=single)
    schema = space.schemas[number]
    part, whole = edits.parts[schema.name], len(schema.attributes)
    counts = torch.stack([part.named[:, positions[0]] for _, positions in attributes(schema)], dim=1).sum(1)
    assert set(counts.tolist()) <= {0, 1, whole}
    assert (counts == whole).float().mean() == about(1 - single)
    assert torch.equal(part.labels[~part.named], current[schema.name][~part.named])
    asked = counts == 1
    assert (part.labels[asked] != current[schema.name][asked]).any(dim=1).all()


HAIR = LabelSchema(
    "people", [Exclusive("hair", ["black", "blond"]), Binary("male"), Binary("young"), Continuous("height", 0, 2)]
)
PEOPLE = (
    torch.tensor(  # who is old has hair of no colour that has a name, and the others are blond more often than black
        [[1.0, 0, 0, 1, 0.2], [0, 1, 0, 1, 0.3], [0, 1, 1, 1, 0.7], [0, 0, 0, 0, 0.4], [0, 0, 1, 0, 0.6]]
    ).repeat(60, 1)
)


@pytest.mark.parametrize(
    ("person", "asked", "follows", "result"),
    [
        ([1, 0, 0, 1, 0.5], {"young": 0}, {"hair"}, [0, 0, 0, 0, 0.5]),
        ([0, 1, 1, 1, 0.5], {"young": 0}, {"hair"}, [0, 0, 1, 0, 0.5]),
        ([0, 0, 1, 0, 0.5], {"young": 1}, {"hair"}, [0, 1, 1, 1, 0.5]),
        ([0, 0, 1, 0, 0.5], {"black": 1}, {"male", "young"}, [1, 0, 0, 1, 0.5]),
        ([0, 1, 1, 1, 0.5], {"black": 0, "blond": 0}, {"young"}, [0, 0, 1, 0, 0.5]),
        ([1, 0, 0, 1, 0.5], {"black": 0, "blond": 1}, set(), [0, 1, 0, 1, 0.5]),
        ([0, 1, 0, 1, 0.5], {"male": 1}, set(), [0, 1, 1, 1, 0.5]),
        ([0, 0, 0, 0, 0.5], {"male": 1}, set(), [0, 0, 1, 0, 0.5]),
        (
            [0.1, 0.8, 0.6, 0.9, 0.5],
            {"young": 0},
            {"hair"},
            [0, 0, 0.6, 0, 0.5],
        ),  # what is read from an image is no whole number
    ],
)
def test_what_no_image_has_together_with_the_new_value_becomes_what_follows_from_it(person, asked, follows, result):
    space = LabelSpace([HAIR])
    current = torch.tensor(person).repeat(2000, 1)
    unknown = torch.full_like(current, math.nan)
    tables = {"people": LabelTable.of(HAIR, PEOPLE)}
    torch.manual_seed(1)
    batch = Batch(torch.zeros(2000, 3, 1, 1), unknown, "people")
    part = EditSampler(space, 0.0, 1.0).draw(batch, {"people": current}, tables).parts["people"]
    told = current[0].clone()
    for name, value in asked.items():
        told[HAIR.position(name)] = value
    if "black" in asked or "blond" in asked:
        told[:2] = torch.tensor([float(asked.get(name, 0)) for name in ("black", "blond")])
    (same,) = (part.labels == told).all(dim=1).nonzero(as_tuple=True)
    assert len(same)
    named = {"hair" if name in {"black", "blond"} else name for name in asked} | follows
    places = {"hair": [0, 1], "male": [2], "young": [3]}
    for row in same:
        assert part.result[row].tolist() == pytest.approx(result)
        assert part.named[row].nonzero()[:, 0].tolist() == sorted(k for name in named for k in places[name])


def test_a_reading_without_a_likely_value_counts_as_its_likeliest():
    schema = LabelSchema("pets", [Categorical("species", ["cat", "dog", "owl"]), Binary("wings")])
    rows = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1]]).repeat(60, 1)
    current = torch.tensor([[0.4, 0.3, 0.3, 0.1], [0.3, 0.4, 0.3, 0.1]]).repeat(500, 1)
    batch = Batch(torch.zeros(1000, 3, 1, 1), torch.full_like(current, math.nan), "pets")
    tables = {"pets": LabelTable.of(schema, rows)}
    part = EditSampler(LabelSpace([schema]), 0.0, 1.0).draw(batch, {"pets": current}, tables).parts["pets"]
    winged = (part.labels[:, 3] == 1).nonzero()[:, 0]
    cats, dogs = winged[winged % 2 == 0], winged[winged % 2 == 1]
    assert len(cats)
    assert len(dogs)
    assert torch.equal(part.result[dogs], part.labels[dogs])
    assert all(row.tolist() in ([0, 1, 0, 1], [0, 0, 1, 1]) for row in part.result[cats])


def test_few_images_prove_nothing_about_what_goes_together():
    table = LabelTable.of(HAIR, PEOPLE[:20])
    current = PEOPLE[:1].repeat(2000, 1)
    batch = Batch(torch.zeros(2000, 3, 1, 1), current, "people")
    part = EditSampler(LabelSpace([HAIR]), 0.0, 1.0).draw(batch, {"people": current}, {"people": table}).parts["people"]
    assert torch.equal(part.result, part.labels)
    assert (part.labels[:, 3] == 0).any()


def test_labels_that_are_not_known_contradict_nothing():
    hidden = PEOPLE.clone()
    hidden[PEOPLE[:, 3] == 0, :2] = math.nan
    current = PEOPLE[:1].repeat(2000, 1)
    batch = Batch(torch.zeros(2000, 3, 1, 1), current, "people")
    tables = {"people": LabelTable.of(HAIR, hidden)}
    part = EditSampler(LabelSpace([HAIR]), 0.0, 1.0).draw(batch, {"people": current}, tables).parts["people"]
    old = part.labels[:, 3] == 0
    assert old.any()
    assert torch.equal(part.result[old], part.labels[old])


def test_rare_values_are_asked_for_as_often_as_others():
    labels = torch.tensor([[1.0, 0, 0, 0, 0.5]]).repeat(8000, 1)
    table = LabelTable.of(BEASTS, torch.cat([labels, torch.tensor([[0.0, 1, 0, 0, 0.5], [0, 0, 1, 0, 0.5]])]))
    edits, _ = drawn(LabelSpace([BEASTS]), single=1.0, labels=labels, tables={"beasts": table})
    species = edits.parts["beasts"].labels[:, :3].mean(0)
    assert species.tolist() == [about(7 / 9), about(1 / 9), about(1 / 9)]  # a third of the edits are of the species


def test_an_unknown_label_is_never_asked_for_and_is_what_was_read():
    labels = labels_of(BEASTS, 8000)
    random = torch.rand(8000, 3, generator=torch.Generator().manual_seed(4)) < 0.5
    unknown = random[:, [0, 0, 0, 1, 2]]
    labels[unknown] = math.nan
    tables = {schema.name: LabelTable.of(schema, labels_of(schema, 50)) for schema in SPACE.schemas}
    hidden = tables["coats"].rows.clone()
    hidden[::2, :2] = math.nan
    tables |= {"beasts": LabelTable.of(BEASTS, labels), "coats": LabelTable.of(COATS, hidden)}
    del tables["hats"]
    edits, _ = drawn(labels=labels, tables=tables, single=0.0)
    own, other = edits.parts["beasts"], edits.parts["coats"]
    for part in (own, other):
        assert not part.labels.isnan().any()
        assert (part.labels[part.named] != 0.7).all()
    assert (own.labels[unknown & ~own.named] == 0.7).all()
    assert other.named[other.given][:, :2].float().mean() == about(0.5)
    assert other.named[other.given][:, 2:].all()
    assert (other.labels[~other.named] == 0.7).all()
    assert own.named[own.given].any(dim=0).all()


def test_a_dataset_of_which_nothing_is_known_gives_no_labels_to_others():
    labels = torch.full((8000, 5), math.nan)
    edits, _ = drawn(labels=labels, tables={"coats": LabelTable.of(COATS, torch.full((9, 4), math.nan))})
    assert list(edits.parts) == ["beasts"]
    assert not edits.parts["beasts"].named.any()
    assert (edits.parts["beasts"].labels == 0.7).all()


def test_a_label_of_a_group_is_known_only_with_the_others():
    rows = torch.tensor([[1.0, math.nan, 1, 0], [0, 1, math.nan, math.nan], [math.nan] * 4])
    table = LabelTable.of(COATS, rows)
    assert torch.equal(table.rows.isnan(), rows[:2].isnan())
    values = [
        table.values[first : first + size, part].tolist()
        for first, size, part in zip(table.first, table.sizes, table.parts, strict=True)
    ]
    assert values == [[[0, 1]], [[1, 0]]]


def test_each_of_the_other_datasets_has_its_turn():
    batch, tables = draw_batch(), tables_of()
    current = {schema.name: torch.zeros(4, schema.dim) for schema in SPACE.schemas}
    names = [name for _ in range(40) for name in EditSampler(SPACE, 0.5, 0.5).draw(batch, current, tables).parts]
    assert 8 < names.count("coats") < 32
    assert names.count("hats") == 40 - names.count("coats")


def test_with_one_dataset_every_edit_is_of_its_labels_and_there_is_no_mask():
    space = LabelSpace([BEASTS])
    edits, _ = drawn(space, across=1.0)
    assert list(edits.parts) == ["beasts"]
    assert edits.parts["beasts"].given.all()
    assert torch.equal(edits.unified(), edits.parts["beasts"].labels)
    method, batch = build(space), draw_batch()
    assert all(losses.total.isfinite() for _, losses in method.losses(batch, {"d", "g"}))


def test_the_unified_label_has_the_labels_and_mask_bits_of_the_given_datasets():
    batch = draw_batch()
    edits = edits_of(batch)
    rows = [unified(edits, n, {name: part.labels[n] for name, part in edits.parts.items()}) for n in range(4)]
    torch.testing.assert_close(edits.unified(), torch.cat(rows))
    assert edits.unified()[:, 10:].tolist() == [[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0]]


def test_a_group_of_which_a_part_is_unknown_is_not_asked_for():
    labels = labels_of(COATS, 8000)
    labels[:, 1] = math.nan
    part = drawn(LabelSpace([COATS]), single=0.0, labels=labels)[0].parts["coats"]
    assert not part.named[:, :2].any()
    assert part.named[:, 2:].all()


def test_all_ranks_together_reconstruct_the_images_that_one_rank_would():
    whole = draw_batch(count=8)
    alone = Reconstructions.choose(whole, 0.25, 0.5)
    assert alone.cycled.nonzero().flatten().tolist() == [1, 5]
    assert alone.kept.nonzero().flatten().tolist() == [0, 2, 4, 6]
    assert alone.weight == 8 / 6
    for places in (torch.arange(0, 8, 2), torch.arange(1, 8, 2)):
        part = Batch(whole.images[places], whole.labels[places], "beasts", all_labels=whole.labels, places=places)
        found = Reconstructions.choose(part, 0.25, 0.5)
        assert torch.equal(found.cycled, alone.cycled[places])
        assert torch.equal(found.kept, alone.kept[places])
        assert found.weight == alone.weight


# What it says and refuses


@pytest.mark.parametrize("loss", [lambda: R1(interval=1), WGANGP])
def test_a_penalty_at_every_update_is_refused(loss):
    with pytest.raises(ConfigError, match=r"loss\.name = '.*' penalises .* 'r1' with a loss\.interval of 2 or more"):
        Joint(SPACE, 32, components(loss=loss))


def test_other_losses_have_no_phase_for_a_penalty():
    method = Joint(SPACE, 32, components(loss=LSGAN))
    assert [phase.name for phase in method.phases] == ["d", "g"]
    assert all(losses.total.isfinite() for _, losses in method.losses(draw_batch(), {"d", "g"}))


def test_a_discriminator_that_judges_no_labels_is_refused():
    with pytest.raises(ConfigError, match="'stargan' does not judge .*ProjectionDiscriminator"):
        Joint(SPACE, 32, components(discriminator=StarGANDiscriminator))


@pytest.mark.parametrize("across", [0.0, 0.5])
def test_it_is_trained_across_datasets_if_any_edit_is(across):
    assert build(across=across).trained_across == (across > 0)


def test_labels_under_the_wrong_mask_are_not_given():
    method, images = build(), draw_batch().images
    variant, targets = method.variant("mask", "wrong"), labels_of(BEASTS, 4)
    result = variant.translate(images, "beasts", targets)
    assert torch.equal(result, variant.translate(images, "beasts", 1 - targets))
    assert torch.equal(result, method.generator(images, torch.eye(13)[[11] * 4]))
    assert not torch.equal(result, method.translate(images, "beasts", targets))
    assert torch.equal(method.unify("beasts", targets, mask="beasts"), method.unify("beasts", targets))


def test_it_translates_to_the_labels_of_one_dataset_after_the_other():
    method, images = build(), draw_batch().images
    beasts, hats = labels_of(BEASTS, 4), labels_of(HATS, 4)
    result = method.translate_across(images, {"hats": hats, "beasts": beasts}, {})
    expected = method.translate(method.translate(images, "beasts", beasts), "hats", hats)
    assert torch.equal(result, expected)
    assert not torch.equal(result, method.translate(images, "beasts", beasts))


def test_it_reads_the_labels_that_its_classifier_finds():
    method, images = build(), draw_batch().images
    logits = method.discriminator.judge(images).logits
    assert torch.equal(method.read_labels(images, "hats"), (logits[:, 9:10] > 0).float())
    assert torch.equal(method.read_labels(images, "beasts")[:, :3].argmax(1), logits[:, :3].argmax(1))
