"""`translate` over many pictures: what it writes where, what it leaves out, what it refuses."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageChops

from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_registry import Binary, LabelSchema, LabelSpace
from stargan_fw_translate.outputs import FRAMES, Animation, Pictures


@pytest.fixture
def faces(small_data):
    return sorted((small_data / "rafd").glob("*.jpg"))[:3]


@pytest.fixture
def folder(faces, tmp_path):
    """in/a/x.jpg, in/b/x.jpg and in/y.jpg."""
    for name, face in zip(("a/x.jpg", "b/x.jpg", "y.jpg"), faces, strict=True):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(face.read_bytes())
    return tmp_path / "in"


def written(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_keep_names(cli, trained_once, folder, tmp_path):
    assert cli("translate", trained_once, folder, "--to", "sad", "--keep-names", "-o", tmp_path / "one").code == 0
    assert written(tmp_path / "one") == written(folder)
    assert (tmp_path / "one/y.jpg").read_bytes().startswith(b"\xff\xd8")
    two = ("--to", "sad", "--to", "Male=0", "--keep-names", "-o", tmp_path / "two")
    assert cli("translate", trained_once, folder, *two).code == 0
    assert written(tmp_path / "two") == [f"{edit}/{name}" for edit in ("Male=0", "sad") for name in written(folder)]


def test_a_glob_keeps_what_it_leaves_open(cli, trained_once, folder, tmp_path):
    outcome = cli("translate", trained_once, folder / "**/x.*", "--to", "sad", "-o", tmp_path / "out")
    assert outcome.code == 0
    assert written(tmp_path / "out") == ["a/x-sad.png", "b/x-sad.png"]
    assert sorted(outcome.out.split()) == [str(tmp_path / "out" / name) for name in written(tmp_path / "out")]
    nothing = cli("translate", trained_once, folder / "*.bmp", "--to", "sad", "-o", tmp_path / "none")
    assert nothing.code == 2
    assert "*.bmp' finds no pictures" in nothing.err


def test_grid(cli, trained_once, faces, tmp_path):
    edits = ("--to", "sad", "--to", "Male=flip")
    assert cli("translate", trained_once, *faces, *edits, "--grid", "-o", tmp_path / "out").code == 0
    assert written(tmp_path / "out") == sorted(f"{face.stem}-grid.png" for face in faces)
    assert cli("translate", trained_once, faces[0], *edits, "--grid", "-o", tmp_path / "one.png").code == 0
    with Image.open(tmp_path / "one.png") as grid:
        assert 3 * 96 < grid.width < 4 * 96


def test_gif_goes_from_edit_to_edit_and_back(cli, trained_once, faces, tmp_path):
    one = cli("translate", trained_once, faces[0], "--to", "sad", "--gif", "--precision", "fp32", "-o", tmp_path / "o")
    assert one.code == 0
    assert written(tmp_path / "o") == [f"{faces[0].stem}-sad.gif"]
    with Image.open(tmp_path / "o" / f"{faces[0].stem}-sad.gif") as gif:
        assert FRAMES < gif.n_frames <= 2 * FRAMES
        frames = []
        for number in range(gif.n_frames):
            gif.seek(number)
            frames.append(gif.convert("RGB"))
    assert ImageChops.difference(frames[1], frames[-1]).getbbox() is None, "the way back is the way there"
    two = cli("translate", trained_once, faces[0], "--to", "sad", "--to", "happy", "--gif", "-o", tmp_path / "two.gif")
    assert two.code == 0
    with Image.open(tmp_path / "two.gif") as gif:
        assert FRAMES < gif.n_frames <= 3 * FRAMES, "frames that are alike are one"


def test_gif_goes_from_dataset_to_dataset_by_way_of_the_current_labels():
    one, other = LabelSchema("a", [Binary("x"), Binary("y")]), LabelSchema("b", [Binary("z")])
    targets = Animation(["x", "y", "z"], Path(), 1.0, "model").targets(LabelSpace([one, other]))
    corners = [target for target in targets if target.strength in {0, 1}]
    named = [(target.edits[0].assignments[0][0], target.start != (), target.strength) for target in corners]
    assert named == [("x", False, 0), ("y", True, 0), ("y", False, 1), ("z", False, 0), ("z", False, 1)]
    assert len(targets) == 5 * FRAMES


def test_a_gif_mixes_edits_across_datasets_if_they_are_of_the_same_ones():
    space = LabelSpace([LabelSchema("a", [Binary("x"), Binary("y")]), LabelSchema("b", [Binary("z")])])
    assert len(Animation(["x,z", "z=0,y"], Path(), 1.0, "model").targets(space)) == 3 * FRAMES
    by_way = Animation(["x,z", "z"], Path(), 1.0, "model").targets(space)
    assert len(by_way) == 4 * FRAMES
    assert all(target.start == () for target in by_way)


def test_original_size_and_strength(cli, trained_once, faces, tmp_path):
    with Image.open(faces[0]) as picture:
        size = (picture.width + 40, picture.height)
        wide = Image.new("RGB", size, (200, 10, 10))
        wide.paste(picture, (20, 0))
    wide.save(tmp_path / "wide.png")
    options = ("--to", "sad", "--size", "original", "-o", tmp_path / "out.png")
    assert cli("translate", trained_once, tmp_path / "wide.png", *options).code == 0
    with Image.open(tmp_path / "out.png") as result:
        assert result.size == size
        assert np.array_equal(np.asarray(result)[:, :20], np.asarray(wide)[:, :20])
    pictures = []
    for strength in ("0", "0.5", "1"):
        options = ("--to", "sad", "--strength", strength, "--precision", "fp32", "-o", tmp_path / f"{strength}.png")
        assert cli("translate", trained_once, faces[0], *options).code == 0
        pictures.append((tmp_path / f"{strength}.png").read_bytes())
    assert len(set(pictures)) == 3


def test_any_batch_gives_the_same_pictures(cli, trained_once, faces, tmp_path):
    for size in (1, 2, 64):
        options = ("--to", "Male=0", "--precision", "fp32", "--batch-size", size, "-o", tmp_path / str(size))
        assert cli("translate", trained_once, *faces, *options).code == 0
    for name in written(tmp_path / "1"):
        one, two, all_at_once = (np.asarray(Image.open(tmp_path / n / name)).astype(int) for n in ("1", "2", "64"))
        assert max(abs(one - two).max(), abs(one - all_at_once).max()) <= 1


def test_a_picture_that_turns_out_broken_is_left_out(cli, trained_once, folder, tmp_path):
    whole = (folder / "y.jpg").read_bytes()
    (folder / "y.jpg").write_bytes(whole[: len(whole) // 2])
    outcome = cli("translate", trained_once, folder, "--to", "sad", "--batch-size", 2, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert written(tmp_path / "out") == ["a/x-sad.png", "b/x-sad.png"]
    crop, first, second = outcome.err.strip().splitlines()
    assert crop.startswith(
        "If the face does not fill your picture as it filled those of the training, add --face detect. "
    )
    assert first.startswith(f"Left out: The image '{folder / 'y.jpg'}' cannot be read: ")
    assert second == "Error: 1 of 3 pictures could not be read."

    alone = cli("translate", trained_once, folder / "y.jpg", "--to", "sad", "-o", tmp_path / "none")
    assert alone.code == 2
    assert len(alone.err.strip().splitlines()) == 2
    assert not (tmp_path / "none").exists()


def test_what_can_be_read_is_written_and_the_rest_is_named(cli, trained_once, folder, tmp_path):
    (folder / "._y.jpg").write_bytes(b"\0\5\x16\7 Mac OS X")
    (folder / "Thumbs.db").write_bytes(b"nothing")
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir" / "y.jpg").write_bytes((folder / "y.jpg").read_bytes())
    (folder / "page.jpg").write_text("<html>not found</html>", encoding="utf-8")
    (folder / "empty.png").touch()
    (folder / "x.png").mkdir()
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    outcome = cli("translate", trained_once, folder, tmp_path / "typo.jpg", "--to", "sad", "-o", folder / "out")
    assert outcome.code == 1
    assert written(folder / "out") == ["a/x-sad.png", "b/x-sad.png", "y-sad.png"]
    named = {line.split("'")[1]: line.rpartition(": ")[2] for line in outcome.err.splitlines() if "Left out" in line}
    assert named == {
        str(folder / "page.jpg"): "no image, or one of an unknown format. Name another, or leave it out.",
        str(folder / "empty.png"): "the file is empty. Name another, or leave it out.",
        str(folder / "x.png"): "it is a folder. Name another, or leave it out.",
        str(folder / "gone.jpg"): "No such file or directory. Name another, or leave it out.",
        str(tmp_path / "typo.jpg"): "No such file or directory. Name another, or leave it out.",
    }
    assert outcome.err.endswith("Error: 5 of 8 pictures could not be read.\n")
    again = cli("translate", trained_once, folder, "--to", "sad", "-o", folder / "out")
    assert written(folder / "out") == ["a/x-sad.png", "b/x-sad.png", "y-sad.png"], "results are not read"
    assert again.code == 1

    none = cli(
        "translate", trained_once, folder / "page.jpg", folder / "empty.png", "--to", "sad", "-o", tmp_path / "n"
    )
    assert none.code == 2
    assert "None of the 2 pictures can be read." in none.err
    assert "page.jpg" in none.err
    assert "the file is empty" in none.err


def test_two_pictures_or_edits_never_become_one_file(cli, trained_once, faces, tmp_path):
    for name in ("a.jpg", "a.png"):
        with Image.open(faces[0]) as picture:
            picture.save(tmp_path / name)
    outcome = cli("translate", trained_once, *tmp_path.glob("a.*"), "--to", "sad", "-o", tmp_path / "out")
    assert outcome.code == 0
    assert written(tmp_path / "out") == ["a_jpg-sad.png", "a_png-sad.png"]
    paths = Pictures(["a/b", "a:b", "A_b", "a/b"], tmp_path, 1.0, "model").paths(Path("x.jpg"))
    assert [path.name for path in paths] == ["x-a_b.png", "x-a_b~2.png", "x-A_b~3.png", "x-a_b.png"]


def test_a_model_reads_pictures_as_it_was_trained(cli, tiny, small_data, tmp_path):
    options = ["--set", "datasets.rafd.background=#0000ff", "--set", "datasets.rafd.fit=squeeze"]
    tiny.run(small_data, tmp_path / "run", "--max-steps", 1, *options)
    hidden = Image.new("RGBA", (64, 32), (255, 0, 0, 0))
    hidden.paste((0, 255, 0, 255), (32, 0, 64, 32))
    seen = Image.new("RGB", (64, 32), (0, 0, 255))
    seen.paste((0, 255, 0), (32, 0, 64, 32))
    side = RunFolder(tmp_path / "run").config().data.image_size
    seen = seen.resize((side, side), Image.Resampling.BILINEAR)
    hidden.save(tmp_path / "hidden.png")
    seen.save(tmp_path / "seen.png")
    assert cli("export", tmp_path / "run", tmp_path / "model").code == 0
    for model in ("run", "model"):
        edit = ("--to", "sad", "--current", "happy", "--precision", "fp32", "-o", tmp_path / model)
        assert cli("translate", tmp_path / model, tmp_path / "hidden.png", tmp_path / "seen.png", *edit).code == 0
        one, other = ((tmp_path / model / f"{name}-sad.png").read_bytes() for name in ("hidden", "seen"))
        assert one == other


REFUSED = {
    "two ways to write": (["--grid", "--gif"], "--grid, --gif and --keep-names exclude each other"),
    "too strong": (["--strength", "1.5"], "the strength is 1.5: give a number from 0"),
    "one file for many": (["-o", "out.png"], "'out.png' names one picture, and 3 will be written"),
    "a GIF in part": (["--to", "happy", "--gif", "--strength", "0.5"], "leave --strength out"),
    "a group flipped": (["--to", "Blond_Hair=flip"], "'Blond_Hair' cannot be flipped"),
    "a file in the way": (["-o", "pyproject.toml/out"], "is a file. Name another folder"),
}


@pytest.mark.parametrize("options, message", REFUSED.values(), ids=REFUSED)
def test_refused(cli, trained_once, folder, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    before = written(tmp_path)
    outcome = cli("translate", trained_once, folder, "--to", "sad", *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert written(tmp_path) == before


def test_inputs_are_not_written_over(cli, trained_once, folder):
    before = (folder / "y.jpg").read_bytes()
    outcome = cli("translate", trained_once, folder, "--to", "sad", "--keep-names", "-o", folder)
    assert outcome.code == 2
    assert "would be written over" in outcome.err
    assert (folder / "y.jpg").read_bytes() == before
    animation = cli("translate", trained_once, folder / "y.jpg", "--to", "sad", "--gif", "-o", folder / "z.png")
    assert animation.code == 2
    assert "End the name in .gif" in animation.err


def test_a_terminal_is_told_how_much_was_written(cli, trained_once, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "stargan_fw_translate.translate_command.sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    )
    outcome = cli("translate", trained_once, folder, "--to", "sad", "-o", tmp_path / "out")
    assert outcome.out == f"3 files: {tmp_path / 'out'}\n"
