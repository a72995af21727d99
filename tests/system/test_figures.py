"""`sheet` for the paper's figures: combinations (5), two models (6), the wrong mask (7)."""

import numpy as np
import pytest
from PIL import Image

from stargan_fw import Translator
from stargan_fw.inference.figures import FigureRow, draw_figure
from stargan_fw.rendering.sheets import GAP, format_heading

CELL = 96 + GAP


@pytest.fixture
def face(small_data):
    return min((small_data / "rafd").glob("*.jpg"))


@pytest.fixture(scope="module")
def translator(trained_once):
    return Translator.from_pretrained(trained_once, device="cpu", precision="fp32")


def cells(sheet, rows, columns):
    """The pixels of each cell, from the lower right corner, where no heading or name is."""
    array = np.asarray(sheet).astype(int)
    lower, right = array.shape[0] - GAP, array.shape[1] - GAP
    return [
        [
            array[lower - (rows - y) * CELL + GAP :][:96, right - (columns - x) * CELL + GAP :][:, :96]
            for x in range(columns)
        ]
        for y in range(rows)
    ]


def enlarged(picture):
    return np.asarray(picture.resize((96, 96), Image.Resampling.LANCZOS)).astype(int)


def test_figure_5_combines_edits(translator, face):
    edits = ["Blond_Hair,Male=flip", "Blond_Hair,Male=flip,Young=flip"]
    [row] = cells(draw_figure([FigureRow(translator)], [face], edits), 1, 3)
    for cell, edit in zip(row[1:], edits, strict=True):
        assert np.array_equal(cell, enlarged(translator.translate(face, to=edit)))
    assert format_heading(edits[1]) == "Blond_Hair, flip Male, flip Young"


def test_a_sheet_of_combinations_has_the_columns_under_every_row(
    cli, translator, trained_once, face, small_data, tmp_path
):
    translated = {
        edit: enlarged(translator.translate(face, to=edit)) for edit in ("happy", "Male=flip", "happy,Male=flip")
    }
    sheet = translator.sheet([face], ["happy"], ["Male=flip"])
    (before, happy), (flipped, both) = cells(sheet, 2, 2)
    assert np.array_equal(happy, translated["happy"])
    assert np.array_equal(flipped, translated["Male=flip"])
    assert np.array_equal(both, translated["happy,Male=flip"])
    assert sheet.width > 2 * CELL + 20, "the rows have names"
    assert not np.array_equal(before, flipped)

    command = ("sheet", trained_once, face, max((small_data / "rafd").glob("*.jpg")))
    assert cli(*command, "--to", "happy", "--down", "Male=flip", "-o", tmp_path / "a.png").code == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.height > 4 * CELL, "two rows for each picture"
    outcome = cli(*command, "--down", "Blond_Hair", "--down", "Brown_Hair", "-o", tmp_path / "b.png")
    assert outcome.code == 0
    with Image.open(tmp_path / "b.png") as picture:
        assert 9 * CELL < picture.width < 11 * CELL, "the other dataset's domains"
    for options, message in (
        (["--to", "happy", "--down", "sad"], "'sad' contradicts 'happy'"),
        (["--to", "happy", "--down", "Blond"], "no label 'Blond' in celeba, rafd; did you mean 'Blond_Hair'"),
        (["--down", "happy,Male"], "the rows (happy,Male) leave no domains for columns: name some (--to)"),
    ):
        outcome = cli(*command, *options, "-o", tmp_path / "no.png")
        assert (outcome.code, len(outcome.err.strip().splitlines())) == (2, 1), outcome.err
        assert message in outcome.err
        assert not (tmp_path / "no.png").exists()
    assert cli(*command, "--down", "happy,Male", "--to", "Young=flip", "-o", tmp_path / "named.png").code == 0


def test_figure_6_has_a_row_for_each_model_and_the_domains_that_both_know(
    cli, train, translator, trained_once, face, tmp_path
):
    assert train("--max-steps", "1", datasets="rafd", out=tmp_path / "alone").code == 0
    alone = Translator.from_pretrained(tmp_path / "alone", device="cpu", precision="fp32")
    sheet = draw_figure([FigureRow(alone, "SNG"), FigureRow(translator, "JNT")], [face])
    single, joint = cells(sheet, 2, 9)
    assert np.array_equal(single[0], joint[0]), "the input"
    assert np.array_equal(single[5], enlarged(alone.translate(face, to="happy")))
    assert np.array_equal(joint[5], enlarged(translator.translate(face, to="happy")))
    assert sheet.width > 9 * CELL + 20, "the rows have names"

    command = ("sheet", trained_once, face, "--against", tmp_path / "alone", "-o", tmp_path / "6.png")
    assert cli(*command, "--name", "JNT", "--name", "SNG").code == 0
    with Image.open(tmp_path / "6.png") as picture:
        assert picture.height > 2 * CELL
    for options, message in (
        (["--name", "JNT"], "2 models have 1 names"),
        (["--to", "Male"], "no label 'Male' in rafd"),
        (["--mask", "wrong"], "one dataset, 'rafd', and so has no mask"),
    ):
        outcome = cli(*command[:-1], tmp_path / "no.png", *options)
        assert (outcome.code, len(outcome.err.strip().splitlines())) == (2, 1)
        assert message in outcome.err
        assert not (tmp_path / "no.png").exists()


def test_figure_7_has_the_right_and_the_wrong_mask(cli, translator, trained_once, face, tmp_path):
    masked = translator.variant("mask", "wrong")
    rows = [FigureRow(translator, "right mask"), FigureRow(masked, "wrong mask")]
    right, wrong = cells(draw_figure(rows, [face], dataset="rafd"), 2, 9)
    assert np.array_equal(right[5], enlarged(translator.translate(face, to="happy")))
    assert np.array_equal(wrong[5], enlarged(masked.translate(face, to="happy")))
    assert not np.array_equal(right[5], wrong[5])

    assert cli("sheet", trained_once, face, "--mask", "right,wrong", "-o", tmp_path / "7.png").code == 0
    with Image.open(tmp_path / "7.png") as picture:
        assert 9 * CELL < picture.width < 11 * CELL
    outcome = cli("sheet", trained_once, face, "--mask", "left", "-o", tmp_path / "no.png")
    assert outcome.code == 2
    assert "'left' is neither right nor wrong" in outcome.err


def test_a_sheet_of_no_kind_is_refused_before_anything_is_opened(cli, trained_once, face, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Translator, "from_pretrained", None)
        outcome = cli("sheet", trained_once, face, "-o", tmp_path / "sheet.txt")
    assert outcome.code == 2
    assert "no picture can be written to a file of this name. End it in .png." in outcome.err
    assert cli("sheet", trained_once, face, "--to", "hapy", "-o", tmp_path / "x.png").code == 2
