"""`stargan-fw train` as a user calls it: what it writes, how it continues, and what it refuses."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import SafetensorError

from stargan_fw.cli.train import _steps_to_make
from stargan_fw.data import device_cache as resident
from stargan_fw.runs import checkpoint as checkpoint_module
from stargan_fw_plugins.methods.stargan import StarGAN


def test_a_run_writes_what_the_contract_names(train, tmp_path, metrics):
    run = tmp_path / "run"

    assert train("--max-steps", "12", "--set", "training.save_every=5").code == 0

    config = tomllib.loads((run / "config.toml").read_text())
    assert config["generator"] == {"name": "attention", "conv_dim": 4, "repeat_num": 1}
    assert config["loss"] == {"name": "wgan_gp", "lambda_gp": 10.0, "lambda_cls": 0.3, "lambda_rec": 5.0}
    assert [table["name"] for table in json.loads((run / "labels.json").read_text())["datasets"]] == ["celeba", "rafd"]
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-00000010", "step-00000012"]
    names = {path.name for path in (run / "checkpoints" / "step-00000012").iterdir()}
    stems = ("generator", "discriminator", "ema", "optimizers")
    assert names == {*(f"{stem}.safetensors" for stem in stems), "state.json", "SHA256SUMS"}
    assert [row["dataset"] for row in metrics(run)] == ["celeba", "rafd"] * 2  # at step 10, and at the last
    losses = {"d/adv", "d/cls", "d/gp", "g/adv", "g/cls", "g/rec"}
    assert set(metrics(run)[0]) == {"step", "dataset", "lr", *losses}
    with Image.open(run / "samples" / "step-00000012.png") as sheet:
        assert sheet.width > 14 * 96
    assert list((run / "tensorboard").glob("events.*"))


def test_the_generator_is_updated_once_in_n_critic_steps_of_each_dataset(train, tmp_path, metrics):
    train("--max-steps", "12", "--set", "training.n_critic=3", "--set", "training.log_every=2")

    updated = {name: [] for name in ("celeba", "rafd")}
    for row in metrics(tmp_path / "run"):
        updated[row["dataset"]].append("g/adv" in row)
    assert updated == {name: [False, False, True, False, False, True] for name in updated}


def test_continuing_gives_the_bits_of_an_uninterrupted_run(train, tmp_path, metrics, tensors):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    options = ("--set", "training.log_every=7", "--set", "training.n_critic=2", "--set", "training.steps=40")

    assert train(*options, "--max-steps", "40", out=straight).code == 0
    assert train(*options, "--max-steps", "20", out=stopped).code == 0
    assert train(*options, "--max-steps", "40", "--resume", out=stopped).code == 0

    assert metrics(stopped) == metrics(straight)
    assert metrics(straight)[-1]["lr"] < metrics(straight)[0]["lr"]
    expected, found = tensors(straight, 40), tensors(stopped, 40)
    assert expected.keys() == found.keys()
    different = [name for name in expected if not torch.equal(expected[name], found[name])]
    assert different == []
    state = "checkpoints/step-00000040/state.json"
    assert (stopped / state).read_text() == (straight / state).read_text()


def test_micro_batches_train_to_the_same_losses(train, tmp_path, metrics):
    options = ("--max-steps", "4", "--set", "training.n_critic=1", "--set", "training.log_every=2")
    for size in ("1", "4"):
        assert train(*options, "--set", f"training.micro_batch_size={size}", out=tmp_path / size).code == 0
    cut, whole = (
        [{name: value for name, value in row.items() if "/" in name} for row in metrics(tmp_path / size)]
        for size in "14"
    )
    for one, other in zip(cut, whole, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-6)


def test_a_method_that_never_ends_a_phase_is_told_so(train, monkeypatch):
    whole = StarGAN.losses
    monkeypatch.setattr(
        StarGAN, "losses", lambda *given: ((phase, losses.share(1.0, last=False)) for phase, losses in whole(*given))
    )
    outcome = train("--max-steps", "1", "--set", "training.n_critic=1")
    assert outcome.code == 1
    assert "'stargan' yielded no last losses of: d, g" in outcome.err


def test_resident_images_train_to_the_same_bits(train, tmp_path, metrics, tensors):
    for choice in ("off", "on"):
        where = ("--set", f"data.resident={choice}", "--set", "training.log_every=2")
        assert train("--max-steps", "6", *where, out=tmp_path / choice).code == 0
    assert metrics(tmp_path / "on") == metrics(tmp_path / "off")
    here, read = (tensors(tmp_path / choice, 6) for choice in ("on", "off"))
    assert here.keys() == read.keys()
    assert all(torch.equal(value, here[name]) for name, value in read.items())
    assert train("--max-steps", "7", "--resume", "--set", "data.resident=off", out=tmp_path / "on").code == 0


def test_a_device_without_room_for_the_images_is_refused_before_a_run_begins(train, tmp_path, monkeypatch):
    monkeypatch.setattr(resident, "_free_memory", lambda device: 1000)
    outcome = train("--max-steps", "1", "--set", "data.resident=on")
    assert outcome.code == 2
    assert re.search(r'data\.resident = "on": the images need .* and cpu has 1\.0 kB free\. Use "auto"', outcome.err)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that not even root can write to")
def test_a_folder_that_cannot_be_written_to_is_refused_before_decoding(train, tmp_path):
    outcome = train("--cache", tmp_path / "cache", out="/proc/run")
    assert outcome.code == 2
    assert "'/proc/run' cannot be written to" in outcome.err
    assert not (tmp_path / "cache").exists()


def test_fewer_steps_than_log_every_are_logged(train, tmp_path, metrics):
    outcome = train("--max-steps", "8", "--set", "training.log_every=10")
    assert [row["step"] for row in metrics(tmp_path / "run")] == [7, 8]
    assert re.search(r"step 8/8  [1-9]\d* images/s  celeba: d/adv", outcome.out)


def test_steps_after_the_last_checkpoint_are_logged_once(train, tmp_path, metrics):
    run = tmp_path / "run"
    train("--max-steps", "10", "--set", "training.log_every=2")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "dataset": "rafd"}\n{"step": 1')

    train("--max-steps", "12", "--set", "training.log_every=2", "--resume")

    assert [row["step"] for row in metrics(run)] == list(range(1, 13))


def test_resume_needs_only_the_run_folder(cli, trained):
    assert cli("train", "--out", trained, "--resume", "--max-steps", "6").code == 0
    assert (trained / "checkpoints" / "step-00000006").is_dir()


def test_a_finished_run_has_nothing_left_to_do(cli, trained):
    outcome = cli("train", "--out", trained, "--resume", "--max-steps", "4")
    assert outcome.code == 0
    assert "nothing is left to do" in outcome.out


def test_its_own_config_repeats_a_run(cli, trained, tmp_path, tensors):
    again = tmp_path / "again"
    outcome = cli("train", "--config", trained / "config.toml", "--out", again, "--max-steps", "4")
    assert outcome.code == 0
    assert (again / "config.toml").read_text() == (trained / "config.toml").read_text()
    first, second = tensors(trained, 4), tensors(again, 4)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_dry_run_writes_nothing(train, tmp_path):
    outcome = train("--dry-run")
    assert outcome.code == 0
    assert "40 steps" in outcome.out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("made", "most", "title"),
    [
        (0, None, "40 steps"),
        (0, 60, "40 steps"),
        (0, 12, "steps 1 to 12 of 40"),
        (12, 20, "steps 13 to 20 of 40"),
        (12, None, "steps 13 to 40 of 40"),
        (12, 6, "step 12 of 40"),
        (40, None, "step 40 of 40"),
    ],
)
def test_the_title_says_which_steps_a_call_will_make(made, most, title):
    assert _steps_to_make(made, most, 40) == title


def test_labels_and_paths_with_brackets_are_shown_as_they_are(cli, train, tmp_path):
    data = tmp_path / "data[1]"
    for label in ("[young]", "[bold]"):
        (data / label).mkdir(parents=True)
        for number in range(8):
            Image.new("RGB", (40, 40), (number, 99, 0)).save(data / label / f"{number}.png")
    datasets = f"faces[red]=folder:{data}"
    outcome = train("--cache", tmp_path / "[b]", "--max-steps", "1", datasets=datasets, out=tmp_path / "run[i]")
    assert outcome.code == 0, outcome.err
    shown = " ".join(outcome.out.split())
    for text in ("faces[red]", "[young]", "[bold]", "images of faces[red]", "faces[red]: d/adv", "run[i]: step 1 of"):
        assert text in shown
    prepared = cli("data", "prepare", "--datasets", datasets, "--cache", tmp_path / "[b]")
    assert f"{tmp_path / '[b]'}: " in prepared.out
    assert "faces[red]" in cli("data", "check", "--datasets", datasets).out


def test_the_original_loss_trains(train, tmp_path, metrics):
    assert train("--max-steps", "10", "--set", "loss.name=vanilla", "--set", "training.ema=0").code == 0
    assert "d/gp" not in metrics(tmp_path / "run")[0]
    assert not (tmp_path / "run/checkpoints/step-00000010/ema.safetensors").exists()


@pytest.mark.filterwarnings("default")  # torch's compiler warns of its own code
def test_compiling_gives_the_same_losses(train, tmp_path, metrics):
    options = ("--max-steps", "2", "--set", "training.log_every=1", "--set", "training.n_critic=1")
    train(*options, "--set", "training.compile=off", datasets="rafd", out=tmp_path / "eager")
    train(*options, "--set", "training.compile=on", datasets="rafd", out=tmp_path / "compiled")

    eager, compiled = metrics(tmp_path / "eager"), metrics(tmp_path / "compiled")
    for one, other in zip(eager, compiled, strict=True):
        assert one.pop("dataset") == other.pop("dataset")
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)


def test_one_dataset_has_no_mask(train, tmp_path):
    assert train("--max-steps", "2", datasets="faces=rafd:" + str(tmp_path / "nowhere")).code == 2
    assert train("--max-steps", "2", datasets="rafd").code == 0


REFUSED = {
    "no dataset": (["--set", "training.steps=5"], {"datasets": "celebs"}, "'celebs'.*'celeba'"),
    "missing folder": ([], {"datasets": "rafd:missing/rafd"}, "missing/rafd"),
    "unknown attribute": (["--set", 'datasets.celeba.attributes=["Mail"]'], {}, "Mail.*Male"),
    "unknown preset": (["--preset", "papre"], {"tiny": []}, "'papre'.*'paper'"),
    "unknown key": (["--set", "training.bath_size=4"], {}, "--set: Unknown key 'training.bath_size'.*batch_size"),
    "unknown option": (["--set", "generator.conv_dims=4"], {}, "^Error: --set: .*'generator.conv_dims'.*'conv_dim'"),
    "unknown dataset option": (
        ["--set", "datasets.rafd.angle=[90]"],
        {},
        "^Error: --set: .*'datasets.rafd.angle'.*angles",
    ),
    "option of no dataset": (["--set", "datasets.raft.angles=[90]"], {}, "datasets.raft.*rafd"),
    "unknown phase": (
        ["--set", "training.optimizers.disc.rate=2"],
        {},
        "optimizers.disc: the method 'stargan'.*known: d, g",
    ),
    "unknown key of a phase": (
        ["--set", "training.optimizers.d.betas=0.5"],
        {},
        "^Error: --set: .*'training.optimizers.d.betas'.*'beta1|beta2'",
    ),
    "wrong type": (["--set", "training.steps=many"], {}, "training.steps = 'many'"),
    "batch of one": (
        ["--set", "training.batch_size=1"],
        {},
        r"^Error: --set: training.batch_size = 1: targets are .* no other order\. Use 2 or more\.$",
    ),
    "batch of none": (
        ["--set", "training.batch_size=0"],
        {},
        "^Error: --set: training.batch_size = 0 should be greater",
    ),
    "odd size": (["--set", "data.image_size=100"], {}, "data.image_size = 100.*96"),
    "size not in quarters": (["--set", "data.image_size=34"], {}, "data.image_size = 34.*multiple of 4"),
    "two lengths": (["--set", "training.epochs=2"], {}, "^Error: --set: training.steps and training.epochs are both"),
    "no numbers": (["--device", "meta"], {}, "--device meta cannot be used here: it has shapes"),
    "no such device": (["--device", "cudda"], {}, "--device cudda"),
    "twice": ([], {"datasets": "rafd,rafd"}, "'rafd' comes twice"),
    "no setting": (["--set", "training"], {}, "--set training: expected key=value"),
    "no config": (["--config", "none.toml"], {}, "none.toml"),
    "no plugin": (["--plugin", "none.py"], {}, "none.py.*does not exist"),
}


@pytest.mark.parametrize("options, changes, message", REFUSED.values(), ids=REFUSED)
def test_a_wrong_request_is_refused(train, tmp_path, options, changes, message, small_data):
    before = sorted(small_data.rglob("*"))

    outcome = train(*options, **changes)

    assert outcome.code == 2
    assert outcome.err.startswith("Error: ")
    assert len(outcome.err.strip().splitlines()) == 1
    assert re.search(message, outcome.err), outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "run").exists()
    assert sorted(small_data.rglob("*")) == before


def _edit(change):
    def damage(celeba):
        path = celeba / "list_attr_celeba.txt"
        lines = path.read_text().splitlines()
        change(lines)
        path.write_text("\n".join(lines) + "\n")

    return damage


def _without_a_column(lines):
    position = lines[1].split().index("Male")
    lines[1] = lines[1].replace("Male ", "")
    for number in range(2, len(lines)):
        values = lines[number].split()
        lines[number] = " ".join(values[: position + 1] + values[position + 2 :])


def _wrong_count(lines):
    lines[0] = "31"


def _cut_short(lines):
    lines[7] = lines[7][:40]


DAMAGED = {
    "wrong level": (lambda celeba: shutil.move(celeba, celeba.parent / "more" / "celeba"), "celeba"),
    "missing column": (_edit(_without_a_column), "list_attr_celeba.txt.*Male"),
    "wrong count": (_edit(_wrong_count), "list_attr_celeba.txt.*31"),
    "line cut short": (_edit(_cut_short), "list_attr_celeba.txt.*8"),
    "no attribute file": (lambda celeba: (celeba / "list_attr_celeba.txt").unlink(), "list_attr_celeba.txt"),
    "absent image": (lambda celeba: (celeba / "img_align_celeba" / "000003.jpg").unlink(), "000003.jpg"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_data_is_refused(train, small_data, tmp_path, damage, message):
    shutil.copytree(small_data / "celeba", tmp_path / "data" / "celeba")
    (tmp_path / "data" / "more").mkdir()
    damage(tmp_path / "data" / "celeba")
    before = sorted(tmp_path.rglob("*"))

    outcome = train(datasets="celeba", data=tmp_path / "data")

    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_is_not_overwritten(cli, train, trained, small_data):
    outcome = train(out=trained)
    assert outcome.code == 2
    assert "already holds a run" in outcome.err
    assert "--resume" in outcome.err


def test_resume_begins_a_run_that_has_no_checkpoint(train, tmp_path, metrics):
    run = tmp_path / "run"
    outcome = train("--resume", "--max-steps", "2")
    assert outcome.code == 0, outcome.err
    assert f"{run} has no checkpoint yet: the run begins." in outcome.out

    shutil.rmtree(run / "checkpoints")
    outcome = train("--resume", "--max-steps", "1", "--set", "generator.conv_dim=5")
    assert outcome.code == 0, outcome.err
    assert f"{run} has no checkpoint yet: the run begins." in outcome.out
    assert [row["step"] for row in metrics(run)] == [1]
    assert tomllib.loads((run / "config.toml").read_text())["generator"]["conv_dim"] == 5


def test_resume_of_nothing(cli, tmp_path):
    outcome = cli("train", "--resume", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "holds no run to continue. Name --datasets to begin one." in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_longer_run_and_other_rates_are_taken_over(train, trained, metrics):
    outcome = train("--set", "training.steps=6", "--set", "training.learning_rate=1e-5", "--resume", out=trained)
    assert outcome.code == 0, outcome.err
    told = "Changed: training.learning_rate = 1e-05 of --set (was 0.0003), training.steps = 6 of --set (was 40)."
    assert told in outcome.out
    assert "The learning rate now falls as the new length says." in outcome.out
    assert [row["lr"] for row in metrics(trained)][-2:] == pytest.approx([1e-5 / 3, 0])
    assert json.loads((trained / "changes.jsonl").read_text())["step"] == 4
    assert tomllib.loads((trained / "config.toml").read_text())["training"]["steps"] == 6

    leftover = (
        trained / "checkpoints" / ".step-00000004.0a1b2c3d.partial"
    )  # a process was killed while it removed this one
    leftover.mkdir()
    outcome = train("--resume", "--set", "training.steps=6", "--set", "training.learning_rate=1e-5", out=trained)
    assert outcome.code == 0
    assert "is complete: nothing is left to do." in outcome.out
    assert not leftover.exists()


def test_resume_with_other_datasets_and_settings(train, trained):
    outcome = train("--resume", "--set", "training.seed=5", out=trained, datasets="celeba")
    assert outcome.code == 2
    assert "cannot go on with datasets = 'celeba' of --datasets (was 'celeba, rafd')" in outcome.err
    assert "; training.seed = 5 of --set (was 0). Leave these out, or" in outcome.err


def test_resume_with_changed_labels(cli, trained):
    labels = trained / "labels.json"
    labels.write_text(labels.read_text().replace('"sad"', '"sorry"'))
    outcome = cli("train", "--out", trained, "--resume")
    assert outcome.code == 2
    assert "labels are not those" in outcome.err


def test_a_broken_image_is_named_and_nothing_is_left(train, small_data, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(small_data / "rafd", data / "rafd")
    broken = sorted((data / "rafd").glob("*.jpg"))[3]
    broken.write_bytes(broken.read_bytes()[:300])

    outcome = train(datasets="rafd", data=data)

    assert outcome.code == 2
    assert broken.name in outcome.err
    assert not (tmp_path / "run").exists()
    assert not list(data.rglob("*.arrow"))
    assert not list(data.rglob("*.partial"))


def test_what_fails_while_working_exits_with_1(train, monkeypatch):
    def fail(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr("stargan_fw.runs.checkpoint.save_file", fail)
    outcome = train("--max-steps", "1")
    assert outcome.code == 1
    assert "the disk is gone" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_full_disk_stops_with_one_message_and_the_run_goes_on_once_there_is_room(
    train, tmp_path, monkeypatch, tensors
):
    save_file = checkpoint_module.save_file

    def fill(values, path):
        if "step-00000006" in str(path):
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        save_file(values, path)

    run = tmp_path / "run"
    monkeypatch.setattr(checkpoint_module, "save_file", fill)
    stopped = train("--set", "training.save_every=2")
    monkeypatch.undo()

    [message] = stopped.err.splitlines()
    assert stopped.code == 1
    assert message.startswith(
        f"Error: '{run}/checkpoints/step-00000006' cannot be written: No space left on device. It needs"
    )
    assert message.endswith(
        "The checkpoint of step 4 is whole, and the only one that is needed to continue: make room, then run: "
        f"stargan-fw train --out {run} --resume"
    )
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step-00000002", "step-00000004"]
    assert train("--resume").code == 0
    assert train(out=tmp_path / "undisturbed").code == 0
    continued, undisturbed = tensors(run, 12), tensors(tmp_path / "undisturbed", 12)
    assert all(torch.equal(continued[name], value) for name, value in undisturbed.items())


def test_without_tensorboard_a_run_trains_and_says_how_to_get_it(train, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    outcome = train("--max-steps", "1")
    assert outcome.code == 0, outcome.err
    [message] = caplog.messages
    assert message.startswith("Training goes on without the tracker 'tensorboard': ")
    assert message.endswith("Run: pip install 'stargan-fw[tensorboard]'")
    assert not (tmp_path / "run/tensorboard").exists()
    assert (tmp_path / "run/checkpoints/step-00000001").exists()


def test_debug_shows_the_traceback(train):
    outcome = train("--debug", "--preset", "papre", tiny=[])
    assert outcome.code == 2
    assert "Traceback" in outcome.err


def test_help_answers_without_torch():
    code = "import sys; from stargan_fw.cli.main import main; sys.argv[1:] = ['--help']\ntry: main()\nfinally: print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("False")
    assert "train" in result.stdout
