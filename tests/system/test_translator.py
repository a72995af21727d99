"""The Translator as a program uses it: kinds of images, known labels, strength, precision, size."""

import inspect
import io
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Translator
from stargan_fw.errors import DataError, LabelError, ModelError
from stargan_fw.inference.inputs import paste
from stargan_fw.inference.target_labels import Target
from stargan_fw.inference.translator import EXTRAPOLATES
from stargan_fw.rendering.pictures import to_pictures, to_tensor


@pytest.fixture(scope="module")
def opened(trained_once):
    """Opens the model: `opened(batch_size=4)`. It computes in fp32 unless it is told otherwise."""
    return partial(Translator.from_pretrained, trained_once, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def translator(opened):
    return opened()


@pytest.fixture
def faces(small_data):
    return sorted((small_data / "rafd").glob("*.jpg"))[:3]


@pytest.fixture
def heard(translator, monkeypatch):
    """What the method is asked to translate to: a list of (dataset, target labels)."""
    return listen_to(translator, monkeypatch)


def listen_to(translator, monkeypatch):
    asked, method = [], translator._method
    translate = method.translate

    def listen(images, dataset, target, source=None):
        asked.append((dataset, target.tolist()))
        return translate(images, dataset, target, source)

    monkeypatch.setattr(method, "translate", listen)
    return asked


@pytest.fixture
def read(translator, monkeypatch):
    """Makes the classifier say what the test says; returns the list of datasets that it was asked for."""
    asked, said = [], {"celeba": [0.0, 0, 1, 0, 1], "rafd": [0.0] * 5 + [1, 0, 0]}

    def read_labels(images, dataset):
        asked.append(dataset)
        return torch.tensor([said[dataset]] * len(images))

    monkeypatch.setattr(translator._method, "read_labels", read_labels)
    return asked


VAR_KEYWORD, VAR_POSITIONAL = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL


def noise(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_fp32_gives_the_bits_that_the_network_gives(translator, opened):
    images = noise(11, 3, 32, 32)
    method = translator._method
    target = torch.eye(8)[4].expand(11, 8)
    with torch.no_grad():
        expected = method.generator(images, method.space.join("rafd", target))
    assert torch.equal(translator.translate(images, to="happy"), expected)
    for size in (1, 4, 11):
        torch.testing.assert_close(opened(batch_size=size).translate(images, to="happy"), expected, atol=1e-5, rtol=0)


def test_every_kind_comes_back_as_it_came(translator, faces):
    with Image.open(faces[0]) as picture:
        expected = translator.translate(picture, to="happy")
        array = np.asarray(picture)
    assert expected.size == (32, 32)
    encoded = translator.translate(faces[0].read_bytes(), to="happy")
    assert encoded.startswith(b"\x89PNG")
    with Image.open(io.BytesIO(encoded)) as decoded:
        assert decoded.tobytes() == expected.tobytes()
    assert translator.translate(str(faces[0]), to="happy").tobytes() == expected.tobytes()
    one, two = translator.translate(array, to="happy"), translator.translate(np.stack([array, array]), to="happy")
    assert (one.shape, two.shape, one.dtype) == ((32, 32, 3), (2, 32, 32, 3), np.uint8)
    assert one.tobytes() == two[1].tobytes() == expected.tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "I;16", "YCbCr"])
def test_pictures_of_any_mode_and_size(translator, mode):
    picture = Image.new("L", (50, 20), 90) if mode == "I;16" else Image.new("RGB", (50, 20), (90, 20, 10)).convert(mode)
    result = translator.translate(picture.convert(mode), to="happy")
    assert (result.mode, result.size) == ("RGB", (32, 32))
    assert translator.translate(picture.convert(mode), to="happy", size="original").size == (50, 20)


def test_tensors_keep_rank_type_and_place_and_are_cropped_and_resized(translator):
    batch = noise(2, 3, 48, 64).double()
    result = translator.translate(batch, to="happy")
    assert (result.shape, result.dtype) == ((2, 3, 32, 32), torch.float64)
    torch.testing.assert_close(translator.translate(batch[0], to="happy"), result[0], atol=1e-5, rtol=0)
    middle = batch[:, :, :, 8:56]
    assert torch.equal(translator.translate(middle, to="happy"), result)
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert torch.equal(
        translator.translate(flat, to="happy"), translator.translate(flat[..., :32, :32].contiguous(), to="happy")
    )


WRONG = {
    "a type": ({"a": 1}.items, "A builtin_function_or_method cannot be translated"),
    "an address": ("https://example.org/x.jpg", "is an address"),
    "no picture": (b"no picture", "10 bytes cannot be read as a picture: no image, or one of an unknown format."),
    "channels last": (torch.zeros(1, 32, 32, 3), r"shape \(1, 32, 32, 3\)"),
    "bytes in a tensor": (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "torch.uint8"),
    "numbers in an array": (np.zeros((32, 32, 3)), "float64"),
    "grey": (np.zeros((32, 32), np.uint8), r"\(32, 32\)"),
    "nothing": (torch.zeros(0, 3, 32, 32), r"\(0, 3"),
    "no file": ("nowhere.jpg", "'nowhere.jpg' cannot be read"),
    "one of many": ([torch.zeros(1, 3, 32, 32), None], "A NoneType"),
}


@pytest.mark.parametrize("image, message", WRONG.values(), ids=WRONG)
def test_what_cannot_be_translated_is_refused(translator, image, message):
    with pytest.raises(DataError, match=message) as caught:
        translator.translate(image, to="happy")
    assert "BytesIO" not in str(caught.value)


def test_many_images_and_many_edits(translator, faces):
    single = [[translator.translate(face, to=edit).tobytes() for face in faces] for edit in ("happy", "sad")]
    assert [translator.translate(face, to="happy").tobytes() for face in faces] == single[0]
    many = translator.translate(iter(faces), to=["happy", "sad"])
    assert [[picture.tobytes() for picture in pictures] for pictures in many] == single
    assert [picture.tobytes() for picture in translator.translate(faces[0], to=["happy", "sad"])] == [
        row[0] for row in single
    ]
    mixed = translator.translate([faces[0], noise(2, 3, 32, 32), faces[1].read_bytes()], to="happy")
    assert [type(result) for result in mixed] == [Image.Image, torch.Tensor, bytes]
    assert translator.translate([], to="happy") == []
    assert translator.translate([], to=["happy", "sad"]) == [[], []]
    assert translator.translate(noise(2, 3, 32, 32), to=[]) == []


def test_labels_that_are_not_named_are_read_once_for_all_edits(translator, heard, read):
    translator.translate(noise(2, 3, 32, 32), to=["Male=0", "Black_Hair", "happy", "Young=flip"])
    assert read == ["celeba"]
    assert [target[0] for _, target in heard] == [
        [0, 0, 1, 0, 1],
        [1, 0, 0, 0, 1],
        [0] * 4 + [1] + [0] * 3,
        [0, 0, 1, 0, 0],
    ]


def test_labels_that_the_caller_knows(translator, heard, read):
    images = noise(2, 3, 32, 32)
    translator.translate(images, to="Male=0", current="Blond_Hair,Male,Young=0")
    translator.translate(images, to="Young", current=["hair=,Male=0", "Black_Hair,Male"])
    assert read == [], "nothing is left to read"
    translator.translate(images, to="Male=0", current="Blond_Hair")
    translator.translate(images, to="Male=0", current="happy")
    assert read == ["celeba", "celeba"], "the age is not given, or labels of another dataset are"
    assert [target for _, target in heard] == [
        [[0, 1, 0, 0, 0]] * 2,
        [[0, 0, 0, 0, 1], [1, 0, 0, 1, 1]],
        [[0, 1, 0, 0, 1]] * 2,
        [[0, 0, 1, 0, 1]] * 2,
    ]
    for many in (["Male"], ["Male"] * 3):
        with pytest.raises(LabelError, match="more"):
            translator.translate(images, to="Young", current=many)


def test_strength_mixes_labels(translator, heard, read):
    images = noise(1, 3, 32, 32)
    translator.translate(images, to="Black_Hair,Male", strength=0.25)
    translator.translate(images, to="happy", strength=0)
    translator.translate(images, to="happy", start="sad", strength=0.5)
    assert read == ["celeba", "rafd"], "between two whole edits nothing needs to be read"
    assert [target[0] for _, target in heard] == [
        [0.25, 0, 0.75, 0.25, 1],
        [0] * 5 + [1, 0, 0],
        [0, 0, 0, 0, 0.5, 0, 0.5, 0],
    ]
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(LabelError, match="strength"):
            translator.translate(images, to="happy", strength=wrong)
    with pytest.raises(LabelError, match="'Male' is of celeba and 'happy' of rafd"):
        translator.translate(images, to="happy", start="Male")


def test_interpolate_goes_from_one_edit_to_another(translator, heard):
    images = noise(1, 3, 32, 32)
    frames = translator.interpolate(images, "happy", start="sad", frames=5)
    assert [target[0][4] for _, target in heard] == [0, 0.25, 0.5, 0.75, 1]
    assert torch.equal(frames[0], translator.translate(images, to="sad"))
    assert torch.equal(frames[-1], translator.translate(images, to="happy"))
    with pytest.raises(DataError, match="1 frames"):
        translator.interpolate(images, "happy", frames=1)


def test_labels_of_both_datasets_set_both_bits_of_the_mask(translator, opened, read):
    images, method = noise(2, 3, 32, 32), translator._method
    labels = {"celeba": torch.tensor([[0.0, 1, 0, 0, 1]] * 2), "rafd": torch.eye(8)[[4, 4]]}
    with torch.no_grad():
        expected = method.generator(images, translator.labels.join_all(labels))
    for edit in ("happy,Blond_Hair", "celeba.hair=Blond_Hair,rafd.happy"):
        assert torch.equal(translator.translate(images, to=edit), expected)
    assert read == ["celeba"] * 2, "happy says all of its dataset"
    assert torch.equal(translator.translate(images, to="happy,Blond_Hair", current="Young,Male=0,sad"), expected)
    torch.testing.assert_close(
        opened(batch_size=1).translate(images, to="happy,Blond_Hair", current="Young,Male=0"),
        expected,
        atol=1e-5,
        rtol=0,
    )


def test_interpolation_across_datasets_ends_at_both_edits(translator):
    images = noise(1, 3, 32, 32)
    frames = translator.interpolate(images, "happy,Blond_Hair", start="sad,Male", frames=3)
    assert torch.equal(frames[0], translator.translate(images, to="sad,Male"))
    assert torch.equal(frames[-1], translator.translate(images, to="happy,Blond_Hair"))
    with pytest.raises(LabelError, match="'Male' is of celeba and 'happy,Blond_Hair' of celeba and rafd"):
        translator.interpolate(images, "happy,Blond_Hair", start="Male")


def test_a_model_says_once_that_it_was_not_trained_with_labels_of_several_datasets(opened, monkeypatch, caplog):
    translator, images = opened(), noise(1, 3, 32, 32)
    translator.translate(images, to=["happy", "Blond_Hair,Male"])
    assert caplog.messages == []
    for _ in range(2):
        translator.translate(images, to=["happy,Blond_Hair", "sad,Male=0"])
    assert caplog.messages == [f"The method 'stargan' {EXTRAPOLATES}"]
    caplog.clear()
    trained = opened()
    monkeypatch.setattr(type(trained.method), "trained_across", True)
    trained.translate(images, to="happy,Blond_Hair")
    assert caplog.messages == []


def test_a_method_without_labels_of_several_datasets_says_what_to_do_instead(opened, monkeypatch):
    translator, images = opened(), noise(1, 3, 32, 32)
    monkeypatch.setattr(type(translator.method), "translate_across", None)
    with pytest.raises(
        ModelError, match="'stargan' cannot .* celeba and rafd at once: translate to those of one dataset"
    ):
        translator.translate(images, to="happy,Blond_Hair")
    translator.translate(images, to="happy")


def test_an_edit_of_several_datasets_tells_of_the_squares_of_each(translator):
    of = {edit: translator.own_crop([Target.make(translator.labels, edit)]) for edit in ("happy", "Male", "happy,Male")}
    assert of["Male"] == "", "the usual squares"
    assert of["happy,Male"] == of["happy"] != ""


def test_labels_of_several_datasets_have_no_wrong_mask(translator):
    with pytest.raises(LabelError, match="celeba and rafd have no wrong mask: name labels of one dataset"):
        translator.variant("mask", "wrong").translate(noise(1, 3, 32, 32), to="happy,Male")


def test_the_wrong_mask_is_that_of_another_dataset(translator):
    images, space = noise(2, 3, 32, 32), translator.labels
    wrong = translator.variant("mask", "wrong").translate(images, to="happy")
    joint = space.join("rafd", torch.eye(8)[[4, 4]], "celeba")
    with torch.no_grad():
        assert torch.equal(wrong, translator._method.generator(images, joint))
    assert not torch.equal(wrong, translator.translate(images, to="happy"))
    with pytest.raises(ModelError, match="'stargan' has no wrogn mask; did you mean 'wrong'"):
        translator.variant("mask", "wrogn")
    with pytest.raises(ModelError, match="'stargan' has no hat: leave out the big one"):
        translator.variant("hat", "big")


@pytest.mark.parametrize("settings", [{}, {"precision": "bf16", "batch_size": 2}])
def test_a_variant_computes_as_its_translator_does(opened, settings):
    translator = opened(**settings)
    wrong = translator.variant("mask", "wrong")
    assert wrong._engine._precision == translator._engine._precision
    assert wrong._engine.batch_size == translator._engine.batch_size == settings.get("batch_size", 1)


def test_bf16_is_near_and_auto_is_one_of_both(translator, opened):
    images = noise(2, 3, 32, 32)
    exact = translator.translate(images, to="happy")
    near = opened(precision="bf16").translate(images, to="happy")
    auto = opened(precision="auto").translate(images, to="happy")
    assert (near.dtype, near.is_contiguous()) == (torch.float32, True)
    assert 0 < (near - exact).abs().max() < 0.1
    assert torch.equal(auto, exact) or torch.equal(auto, near)
    assert torch.equal(translator.translate(images, to="happy"), exact)
    with pytest.raises(ModelError, match="batch size is 0"):
        opened(batch_size=0)
    with pytest.raises(ModelError, match="precision = 'fp23': give 'auto' or 'fp32' or 'bf16'"):
        opened(precision="fp23")


def test_the_original_keeps_its_size_and_what_the_model_did_not_see(translator):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (90, 150, 3), dtype=np.uint8)
    wide = translator.translate(array, to="happy", size="original")
    tall = translator.translate(np.ascontiguousarray(array.transpose(1, 0, 2)), to="happy", size="original")
    for result, before, side in (
        (wide, array, 30),
        (tall.transpose(1, 0, 2), array.transpose(1, 0, 2).transpose(1, 0, 2), 30),
    ):
        assert result.shape == before.shape
        assert np.array_equal(result[:, :side], before[:, :side])
        assert np.array_equal(result[:, -side:], before[:, -side:])
        assert not np.array_equal(result[:, side:-side], before[:, side:-side])


def test_pasting_at_the_models_own_size_gives_the_models_result(translator):
    images = noise(2, 3, 32, 32)
    result = translator.translate(images, to="happy")
    pasted = translator.translate(images, to="happy", size="original")
    torch.testing.assert_close(pasted, result, atol=1e-5, rtol=0)
    picture = to_pictures(images)[0]
    own = translator.translate(picture, to="happy")
    assert np.abs(np.asarray(own).astype(int) - translator.translate(picture, to="happy", size="original")).max() <= 1


def test_pasting_turns_a_picture_upright_and_leaves_the_given_one_alone(translator, tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    assert translator.translate(tmp_path / "turned.png", to="happy", size="original").size == (40, 60)
    before = picture.tobytes()
    translator.translate(picture, to="happy", size="original")
    assert picture.tobytes() == before
    assert to_tensor([picture]).shape == (1, 3, 40, 60)


def test_pictures_are_read_one_batch_ahead_and_no_further(opened, monkeypatch):
    """Counts what is decoded and not yet translated, at every call of the network and at the end of every decoding."""
    translator = opened(batch_size=4)
    decoded, translated, ahead = [], [], []
    method, generate = translator._method, translator._method.translate
    picture = to_pictures(noise(1, 3, 32, 32))[0]

    class Counted:
        count = 1

        def square(self, side):
            decoded.append(1)
            ahead.append(len(decoded) - len(translated))
            return to_tensor([picture])

    def slow(images, *rest):
        result = generate(images, *rest)
        ahead.append(len(decoded) - len(translated))
        translated.extend([1] * len(images))
        return result

    monkeypatch.setattr(method, "translate", slow)
    taken = 0
    from stargan_fw.inference.target_labels import Target

    for batch in translator.pipeline.run((Counted() for _ in range(30)), [Target.make(translator.labels, "happy")]):
        taken += len(batch)
    assert taken == len(decoded) == len(translated) == 30
    assert max(ahead) <= 2 * 4, "the batch in the network and the one ahead"


def test_pasting_keeps_detail_that_the_model_did_not_see_and_removes_what_it_replaced():
    rows = torch.linspace(-0.4, 0.4, 128).view(1, 1, 128, 1).expand(1, 3, 128, 128)
    lines = torch.tensor([0.1, -0.1]).repeat(64)  # too fine for 32 pixels
    original = rows + lines
    before = F.interpolate(original, (32, 32), mode="bilinear", antialias=True)
    darker = paste(original, before, before - 0.3)
    torch.testing.assert_close(darker, original - 0.3, atol=1e-3, rtol=0)

    edited = before.clone()
    edited[..., 12:20, 12:20] = torch.tensor([0.8, -0.8]).repeat(8, 4)
    mouth = paste(original, before, edited)
    enlarged = F.interpolate(edited, (128, 128), mode="bicubic", antialias=True)
    inside = (..., slice(60, 68), slice(60, 68))
    torch.testing.assert_close(mouth[inside], enlarged[inside].clamp(-1, 1), atol=1e-3, rtol=0)  # no old lines
    torch.testing.assert_close(mouth[..., :30], original[..., :30], atol=1e-3, rtol=0)


def test_pasting_fades_out_where_the_picture_goes_on():
    original, before = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 32, 32)
    result = paste(original, before, before + 0.5, fade=(True, False))[0, 0]
    assert result[:, 0].max() < 0.05
    torch.testing.assert_close(result[:, 4:60], torch.full((64, 56), 0.5))
    torch.testing.assert_close(result, result.flip(1))


@pytest.mark.parametrize("name", ["from_pretrained", "translate", "interpolate"])
def test_every_option_is_a_parameter_of_its_own(translator, opened, name):
    """An editor shows it, and Python refuses a name that is misspelt."""
    parameters = inspect.signature(getattr(Translator, name)).parameters.values()
    assert not [parameter for parameter in parameters if parameter.kind in {VAR_KEYWORD, VAR_POSITIONAL}]
    call = opened if name == "from_pretrained" else partial(getattr(translator, name), noise(1, 3, 32, 32), "happy")
    with pytest.raises(TypeError, match="unexpected keyword argument 'sizes'"):
        call(sizes="original")


def test_a_size_is_the_models_or_the_originals(translator):
    with pytest.raises(DataError, match="size = 'orginal': give 'model' or 'original'"):
        translator.translate(noise(1, 3, 32, 32), to="happy", size="orginal")
