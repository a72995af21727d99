"""Commands that plugins add to the program."""

import re

import pytest

from stargan_fw.errors import PluginError
from stargan_fw.plugin_manager import COMMAND_GROUP, PluginManager

BUILTIN = (COMMAND_GROUP, "from stargan_fw.cli.builtin import *")
GREET = """
from stargan_fw import Command, hookimpl
from stargan_fw.errors import ConfigError

def greet(name: str):
    "Greet somebody."
    if name == "nobody":
        raise ConfigError("Nobody cannot be greeted. Name somebody.")
    print(f"Hello {name}")

@hookimpl
def register_commands(register):
    register(Command("greet", greet, after="train"))
"""
SHAPES = """
import typer
from stargan_fw import Command, hookimpl

app = typer.Typer()

@app.callback()
def group():
    "Name shapes."

@app.command()
def square():
    "Name a square."
    print("square")

@hookimpl
def register_commands(register):
    register(Command("shapes", app))
"""
SPIN_COUNT = "GOMP_SPINCOUNT"


def commands_of(help_text):
    """The commands that `--help` lists, in order."""
    listed = help_text[help_text.index("Commands") :]
    return re.findall(r"^│ (\w+) ", listed, re.MULTILINE)


def test_a_command_of_a_plugin_runs_as_one_of_core(only_plugins, cli):
    only_plugins(greetings=(COMMAND_GROUP, GREET), builtin=BUILTIN)

    assert cli("greet", "Ada").out == "Hello Ada\n"
    refused = cli("greet", "nobody")
    assert (refused.code, refused.err) == (2, "Error: Nobody cannot be greeted. Name somebody.\n")


def test_help_lists_a_command_after_the_one_that_it_names(only_plugins, cli):
    leave = GREET.replace("greet", "leave").replace(', after="train"', "")
    only_plugins(builtin=BUILTIN, farewells=(COMMAND_GROUP, leave), greetings=(COMMAND_GROUP, GREET))

    assert commands_of(cli("--help").out) == ["train", "greet", "leave"]


@pytest.mark.parametrize("after", ["", ', after="nothing"'])
def test_help_lists_a_command_last_that_names_none(only_plugins, cli, after):
    greet = GREET.replace(', after="train"', after)
    only_plugins(shapes=(COMMAND_GROUP, SHAPES), builtin=BUILTIN, greetings=(COMMAND_GROUP, greet))

    commands = commands_of(cli("--help").out)

    assert commands == ["train", "greet", "shapes"]  # groups of commands come after all single commands


def test_a_command_that_fails_to_import_leaves_the_others(only_plugins, cli):
    only_plugins(greetings=(COMMAND_GROUP, "1 / 0"), builtin=BUILTIN)

    outcome = cli("train", "--help")

    assert outcome.code == 0
    assert "The plugin 'greetings' is left out (mend, update or uninstall it): ZeroDivisionError: " in outcome.err


def test_help_lists_a_group_of_commands_by_the_first_line_of_its_help(only_plugins, cli):
    only_plugins(shapes=(COMMAND_GROUP, SHAPES), builtin=BUILTIN)

    assert re.search(r"│ shapes +Name shapes\. +│", cli("--help").out)
    assert re.search(r"│ square +Name a square\. +│", cli("shapes", "--help").out)
    assert cli("shapes", "square").out == "square\n"


def test_a_command_that_typer_cannot_build_leaves_the_others(only_plugins, cli):
    only_plugins(greetings=(COMMAND_GROUP, GREET.replace("name: str", "name: 'Unknown'")), builtin=BUILTIN)

    assert "greet" in commands_of(cli("--help").out)
    assert cli("train", "--help").code == 0
    failed = cli("greet", "Ada")
    assert failed.code == 1
    assert "Unknown" in failed.err


def test_the_process_is_prepared_before_a_command_runs(only_plugins, cli, monkeypatch):
    for variable in ("OMP_WAIT_POLICY", SPIN_COUNT):
        monkeypatch.delenv(variable, raising=False)
    source = GREET.replace('{name}"', '{os.environ.get(name)}"').replace("\n", "\nimport os\n", 1)
    only_plugins(greetings=(COMMAND_GROUP, source), builtin=BUILTIN)

    assert re.fullmatch(r"Hello \d+\n", cli("greet", SPIN_COUNT).out)


def test_a_plugin_file_cannot_add_a_command(tmp_path):
    (tmp_path / "greetings.py").write_text(GREET)

    with pytest.raises(PluginError, match=r"only installed plugins can add commands: .*stargan_fw\.commands"):
        PluginManager.discover((tmp_path / "greetings.py",))
