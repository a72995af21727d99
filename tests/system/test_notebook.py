"""The notebook runs from its first cell to its last, in one namespace: lines for the shell in this process, `%pip` not at all."""

import ast
import shlex
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from PIL import Image

from stargan_fw import Translator

NOTEBOOK = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"
SIZES = "STEPS, IMAGES, PEOPLE = 1000, 1000, 40"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_valid_and_has_no_outputs(notebook):
    nbformat.validate(notebook)

    assert notebook.cells[0].source.count("colab-badge.svg") == 1
    for cell in notebook.cells:
        assert (cell.get("outputs", []), cell.get("execution_count")) == ([], None)


def test_its_cells_run(notebook, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, shown = {}, []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            source = cell.source.replace(SIZES, "STEPS, IMAGES, PEOPLE = 2, 24, 3")
            shown += run_cell(source, names, cli)

    assert names["STEPS"] == 2
    assert (tmp_path / "run/checkpoints/step-00000002").is_dir()
    assert len(shown) == 5
    assert all(isinstance(picture, Image.Image) for picture in shown)
    assert shown[2].size == (256, 256)
    assert Translator.from_pretrained("model").labels.datasets == ("celeba", "rafd")


def run_cell(source, names, cli):
    """Runs a cell, and returns the value of its last line if there is one, which a notebook shows."""
    python = []
    for line in source.splitlines():
        if line.startswith("%pip install"):
            _, _, *arguments = shlex.split(line)
            assert Requirement(arguments[-1]).name == "stargan-fw"
        elif line.startswith("!"):
            program, *arguments = shlex.split(line[1:].format(**names))
            outcome = cli(*arguments)
            assert (program, outcome.code) == ("stargan-fw", 0), outcome.err
        else:
            python.append(line)
    tree = ast.parse("\n".join(python))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "notebook", "exec"), names)  # noqa: S102 - what a notebook does
    value = eval(compile(ast.Expression(last.value), "notebook", "eval"), names) if last else None  # noqa: S307
    return [] if value is None else [value]
