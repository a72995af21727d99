"""`stargan-fw runs`: what it says of whole, broken and busy runs, and what it refuses to remove."""

import json
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_runs.loss_plot import COLOURS


@pytest.fixture
def folder(trained_once, tmp_path):
    """A folder with the runs `a` and `deep/b`, which differ in their seed, and a folder that holds no run."""
    folder = tmp_path / "runs"
    for name in ("a", "deep/b"):
        shutil.copytree(trained_once, folder / name)
    config = folder / "deep/b/config.toml"
    config.write_text(config.read_text().replace("seed = 0", "seed = 7"))
    (folder / "notes").mkdir()
    (folder / "notes" / "config.toml").write_text("mine = 1")
    return folder


@pytest.fixture
def listed(cli):
    """Lists runs: `listed(folder) -> {name: entry}`, as `--json` has them."""

    def read(folder, *more):
        outcome = cli("runs", folder, "--json", *more)
        assert outcome.code == 0, outcome.err
        return {run["name"]: run for run in json.loads(outcome.out)["runs"]}

    return read


def test_runs_are_listed_with_what_differs(cli, folder, listed):
    runs = listed(folder)
    assert list(runs) == ["a", "deep/b"]
    assert runs["deep/b"]["settings"] == {"training.seed": 7}
    found = runs["a"]
    assert (found["state"], found["step"], found["steps"], found["checkpoints"]) == ("stopped", 4, 40, [4])
    assert found["bytes"] == sum(file.stat().st_size for file in (folder / "a").rglob("*") if file.is_file())

    shown = cli("runs", folder)

    assert shown.code == 0, shown.err
    assert "a       stopped  4 of 40" in shown.out
    assert "seed=7" in shown.out
    assert "2 runs" in shown.out


def test_the_last_figure_and_the_lowest_are_those_of_the_file(folder, listed):
    rows = [(5, "celeba", 0.5), (10, "celeba", 0.25), (15, "celeba", 0.3), (10, "rafd", float("nan"))]
    lines = [json.dumps({"step": step, "dataset": name, "g/rec": value}) for step, name, value in rows]
    (folder / "a/metrics.jsonl").write_text("\n".join([*lines, '{"step": 20, "data']))

    (series,) = listed(folder)["a"]["metrics"]

    expected = {"dataset": "celeba", "metric": "g/rec", "last": 0.3, "last_step": 15, "lowest": 0.25, "lowest_step": 10}
    assert series == expected


FAULTS = {
    "labels are missing": lambda run: (run / "labels.json").unlink(),
    "no configuration yet": lambda run: (run / "config.toml").unlink(),
    "no TOML": lambda run: (run / "config.toml").write_text("[["),
    "a newer evaluation": lambda run: (run / "evaluation.json").write_text('{"format": 99}'),
    "an evaluation cut off": lambda run: (run / "evaluation.json").write_text('{"format"'),
    "binary metrics": lambda run: (run / "metrics.jsonl").write_bytes(b"\xff\xfe"),
    "metrics that are a folder": lambda run: (run / "metrics.jsonl").unlink() or (run / "metrics.jsonl").mkdir(),
}


@pytest.mark.parametrize("harm", FAULTS.values(), ids=FAULTS)
def test_a_broken_run_gets_a_line_and_leaves_the_others_be(cli, folder, listed, harm):
    harm(folder / "a")
    runs = listed(folder)
    assert [run["state"] for run in runs.values()] == ["broken", "stopped"]
    assert runs["a"]["problem"]
    assert "\n" not in runs["a"]["problem"]
    assert cli("runs", folder).code == 0


@pytest.mark.parametrize(
    "line", ["[]", "1", "null", '{"step": 1}', '{"step": [], "dataset": "a"}', '{"step": 1, "dataset": "a", "g": "x"}']
)
def test_a_strange_line_of_metrics_is_passed_over(folder, listed, line):
    (folder / "a/metrics.jsonl").write_text(f"{line}\n")
    assert listed(folder)["a"]["metrics"] == []


def test_settings_of_any_type_are_compared(folder, listed):
    (folder / "a/config.toml").write_text('training = 3\ndatasets = "x"\n[data]\npath = [2020-01-01, inf]\n')
    assert listed(folder)["a"]["steps"] is None


def test_a_run_that_trains_says_so_and_cannot_be_removed(cli, folder, listed):
    program = "import sys; from pathlib import Path; from stargan_fw.runs.run_folder import RunFolder\n"
    program += "with RunFolder(Path(sys.argv[1])).hold(): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(folder / "a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        state = listed(folder)["a"]["state"]
        refused = cli("runs", folder, "--remove", "a", "--yes")
        holder.stdin.close()

    assert state == "training"
    assert (refused.code, "trains now" in refused.err) == (2, True)
    assert listed(folder)["a"]["state"] == "stopped"


def test_the_note_of_a_killed_training_is_not_believed(folder, listed):
    (folder / "a/.lock").touch()
    (folder / "a/.lock.json").write_text("{}")
    assert listed(folder)["a"]["training_now"] is False


def test_removal_says_what_goes_and_asks_first(cli, folder):
    refused = cli("runs", folder, "--remove", "a")
    assert refused.code == 2
    assert "a: stopped, step 4 of 40, 1 checkpoint, " in refused.err
    assert "Add --yes" in refused.err
    assert (folder / "a/config.toml").exists()

    done = cli("runs", folder, "--remove", "a", "--remove", str(folder / "deep/b"), "--yes")

    assert done.code == 0, done.err
    assert sorted(path.name for path in folder.iterdir()) == ["deep", "notes"]
    assert list((folder / "deep").iterdir()) == []


def test_nothing_is_removed_if_a_name_is_refused(cli, folder, trained_once, tmp_path):
    shutil.copytree(trained_once, tmp_path / "outside")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "there").symlink_to(tmp_path)
    shutil.copytree(trained_once, folder / "a/inner")
    before = sorted(tmp_path.rglob("*"))
    for name in ("notes", "link", "../outside", "there/outside", "a", ".", "", "deep", tmp_path / "outside"):
        refused = cli("runs", folder, "--remove", "deep/b", "--remove", name, "--yes")
        assert refused.code == 2, name
        assert "stays" in refused.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_listed_run_itself_is_not_removed(cli, folder, listed):
    assert list(listed(folder / "a")) == ["a"]
    assert "itself" in cli("runs", folder / "a", "--remove", "a", "--yes").err
    assert (folder / "a").exists()


def test_links_inside_of_a_run_are_removed_and_not_followed(cli, folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("mine")
    (folder / "a/mine").symlink_to(tmp_path / "mine")
    assert cli("runs", folder, "--remove", "a", "--yes").code == 0
    assert (tmp_path / "mine/file").read_text() == "mine"


def test_a_training_that_begins_meanwhile_keeps_its_run(folder):
    from stargan_fw.errors import RunError
    from stargan_fw_runs.run_removal import remove_run
    from stargan_fw_runs.run_summary import summarise

    run = summarise(folder / "a", folder)
    with RunFolder(folder / "a").hold(), pytest.raises(RunError, match="is not removed"):
        remove_run(run)
    assert (folder / "a/config.toml").exists()


def test_names_are_chosen_by_pattern(cli, folder, listed):
    assert list(listed(folder, "--only", "deep/*")) == ["deep/b"]
    refused = cli("runs", folder, "--only", "deep/c")
    assert (refused.code, "did you mean 'deep/b'?" in refused.err) == (2, True)


def test_losses_are_drawn_in_a_colour_per_run_and_dataset(cli, folder, tmp_path):
    def draw(*more):
        outcome = cli("runs", folder, "--plot", tmp_path / "losses.png", *more)
        assert (outcome.code, outcome.out) == (0, f"{tmp_path / 'losses.png'}\n"), outcome.err
        with Image.open(tmp_path / "losses.png") as picture:
            return picture.size, {colour for _, colour in picture.getcolors(2**20)}

    for name, low in (("a", 0.5), ("deep/b", 0.75)):
        rows = [
            {"step": step, "dataset": dataset, "g/rec": low + step / 4000, "d/adv": 3.0, "images_per_second": 9}
            for step in range(1, 1001)
            for dataset in ("celeba", "rafd")
        ]
        (folder / name / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    size, colours = draw()
    assert size == (2 * 420, 260 + 16 + 4 * 20), "a panel for each of two losses, below a legend of four lines"
    assert colours >= set(COLOURS[:4])
    size, colours = draw("--only", "a")
    assert size == (2 * 420, 260 + 16 + 2 * 20)
    assert not colours.intersection(COLOURS[2:4])

    strange = [(10**400, 1e308), (-5, -1e308), (0, 1.0)]
    lines = [json.dumps({"step": step, "dataset": "a\n" + "b" * 90, "g/\n": value}) for step, value in strange]
    (folder / "a/metrics.jsonl").write_text("\n".join(lines))
    assert draw("--only", "a")[0] == (420, 260 + 16 + 20)


def test_what_cannot_be_drawn_is_said(cli, folder, tmp_path):
    def refused(*options):
        outcome = cli("runs", folder, *options)
        assert outcome.code == 2
        assert not list(tmp_path.glob("*.png"))
        return outcome.err

    file = tmp_path / "losses.png"
    assert "End it in .png" in refused("--plot", tmp_path / "losses.txt")
    assert "without --remove and --json" in refused("--plot", file, "--json")
    assert "without --remove and --json" in refused("--plot", file, "--remove", "a", "--yes")
    for name in ("a", "deep/b"):
        (folder / name / "metrics.jsonl").write_text('{"step": 1, "dataset": "a", "images_per_second": 3}')
    assert "nothing to plot" in refused("--plot", file)
    rows = [json.dumps({"step": 1, "dataset": str(number), "g/rec": 1}) for number in range(50)]
    (folder / "a/metrics.jsonl").write_text("\n".join(rows))
    assert "50 lines in each of 1 panels are too many" in refused("--plot", file)


def test_a_folder_without_runs_is_no_mistake_and_a_missing_one_is(cli, tmp_path):
    empty = cli("runs", tmp_path)
    assert (empty.code, empty.out) == (0, "")
    assert "There is no run" in empty.err
    assert cli("runs", tmp_path / "none").code == 2


def test_the_list_needs_no_torch(folder):
    program = "import sys; sys.argv = ['stargan-fw', 'runs', sys.argv[1]]\nfrom stargan_fw.cli.main import main\n"
    program += "try: main()\nfinally: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
