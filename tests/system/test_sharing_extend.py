"""Growing a trained model by datasets: what it could do before, it does to the bit."""

import re

import pytest
import torch

from stargan_fw import Translator

PETS = """
from stargan_fw import Dataset, Example, hookimpl
from stargan_fw_registry import Binary, Categorical


class Pets(Dataset):
    name = "pets"
    crop_size = 20
    attributes = [Categorical("species", ["cat", "dog"]), Binary("young")]

    def examples(self):
        raise OSError("extend needs no image")


@hookimpl
def register_datasets(register):
    register(Pets)
"""
EDITS = {
    "celeba": ["Blond_Hair,Male=0,Young", "Male", "Black_Hair"],
    "rafd": ["happy", "neutral"],
    "pets": ["cat,young=0", "dog,young"],
}
GENERATORS = ["stargan", "attention"]


@pytest.fixture
def pets(tmp_path):
    (tmp_path / "pets.py").write_text(PETS)
    return tmp_path / "pets.py"


@pytest.fixture
def run(train, tmp_path):
    """Trains a few steps: `run("celeba", "attention") -> run folder`."""

    def make(datasets, generator):
        network = ["--set", f"generator.name={generator}", "--set", "generator.conv_dim=4"]
        out = tmp_path / "run"
        assert (
            train("--max-steps", "2", *network, "--set", "generator.repeat_num=1", datasets=datasets, out=out).code == 0
        )
        return out

    return make


@pytest.fixture
def images():
    torch.manual_seed(5)
    return torch.rand(4, 3, 32, 32) * 2 - 1


@pytest.mark.parametrize("generator", GENERATORS)
def test_old_translations_stay_to_the_bit(cli, run, pets, images, tmp_path, generator):
    models = [run("celeba", generator), tmp_path / "two", tmp_path / "three"]
    assert cli("extend", models[0], "-o", models[1], "--datasets", "celeba,rafd").code == 0
    outcome = cli("extend", models[1], "-o", models[2], "--datasets", "celeba,rafd,pets", "--plugin", pets)
    assert outcome.code == 0
    assert "15 labels kept; new: pets.cat, pets.dog, pets.young, mask.pets" in outcome.out
    assert "differ by at most 0\n" in outcome.out

    one, two, three = (Translator.from_pretrained(model, device="cpu") for model in models)
    assert [len(t.labels.names) for t in (one, two, three)] == [5, 13, 16]
    for edit in EDITS["celeba"]:
        for batch in (images, images[:1]):
            expected = one.translate(batch, to=edit)
            assert torch.equal(two.translate(batch, to=edit), expected)
            assert torch.equal(three.translate(batch, to=edit), expected)
    for edit in EDITS["rafd"]:
        assert torch.equal(three.translate(images, to=edit), two.translate(images, to=edit))


def test_new_labels_do_nothing_yet(cli, run, pets, images, tmp_path):
    model = run("celeba", "attention")
    assert cli("extend", model, "-o", tmp_path / "more", "--datasets", "celeba,pets", "--plugin", pets).code == 0
    translator = Translator.from_pretrained(tmp_path / "more", device="cpu")
    cat, dog = (translator.translate(images, to=edit) for edit in EDITS["pets"])
    assert torch.equal(cat, dog)


def test_old_logits_stay_to_the_bit_and_new_ones_are_zero(cli, trained_once, pets, images, tmp_path):
    out = tmp_path / "more"
    assert cli("extend", trained_once, "-o", out, "--datasets", "celeba,rafd,pets", "--plugin", pets).code == 0
    old, new = (Translator.from_pretrained(model, device="cpu") for model in (trained_once, out))
    logits = []
    for translator in (old, new):
        translator._load(*translator._method.reading)
        with torch.no_grad():
            logits.append(translator._method.networks["discriminator"](images)[1])
    assert torch.equal(logits[1][:, :13], logits[0])
    assert not logits[1][:, 13:].any()


def test_what_the_extended_folder_says(cli, exported_once, pets, tmp_path):
    command = ["extend", exported_once, "-o", tmp_path / "more", "--datasets", "celeba,rafd,pets", "--plugin", pets]
    assert cli(*command).code == 0
    assert '"pets": 20' in (tmp_path / "more/config.json").read_text()
    card = (tmp_path / "more/README.md").read_text()
    assert "extended by pets" in card
    assert "| pets | species | categorical | cat, dog |" in card


def test_the_card_of_an_extended_run_counts_what_the_model_has_seen(cli, trained_once, pets, tmp_path):
    command = ["extend", trained_once, "-o", tmp_path / "more", "--datasets", "celeba,rafd,pets", "--plugin", pets]
    assert cli(*command).code == 0
    card = (tmp_path / "more/README.md").read_text()
    assert re.search(r"^\| celeba \| Male \| binary \| Male \| Male \d+, not \d+ \|$", card, re.MULTILINE)
    assert "| pets | young | binary | young | young 0, not 0 |" in card


REFUSED = {
    "another order": (["--datasets", "rafd,celeba,pets"], "has the datasets celeba, rafd: name them first"),
    "not all": (["--datasets", "celeba,pets"], "--datasets celeba,rafd,NEW"),
    "nothing new": (["--datasets", "celeba,rafd"], "has these datasets already"),
    "unknown": (["--datasets", "celeba,rafd,pest"], "no dataset is called 'pest'"),
    "twice": (["--datasets", "celeba,rafd,rafd"], "'rafd' comes twice"),
}


@pytest.mark.parametrize("options, message", REFUSED.values(), ids=REFUSED)
def test_other_requests_are_refused(cli, exported_once, pets, tmp_path, options, message):
    outcome = cli("extend", exported_once, "-o", tmp_path / "more", "--plugin", pets, *options)
    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert not (tmp_path / "more").exists()


def test_a_network_that_cannot_grow_says_so(cli, exported_once, pets, tmp_path, monkeypatch):
    from stargan_fw_plugins.networks.attention_generator import AttentionGenerator

    monkeypatch.setattr(AttentionGenerator, "label_axes", lambda self: None)
    out = tmp_path / "more"
    outcome = cli("extend", exported_once, "-o", out, "--datasets", "celeba,rafd,pets", "--plugin", pets)
    assert outcome.code == 2
    assert "cannot change its labels" in outcome.err
    assert not out.exists()
