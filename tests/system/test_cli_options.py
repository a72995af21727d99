"""The command line as a whole: what every option is called and means, and what stands before the commands."""

import inspect
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer
from PIL import Image
from typer.models import OptionInfo

from stargan_fw.cli.main import registered_commands

# Names that already meant two things when people began to script against them.
TWO_MEANINGS = {
    "--images": "how many `data sample` draws; whose `evaluate` translates",
    "--mask": "which rows a sheet has; which one `evaluate` measures",
    "--csv": "a file to write in `evaluate`; how `study tally` prints",
    "--markdown": "a file to write in `evaluate`; how `study tally` prints",
}
# One meaning, which each command says in words of its own.
OWN_WORDS = {"--out", "--to", "--datasets", "--revision", "--dry-run", "--seed", "--set"}
# Commands that say everything else in the same words.
SAME_WORDS = {"train", "data", "plugins"}


def options():
    """Every option of every command: (command, name, its kind of value, its declaration)."""
    app = typer.Typer()
    for command in registered_commands():
        if isinstance(command.run, typer.Typer):
            app.add_typer(command.run, name=command.name)
        else:
            app.command(command.name)(command.run)
    yield from _options_of(app)


def _options_of(app, *path):
    for command in app.registered_commands:
        hints = get_type_hints(command.callback, include_extras=True)
        for name in inspect.signature(command.callback).parameters:
            kind, info, *_ = (*get_args(hints[name]), None)
            if isinstance(info, OptionInfo):
                # In an annotation, typer takes the first name for a default until it sees the parameter.
                declared = [one for one in (info.default, *(info.param_decls or ())) if str(one).startswith("--")]
                where = " ".join((*path, command.name or command.callback.__name__))
                yield where, (declared or [f"--{name.replace('_', '-')}"])[0], _without_none(kind), info
    for group in app.registered_groups:
        yield from _options_of(group.typer_instance, *path, group.name)


def _without_none(kind):
    kinds = [one for one in get_args(kind) if one is not type(None)]
    return str(kinds[0] if type(None) in get_args(kind) else kind)


def test_every_command_is_read():
    assert {"train", "data check", "study tally", "plugins list"} <= {where for where, *_ in options()}


def test_every_option_has_help():
    assert [(where, name) for where, name, _, info in options() if not info.help] == []


def test_one_name_is_one_kind_of_value_everywhere():
    kinds = {}
    for where, name, kind, info in options():
        if name not in TWO_MEANINGS:
            kinds.setdefault(name, {}).setdefault((kind, info.metavar or ""), []).append(where)
    assert {name: found for name, found in kinds.items() if len(found) > 1 and name != "--to"} == {}


def test_one_name_means_one_thing_everywhere():
    words = {}
    for where, name, _, info in options():
        if name not in TWO_MEANINGS.keys() | OWN_WORDS and where.split()[0] in SAME_WORDS:
            words.setdefault(name, set()).add((info.help, info.min, info.max))
    assert {name: found for name, found in words.items() if len(found) > 1} == {}


def test_what_means_two_things_is_listed_only_while_it_does():
    kinds = {}
    for _, name, kind, _ in options():
        kinds.setdefault(name, set()).add(kind)
    assert [name for name in TWO_MEANINGS if len(kinds[name]) < 2] == []


def test_the_version(cli):
    assert cli("--version").out == f"stargan-fw {version('stargan-fw')}\n"


def test_python_runs_the_package():
    command = [sys.executable, "-m", "stargan_fw", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("stargan-fw ")


@pytest.mark.parametrize(
    ("words", "completed"), [("stargan-fw tra", {"train", "translate"}), ("stargan-fw train --max", {"--max-steps"})]
)
def test_a_shell_completes_commands_and_options(words, completed):
    asked = {"_STARGAN_FW_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    result = subprocess.run(
        [sys.executable, "-m", "stargan_fw"], capture_output=True, text=True, check=True, env=os.environ | asked
    )
    assert set(result.stdout.split()) == completed


def test_debug_is_an_option_until_two_dashes_end_the_options(cli, tmp_path):
    outcome = cli("--debug", "translate", tmp_path, "--to", "happy", "--", "--debug")
    assert "Traceback" in outcome.err
    assert "'--debug' cannot be read" in outcome.err
    outcome = cli("translate", tmp_path, "--to", "happy", "--", "--debug")
    assert re.fullmatch(r"Error: The image '--debug' cannot be read: .*\n", outcome.err)


CONTRADICTIONS = {
    "precision": (("--precision", "bf16"), "training.precision=fp32", "another option, which says bf16"),
    "seed": (("--seed", "1"), "training.seed=2", "another option, which says 1"),
    "data": (("--data", "here"), "data.path=there", "another option, which says here"),
    "cache": (("--cache", "here"), "data.cache=there", "another option, which says here"),
    "start": (("--from", "here"), "training.start=there", "another option, which says here"),
    "location": (("--datasets", "a=folder:here"), "datasets.a.location=there", "--datasets, which says here"),
    "dataset plugin": (("--datasets", "a=folder:here"), "datasets.a.plugin=table", "--datasets, which says folder"),
}


@pytest.mark.parametrize(("options", "setting", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_of_two_options_that_contradict_each_other_none_is_passed_over(cli, tmp_path, options, setting, words):
    outcome = cli("train", "--out", tmp_path / "run", *options, "--set", setting)
    assert outcome.code == 2
    assert outcome.err == f"Error: --set {setting} contradicts {words}. Leave one out.\n"


def test_options_that_say_the_same_are_no_contradiction(cli, tmp_path):
    same = ("--datasets", f"a=folder:{tmp_path}", "--set", f"datasets.a.location={tmp_path}", "--seed", 1)
    outcome = cli("train", *same, "--set", "training.seed=1", "--out", tmp_path / "run")
    assert "contradicts" not in outcome.err
    assert "class folders" in outcome.err


@pytest.mark.parametrize("option", ["--datasets", "--preset", "--config"])
def test_an_option_of_which_one_would_be_passed_over_is_given_once(cli, option):
    for arguments in ((option, "a", option, "b"), (option, "a", f"{option}=b")):
        outcome = cli("train", *arguments)
        assert outcome.code == 2
        assert outcome.err.startswith(f"Error: {option} is given twice, and only the last would count.")


WRITTEN = ["$PETS/pets", "${PETS}/pets", "~/pets", "$HOME"]  # the last lies there by this name


@pytest.mark.parametrize("written", WRITTEN)
def test_variables_and_homes_in_paths_are_replaced_and_recorded_as_written(cli, tiny, tmp_path, monkeypatch, written):
    for number in range(12):
        folder = tmp_path / "pets" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number * 20, 90, 0)).save(folder / f"{number}.png")
    (tmp_path / "$HOME").symlink_to(tmp_path / "pets")
    monkeypatch.setenv("PETS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("pets.toml").write_text(
        f"[datasets.pets]\nplugin = 'folder'\nlocation = '{written}'\n[data]\ncache = '$PETS/kept'\n"
    )
    command = ("train", "--config", "pets.toml", "--out", "run", *tiny.options)

    assert cli(*command, "--max-steps", 1).code == 0

    assert f'location = "{written}"' in Path("run/config.toml").read_text()
    assert list(Path("kept").glob("pets-*.arrow"))
    again = ("--set", "training.start=$PETS/run", "--out", "more")
    assert cli(*command, "--max-steps", 1, *again).code == 0


@pytest.mark.parametrize("path", ["$NOBODY_SETS_THIS/pets", "~nobody-is-called-so/pets"])
def test_what_cannot_be_replaced_stays_as_it_is_written(cli, tmp_path, path):
    outcome = cli("data", "check", "--datasets", "pets=folder", "--set", f"datasets.pets.location={path}")
    assert outcome.code == 2
    assert f"{path}: no such folder" in outcome.out + outcome.err
