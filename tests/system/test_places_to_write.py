"""A place that cannot be written to is refused before any work, with exit code 2 and one message that names it."""

import os
from pathlib import Path

import pytest

COMMANDS = {
    "translate": ("translate", "RUN", "FACE", "--to", "happy", "-o", "PLACE"),
    "translate into a file": ("translate", "RUN", "FACE", "--to", "happy", "-o", "PLACE/face.png"),
    "sheet": ("sheet", "RUN", "FACE", "-o", "PLACE/sheet.png"),
    "export": ("export", "RUN", "PLACE/model"),
    "onnx": ("export", "RUN", "PLACE/model", "--format", "onnx"),
    "extend": ("extend", "RUN", "--datasets", "celeba,rafd,more=rafd:DATA/rafd", "--data", "DATA", "-o", "PLACE/model"),
    "csv": ("evaluate", "RUN", "--csv", "PLACE/table.csv"),
    "markdown": ("evaluate", "RUN", "--markdown", "PLACE/table.md"),
    "study": ("study", "build", "RUN", "RUN", "-o", "PLACE"),
    "reports": ("reproduce", "params", "--data", "DATA", "-o", "PLACE"),
    "runs": ("reproduce", "fig7", "--data", "DATA", "--runs", "PLACE", "--dry-run"),
    "contact sheet": ("data", "check", "--datasets", "rafd:DATA/rafd", "--sheet", "PLACE/sheet.png"),
    "stand-ins": ("data", "sample", "PLACE"),
    "profile": ("bench", "--profile", "PLACE/trace.json"),
}


@pytest.fixture
def face(small_data):
    return min((small_data / "celeba").rglob("*.jpg"))


def closed_to_others(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    allowed = os.access
    closed = tmp_path / "closed"  # whoever runs the tests may be allowed everything
    monkeypatch.setattr(
        os, "access", lambda path, mode, **_: (Path(path) != closed or mode != os.W_OK) and allowed(path, mode)
    )
    return closed


def below_a_file(tmp_path, _):
    (tmp_path / "file").touch()
    return tmp_path / "file" / "in"


def where_nobody_writes(_, __):
    if not Path("/proc").is_dir():
        pytest.skip("needs a folder that not even root can write to")
    return Path("/proc")


@pytest.mark.parametrize("make", [closed_to_others, below_a_file, where_nobody_writes])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_place_that_cannot_be_written_to_is_refused_at_once(
    cli, trained_once, small_data, face, tmp_path, monkeypatch, command, make
):
    place = make(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    words = {"RUN": trained_once, "FACE": face, "PLACE": place, "DATA": small_data}
    arguments = list(command)
    for name, path in words.items():
        arguments = [argument.replace(name, str(path)) for argument in arguments]

    outcome = cli(*arguments)

    assert outcome.code == 2, outcome.err
    assert any(text in outcome.err for text in ("cannot be written to", "is a file", "does not exist")), outcome.err
    assert str(place) in outcome.err or str(place.parent) in outcome.err
    assert sum(line.startswith("Error:") for line in outcome.err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_is_not_replaced_by_a_picture(cli, trained_once, face, tmp_path):
    taken = tmp_path / f"{face.stem}-happy.png"
    taken.mkdir()

    outcome = cli("translate", trained_once, face, "--to", "happy", "-o", tmp_path)

    assert outcome.code == 2
    assert f"'{taken}' is a folder" in outcome.err
    assert taken.is_dir()


def test_other_files_in_a_folder_of_pictures_are_counted_as_training_counts_them(cli, trained_once, face, tmp_path):
    folder = tmp_path / "mixed"
    (folder / "in").mkdir(parents=True)
    for name in ("a.png", "in/b.png"):
        (folder / name).write_bytes(face.read_bytes())
    for name in ("c", "in/d.pxl", "e.pxl", "readme.txt", "Thumbs.db"):
        (folder / name).write_text("no picture")
    counted = "3 files that are not read as pictures (2 .pxl, 1 no ending), such as"

    whole = cli("translate", trained_once, folder, "--to", "happy", "-o", tmp_path / "out")
    assert (whole.code, len(list((tmp_path / "out").rglob("*.png")))) == (0, 2)
    assert f"Left out: {counted} 'c'." in whole.err
    sheet = cli("sheet", trained_once, folder, "-o", tmp_path / "sheet.png")
    assert (sheet.code, f"Left out: {counted} 'c'." in sheet.err) == (0, True)
    matched = cli("translate", trained_once, folder / "*", "--to", "happy", "-o", tmp_path / "some")
    assert "Left out: 2 files that are not read as pictures (1 no ending, 1 .pxl), such as 'c'." in matched.err
    for name in ("a.png", "in/b.png"):
        (folder / name).unlink()
    nothing = cli("translate", trained_once, folder, "--to", "happy", "-o", tmp_path / "out")
    assert (nothing.code, counted in nothing.err) == (2, True)
