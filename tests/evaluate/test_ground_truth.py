"""Where the true picture of a translation comes from: a dataset that can draw it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image

from stargan_fw.config_layers import Layer, merge
from stargan_fw.data.ingest import Ingestion
from stargan_fw.data.source import Source, decode
from stargan_fw.interfaces.dataset import Crop, Square
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.rendering.pictures import to_tensor
from stargan_fw_evaluate.evaluation_request import list_targets
from stargan_fw_evaluate.ground_truth import find_ground_truth
from stargan_fw_evaluate.scoring import EvaluationImages, Outcomes
from stargan_fw_plugins.datasets.rafd import RaFD
from stargan_fw_registry import Binary, LabelSchema


class Photographs(RaFD):
    """Cannot be drawn with other labels."""

    counterfactual = counterfactual_across = None


@pytest.fixture
def faces(small_data, tmp_path):
    """A dataset that was drawn, and its decoded images: `(Source, Store)`."""
    keys = {"data": {"path": str(small_data), "cache": str(tmp_path), "image_size": 32}, "datasets": {"rafd": {}}}
    config = merge([Layer("test", keys)])
    source = Source.open("rafd", config.datasets["rafd"], config.data.path, PluginManager.discover())
    return source, decode(config, [source])["rafd"]


def test_a_dataset_that_draws_counterfactuals_has_a_ground_truth(faces):
    source, store = faces
    truth, why = find_ground_truth(source, store)
    happy = next(target for target in list_targets(source.schema) if target.name.endswith("happy"))
    assert why == ""
    images = EvaluationImages(source, store, source.test, truth)
    assert images.true_pictures(source.test[:2], happy)[0].shape == (3, store.image_size, store.image_size)


@dataclass(frozen=True)
class AroundTheBrightest(Crop):
    """A crop that searches, as one for faces does: its square depends on the pixels."""

    def find(self, image):
        pixels = np.asarray(image.convert("L"))
        down, across = np.unravel_index(pixels.argmax(), pixels.shape)
        return Square.around((across, down), 100, image.size)


def test_true_pictures_have_the_squares_of_their_originals(faces):
    source, store = faces
    cropped = replace(source, examples=[replace(one, crop=AroundTheBrightest()) for one in source.examples])
    store = Ingestion("cropped", [one.image for one in cropped.examples], cropped.framing(32), store.path.parent).run()
    truth, why = find_ground_truth(cropped, store)
    assert why == ""
    happy = next(target for target in list_targets(source.schema) if target.name.endswith("happy"))
    images = EvaluationImages(cropped, store, cropped.test, truth)
    for index in source.test[:6]:
        (true,) = images.true_pictures([index], happy)
        redrawn = source.dataset.counterfactual(source.examples[index], {"expression": "happy"})
        with Image.open(source.examples[index].image) as original:
            square = AroundTheBrightest().find(original)
        box = (square.left, square.top, square.left + square.side, square.top + square.side)
        expected = redrawn.crop(box).resize((32, 32), Image.Resampling.BILINEAR)
        assert torch.equal(true, to_tensor([expected])[0])


def test_a_dataset_that_draws_no_counterfactuals_has_no_ground_truth(faces):
    source, store = faces
    assert find_ground_truth(replace(source, dataset=Photographs(source.dataset.root)), store) == (None, "")


def test_a_counterfactual_that_is_not_the_image_on_disk_is_not_believed(faces, monkeypatch):
    monkeypatch.setattr(RaFD, "counterfactual", lambda self, example, labels: Image.new("RGB", (681, 1024)))
    truth, why = find_ground_truth(*faces)
    assert truth is None
    assert "is drawn otherwise now" in why


def test_labels_of_another_dataset_have_true_pictures_if_the_dataset_knows_them(faces):
    source, store = faces
    images = EvaluationImages(source, store, source.test, find_ground_truth(source, store)[0])
    other = LabelSchema("others", [Binary("Male"), Binary("Wearing_Hat")])
    male, hat = (one for one in list_targets(other) if one.text in {"Male", "Wearing_Hat"})
    (true,), (unknown,) = (images.true_pictures(source.test[:1], one) for one in (male, hat))
    redrawn = source.dataset.counterfactual(source.examples[source.test[0]], {"Male": True})
    square = source.options.cut(redrawn, source.options.region(redrawn), 32)
    assert torch.equal(true, to_tensor([square])[0])
    assert unknown is None


def test_an_old_dataset_is_not_asked_for_labels_of_others(faces, monkeypatch):
    monkeypatch.setattr(RaFD, "counterfactual_across", None)
    source, store = faces
    images = EvaluationImages(source, store, source.test, find_ground_truth(source, store)[0])
    (male, _) = list_targets(LabelSchema("others", [Binary("Male")]))
    assert images.true_pictures(source.test[:2], male) == [None, None]


def test_where_nothing_should_change_only_the_identity_error_counts():
    inputs = torch.zeros(3, 3, 16, 16)
    changed = inputs[0].clone()
    changed[:, :4] = 1
    outcomes = Outcomes()
    outcomes.add_comparison([None, inputs[1], changed], inputs, inputs + 0.5, ["a", "b", "c"])
    assert outcomes.groups["psnr_gain"] == outcomes.groups["ssim"] == ["c"]
    assert outcomes.groups["identity_error"] == ["b", "c"]
    assert outcomes.values["identity_error"] == pytest.approx([0.25, 0.25])


def test_a_true_picture_is_drawn_once_for_all_runs(faces, monkeypatch):
    source, store = faces
    images = EvaluationImages(source, store, source.test, find_ground_truth(source, store)[0])
    happy = next(target for target in list_targets(source.schema) if target.name.endswith("happy"))
    first = images.true_pictures(source.test[:2], happy)
    monkeypatch.setattr("stargan_fw_plugins.redrawn_faces.draw_portrait", None)
    again = images.true_pictures(source.test[:2], happy)
    assert all(map(torch.equal, first, again))
