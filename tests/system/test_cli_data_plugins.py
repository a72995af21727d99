"""`data sample` and `plugins list`."""

import json

import pytest

from stargan_fw.plugin_manager import COMMAND_GROUP, GROUP, KIND_GROUP

PLUGIN = """
from stargan_fw import Dataset, Example, hookimpl
from stargan_fw_registry import Binary


class Pets(Dataset):
    name = "pets"
    attributes = [Binary("young")]

    def examples(self):
        return [Example(image=path) for path in self.root.glob("*.jpg")]


@hookimpl
def register_datasets(register):
    register(Pets)
"""


def test_sample_draws_both_layouts(cli, tmp_path):
    drawn = cli("data", "sample", tmp_path / "d", "--images", "10", "--people", "2")
    assert drawn.code == 0
    assert drawn.err == "Drawing the pictures of celeba.\nDrawing the pictures of rafd.\n"
    assert len(list((tmp_path / "d/celeba/img_align_celeba").glob("*.jpg"))) == 10
    assert len(list((tmp_path / "d/rafd").glob("Rafd*.jpg"))) == 48

    again = cli("data", "sample", tmp_path / "d")
    assert again.code == 2
    assert "exists already" in again.err


def test_plugins_list(cli, tmp_path):
    outcome = cli("plugins", "list")
    assert outcome.code == 0
    assert "celeba" in outcome.out


def test_plugins_list_as_json_with_a_file(cli, tmp_path):
    (tmp_path / "pets.py").write_text(PLUGIN)
    outcome = cli("plugins", "list", "--json", "--plugin", tmp_path / "pets.py")
    listing = json.loads(outcome.out)
    assert "pets" in listing["components"]["dataset"]
    assert listing["plugins"][-1]["components"] == ["dataset pets"]
    assert all(report["error"] is None for report in listing["plugins"])


@pytest.mark.parametrize("group", [KIND_GROUP, COMMAND_GROUP, GROUP])
def test_plugins_list_says_why_a_plugin_is_left_out(cli, tmp_path, monkeypatch, group):
    monkeypatch.delenv("STARGAN_FW_STRICT", raising=False)
    name = f"fails_in_{group.replace('.', '_')}"
    (tmp_path / f"{name}.py").write_text("1 / 0")
    (tmp_path / "failing-2.0.dist-info").mkdir()
    (tmp_path / "failing-2.0.dist-info" / "METADATA").write_text("Name: failing\nVersion: 2.0\n")
    (tmp_path / "failing-2.0.dist-info" / "entry_points.txt").write_text(f"[{group}]\nfailing = {name}\n")
    monkeypatch.syspath_prepend(tmp_path)

    outcome = cli("plugins", "list", "--json")

    (report,) = (one for one in json.loads(outcome.out)["plugins"] if one["error"])
    assert (report["distribution"], report["error"]) == ("failing 2.0", "ZeroDivisionError: division by zero")
    assert "left out" in cli("plugins", "list").out


TAKES = """
from stargan_fw import Command, hookimpl
from stargan_fw_plugins.datasets.celeba import CelebA

class Own(CelebA):
    pass

@hookimpl
def register_datasets(register):
    register(Own)
"""
TAKES_A_COMMAND = """
from stargan_fw import Command, hookimpl

@hookimpl
def register_commands(register):
    register(Command("train", lambda: None))
"""


@pytest.mark.parametrize(
    ("group", "source", "taken"), [(GROUP, TAKES, "dataset celeba"), (COMMAND_GROUP, TAKES_A_COMMAND, "command train")]
)
def test_a_plugin_that_is_found_first_takes_no_name_of_ours(cli, tmp_path, monkeypatch, group, source, taken):
    monkeypatch.delenv("STARGAN_FW_STRICT", raising=False)
    name = f"takes_in_{group.replace('.', '_')}"
    (tmp_path / f"{name}.py").write_text(source)
    (tmp_path / "taking-2.0.dist-info").mkdir()
    (tmp_path / "taking-2.0.dist-info" / "METADATA").write_text("Name: taking\nVersion: 2.0\n")
    (tmp_path / "taking-2.0.dist-info" / "entry_points.txt").write_text(f"[{group}]\ntaking = {name}\n")
    monkeypatch.syspath_prepend(tmp_path)

    reports = json.loads(cli("plugins", "list", "--json").out)["plugins"]

    assert [report["name"] for report in reports if report["error"]] == [name]
    assert any(taken in report["components"] for report in reports)
