"""The figures of an evaluation against plain NumPy."""

import os

import numpy as np
import pytest
import torch

from stargan_fw.errors import ConfigError, LabelError, ModelError
from stargan_fw_evaluate.classifier import Settings, label_loss
from stargan_fw_evaluate.evaluation_record import LEADING, METRICS, SHARES, Evaluation
from stargan_fw_evaluate.evaluation_request import list_targets, select_by_labels, select_targets, spread
from stargan_fw_evaluate.feature_distances import FeatureDistances
from stargan_fw_evaluate.intervals import interval, mean_interval, wilson
from stargan_fw_evaluate.metrics import (
    compare,
    frechet_distance,
    identity_error,
    kernel_distance,
    load_inception,
    psnr,
    ssim,
)
from stargan_fw_evaluate.protocol import _distances, _means
from stargan_fw_evaluate.scoring import Outcomes
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema
from stargan_fw_registry.edits import parse_edit

RNG = np.random.default_rng(0)
FACES = LabelSchema("faces", [Exclusive("hair", ["black", "blond"]), Binary("old")])
MOODS = LabelSchema("moods", [Categorical("mood", ["calm", "happy", "sad"])])


def features(count, width=6, shift=0.0):
    return torch.from_numpy(RNG.normal(shift, 1, (count, width))).float()


@pytest.mark.parametrize(
    "share, count, bounds", [(0, 10, (0, 0.2775)), (0.5, 10, (0.2366, 0.7634)), (1, 4, (0.5101, 1))]
)
def test_wilson_s_interval_is_the_published_one(share, count, bounds):
    assert wilson(share, count) == pytest.approx(bounds, abs=1e-4)


def test_counts_of_independent_images_have_wilson_s_interval():
    assert interval([0, 0, 1, 0], [1, 2, 3, 4]) == wilson(0.25, 4)


def test_a_person_whose_images_all_err_counts_once():
    together = interval([1.0] * 10 + [0.0] * 40, [number // 10 for number in range(50)])
    apart = interval([1.0] * 10 + [0.0] * 40, range(50))
    assert together[1] - together[0] > 1.5 * (apart[1] - apart[0])


def test_no_error_of_few_people_is_no_certainty():
    assert interval([0.0] * 300, ["a", "b", "c"] * 100) == wilson(0, 3)
    assert interval([1.0, 0.0] * 4, ["a", "a", "b", "b"] * 2) == wilson(0.5, 2), "both people have the same share"
    assert interval([1.0, 0.0] * 3, list("aabbbb")) == wilson(0.5, 2), "the same share of different numbers of images"
    assert interval([1, 0, 0, 1, 1, 0], list("aaabbb")) == pytest.approx((1 / 3, 2 / 3)), "shares of 1 and 2 thirds"


def test_a_measurement_that_is_0_everywhere_is_no_count():
    assert mean_interval([0.0] * 4, range(4)) == (0, 0)
    assert mean_interval([1.0, 0.0], "aa") is None
    values = {metric: [0.0] * 4 for metric in METRICS}
    rows = {row.metric: row for row in _means(Outcomes(values, dict.fromkeys(values, range(4))), "pets", 0)}
    for metric, row in rows.items():
        assert (row.low, row.high) == (wilson(0, 4) if METRICS[metric][1](0.5).endswith("%") else (0, 0)), metric
    assert METRICS.keys() > SHARES


def test_the_table_begins_with_what_ranks_methods():
    assert tuple(METRICS)[:3] == LEADING == ("psnr_gain", "identity_error", "off_target_change")


@pytest.mark.parametrize(
    "count, most, found", [(5, 3, [0, 1, 3]), (2, 3, [0, 1]), (0, 3, []), (6, 3, [0, 2, 4]), (4, 1, [0])]
)
def test_some_images_are_spread_over_all(count, most, found):
    assert spread(range(count), most) == found


def test_the_bootstrap_has_the_width_of_the_normal_interval():
    values = RNG.normal(5, 2, 400)
    low, high = interval(values, range(400))
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.04)
    assert interval(values, range(400)) == (low, high)
    assert interval(values, [0] * 400) is None


def test_the_frechet_distance_is_that_of_the_formula():
    real, fake = features(40).double(), features(30, shift=0.5).double()
    a, b = np.cov(real.numpy().T), np.cov(fake.numpy().T)
    root = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
    mean = ((real.mean(0) - fake.mean(0)) ** 2).sum().item()
    expected = mean + np.trace(a) + np.trace(b) - 2 * root
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6)


def test_the_kernel_distance_is_the_unbiased_mmd():
    real, fake = features(12), features(12, shift=1.0)
    x, y = real.numpy().astype(np.float64), fake.numpy().astype(np.float64)
    xx, yy, xy = ((one @ other.T / 6 + 1) ** 3 for one, other in ((x, x), (y, y), (x, y)))
    inside = sum((kernel.sum() - np.trace(kernel)) / (12 * 11) for kernel in (xx, yy))
    assert kernel_distance(real, fake, 0) == pytest.approx(inside - 2 * xy.mean(), rel=1e-4)


def test_the_kernel_distance_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    again = features(9), features(20)
    first = kernel_distance(*again, 0)
    assert first == kernel_distance(*again, 0)
    assert torch.equal(torch.rand(3), expected)


def test_psnr_is_that_of_the_formula_and_bounded():
    image = torch.full((1, 3, 12, 12), 0.5)
    assert psnr(image, image + 0.1).item() == pytest.approx(20, abs=1e-4)
    assert psnr(image, image).item() == 100


def gaussian_ssim(a, b):
    window = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    kernel = np.outer(window, window) / window.sum() ** 2

    def mean(image):
        image = np.pad(image, 5, mode="reflect")
        views = np.lib.stride_tricks.sliding_window_view(image, (11, 11))
        return (views * kernel).sum(axis=(-1, -2))

    mu_a, mu_b = mean(a), mean(b)
    var_a, var_b, cov = mean(a * a) - mu_a**2, mean(b * b) - mu_b**2, mean(a * b) - mu_a * mu_b
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * mu_a * mu_b + c1) * (2 * cov + c2) / ((mu_a**2 + mu_b**2 + c1) * (var_a + var_b + c2))).mean()


def test_ssim_is_that_of_the_formula():
    a = RNG.uniform(0, 1, (2, 3, 20, 20))
    b = np.clip(a + RNG.normal(0, 0.1, a.shape), 0, 1)
    expected = [np.mean([gaussian_ssim(x, y) for x, y in zip(*pair, strict=True)]) for pair in zip(a, b, strict=True)]
    found = ssim(torch.from_numpy(a).float(), torch.from_numpy(b).float())
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_the_identity_error_looks_only_where_nothing_should_change():
    before = torch.zeros(2, 3, 4, 4)
    truth = before.clone()
    truth[:, 0, :2] = 1  # half of the picture changes
    after = truth.clone()
    after[1, :, 2:] += 0.2
    assert identity_error(after, before, truth).tolist() == pytest.approx([0, 0.2])
    assert identity_error(before + 1, before, torch.ones_like(before)).isnan().all()


def test_a_perfect_translation_is_perfect_in_every_figure():
    before = torch.rand(2, 3, 16, 16) * 2 - 1
    truth = before.clone()
    truth[:, :, :8] -= before[:, :, :8].sign()
    found = compare(truth, before, truth)
    assert found["psnr"].tolist() == [100, 100]
    assert found["ssim"].tolist() == pytest.approx([1, 1])
    assert found["identity_error"].tolist() == [0, 0]
    assert (found["psnr_of_input"] < 20).all()


def test_unknown_labels_teach_a_classifier_nothing():
    logits = torch.tensor([[0.3, -1.0, 2.0], [1.0, 1.0, 1.0]], requires_grad=True)
    labels = torch.tensor([[1.0, 0.0, torch.nan], [torch.nan] * 3])
    sigmoid = 1 / (1 + np.exp(-np.array([0.3, -1.0])))
    expected = -(np.log(sigmoid[0]) + np.log(1 - sigmoid[1])) / 2
    assert label_loss(FACES, logits, labels).item() == pytest.approx(expected, rel=1e-5)
    label_loss(MOODS, logits, labels.nan_to_num(0)[:1].expand(2, 3) * torch.tensor([[1.0], [torch.nan]])).backward()
    assert logits.grad[1].tolist() == [0, 0, 0]


def test_a_categorical_label_is_learned_with_cross_entropy():
    logits, labels = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    expected = -np.log(np.exp(1) / np.exp([0.0, 1.0, 2.0]).sum())
    assert label_loss(MOODS, logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_small_data_gets_a_fair_number_of_updates_and_large_data_a_bounded_one():
    assert Settings().updates(100) == 250
    assert Settings().updates(200_000) == 8000
    assert Settings(steps=7).updates(100) == 7


def test_targets_set_every_label_and_clear_those_that_stand_alone():
    assert [target.name for target in list_targets(FACES)] == ["faces.black", "faces.blond", "faces.old", "faces.old=0"]
    assert [dict(target.change) for target in list_targets(FACES)] == [
        {"black": True},
        {"blond": True},
        {"old": True},
        {"old": False},
    ]
    assert [dict(target.change) for target in list_targets(MOODS)] == [{"mood": m} for m in ("calm", "happy", "sad")]


def test_only_images_that_have_to_change_are_translated():
    labels = np.array([[1, 0, 0], [0, 0, 1], [np.nan] * 3, [0, 1, 0]], dtype=np.float32)
    black, _, old, young = list_targets(FACES)
    assert black.select_changed(labels, range(4)) == [1, 3]
    assert old.select_changed(labels, range(4)) == [0, 3]
    assert young.select_changed(labels, range(4)) == [1]
    assert black.apply(torch.tensor([[0.0, 1.0, 1.0]])).tolist() == [[1, 0, 1]]
    assert black.matches(torch.tensor([[1.0, 0, 0], [0, 1, 0]])).tolist() == [True, False]


def test_targets_and_sources_are_named_as_edits():
    every = [*list_targets(FACES), *list_targets(MOODS)]
    assert [target.name for target in select_targets(every, ["happy", "faces.old=0"], [FACES, MOODS])] == [
        "faces.old=0",
        "moods.happy",
    ]
    with pytest.raises(LabelError, match="did you mean 'happy'"):
        select_targets(every, ["hapy"], [FACES, MOODS])
    with pytest.raises(LabelError, match="not one label to set or clear"):
        select_targets(every, ["blond,old"], [FACES, MOODS])
    labels = np.eye(3, dtype=np.float32)
    assert select_by_labels(MOODS, labels, [0, 1, 2], parse_edit("happy", [MOODS])) == [1]
    assert select_by_labels(MOODS, labels, [0, 1, 2], parse_edit("old", [FACES])) == [0, 1, 2]


def test_inception_is_refused_where_it_is_not(tmp_path):
    pytest.importorskip("torchmetrics")
    with pytest.raises(ConfigError, match="no such file|needs the package"):
        load_inception(tmp_path / "nothing.pth", torch.device("cpu"))
    pytest.importorskip("torch_fidelity")
    (tmp_path / "wrong.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be used"):
        load_inception(tmp_path / "wrong.pth", torch.device("cpu"))


class TrustingInception(torch.nn.Module):
    """Stands for torch-fidelity's network, which unpickles whatever its file holds."""

    def __init__(self, _name, _features, path):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(1))
        self.load_state_dict(torch.load(path, weights_only=False))

    def forward(self, pixels):
        return self.scale * pixels.float().mean(dim=(2, 3))


class Trap:
    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return (type(self.witness).touch, (self.witness,))


def test_a_file_of_inception_weights_runs_no_code(tmp_path, monkeypatch):
    fid = pytest.importorskip("torchmetrics.image.fid")
    monkeypatch.setattr(fid, "NoTrainInceptionV3", TrustingInception)
    monkeypatch.setattr("stargan_fw_evaluate.metrics.find_spec", lambda _: True)
    witness, weights = tmp_path / "ran", tmp_path / "weights.pth"
    torch.save({"scale": Trap(witness)}, weights)
    with pytest.raises(ModelError, match="more than tensors"):
        load_inception(weights, torch.device("cpu"))
    assert not witness.exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ

    torch.save({"scale": torch.full((1,), 2.0)}, weights)
    features = load_inception(weights, torch.device("cpu"))
    assert features(torch.ones(1, 3, 4, 4)).tolist() == [[510.0, 510.0, 510.0]]


def test_there_is_no_fid_of_few_images_but_a_kid_and_the_classifier_s_distances():
    pytest.importorskip("torchmetrics")
    features, evaluation = torch.randn(20, 4), Evaluation("run", "step", {})
    generated = Outcomes(features={"classifier": [features + 1], "inception": [features + 1]})
    rows = _distances(evaluation, {"classifier": features, "inception": features}, generated, "pets", 0)
    assert {row.metric for row in rows} == {
        "classifier_frechet_distance",
        "classifier_kernel_distance",
        "inception_kernel_distance",
    }
    (note,) = evaluation.notes
    assert note.startswith("FID of pets is left out")
    assert note.endswith("one side has 20. KID does not.")


def test_distances_of_features_are_those_of_their_directions_at_each_position():
    images = torch.from_numpy(RNG.uniform(-1, 1, (4, 3, 2, 2))).float()
    inputs, translated = images, images.flip(0)
    pictures = [images[1], None, images[2], images[0]]
    for network, axes in ((torch.nn.Identity(), (2, 3)), (torch.nn.Flatten(), ())):
        distances = FeatureDistances(network)
        seen = network(images).numpy().reshape(4, 3 if axes else 12, -1)

        def distance(one, other, seen=seen):
            a, b = seen[one], seen[other]
            return np.mean(1 - (a * b).sum(0) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0))

        found = distances.compare(translated, inputs, pictures)
        expected = {
            "feature_distance_to_input": [distance(3 - place, place) for place in range(4)],
            "feature_distance": [distance(3, 1), np.nan, np.nan, distance(0, 0)],
            "feature_distance_of_input": [distance(0, 1), np.nan, np.nan, distance(3, 0)],
        }
        assert found.keys() == expected.keys()
        for metric, values in expected.items():
            np.testing.assert_allclose(found[metric].numpy(), values, atol=1e-6)
        np.testing.assert_allclose(distances.describe(images), network(images).numpy().mean(axes), atol=1e-6)
        assert distances.compare(translated, inputs, [])["feature_distance"].isnan().all()
    assert FeatureDistances(torch.nn.Identity()).compare(-images, images, [])["feature_distance_to_input"].tolist() == (
        pytest.approx([2.0] * 4)
    )
