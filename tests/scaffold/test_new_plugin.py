"""The packages that `plugins new` writes."""

import os
import re
import subprocess
import sys
import tomllib

import pytest

from stargan_fw_scaffold.component_templates import COMPONENTS


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with a new package for each kind."""
    from stargan_fw_scaffold.new_plugin import write_plugin

    folder = tmp_path_factory.mktemp("packages")
    for kind in COMPONENTS:
        write_plugin(f"new-{kind}", kind, folder)
    return folder


def run(folder, *command):
    """Runs a program in a folder, as if the packages in it were installed, and fails with what it prints."""
    paths = os.pathsep.join([*map(str, folder.iterdir()), *sys.path])
    env = {**os.environ, "PYTHONPATH": paths, "MYPYPATH": ""}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_package_passes_its_own_tests(packages):
    tests = [f"new-{kind}/tests" for kind in COMPONENTS]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error"]
    assert "passed" in run(packages, sys.executable, "-m", "pytest", *options, *tests)


def test_each_package_is_well_written(packages):
    run(packages, sys.executable, "-m", "ruff", "check", "--no-cache", ".")
    run(packages, sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".")


def test_each_package_is_ready_to_publish(packages):
    for kind in COMPONENTS:
        package = packages / f"new-{kind}"
        project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        group = "stargan_fw.commands" if kind == "command" else "stargan_fw"
        assert project["entry-points"][group] == {f"new_{kind}": f"new_{kind}.plugin"}
        assert project["license"] == "MIT"
        assert project["dependencies"][0].startswith("stargan-fw>=0.")
        files = {
            path.relative_to(package).as_posix(): path
            for path in package.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert {"README.md", "LICENSE", ".github/workflows/test.yml", f"new_{kind}/py.typed"} <= set(files)
        assert not [name for name, path in files.items() if "@" in path.read_text().replace("@hookimpl", "").replace("@v", "")
                    .replace("@release", "").replace("@pytest", "").replace("@classmethod", "").replace("@torch", "")]  # fmt: skip


def test_the_program_says_what_to_do_next(tmp_path, cli):
    made = cli("plugins", "new", "my-pets", "--out", tmp_path)
    assert made.code == 0, made.err
    assert str(tmp_path / "my-pets" / "my_pets" / "plugin.py") in made.out
    assert "stargan-fw plugins check my_pets" in made.out


@pytest.mark.parametrize(
    "name", ["Pets", "1pets", "pets/..", "class", "-pets", "pets-", "_", "", "my pets", "pets.", "é"]
)
def test_a_name_that_no_package_can_have_is_refused(tmp_path, cli, name):
    refused = cli("plugins", "new", "--out", tmp_path, "--", name)
    assert refused.code == 2
    assert "use lower-case letters" in refused.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("json", "dataset", "A module 'json' is installed already"),
        ("stargan-fw", "dataset", "A module 'stargan_fw' is installed already"),
        ("celeba", "dataset", "'stargan_fw_plugins.datasets.celeba' registers it"),
        ("train", "command", "'stargan_fw.cli.builtin' registers it"),
        ("reproduce", "command", "'stargan_fw_reproduce.reproduce_command' registers it"),
    ],
)
def test_a_name_that_is_taken_is_refused(tmp_path, cli, name, kind, says):
    refused = cli("plugins", "new", name, "--kind", kind, "--out", tmp_path)
    assert refused.code == 2
    assert says in refused.err
    assert "Choose another name." in refused.err
    assert not list(tmp_path.iterdir())


def test_a_name_of_one_kind_is_free_for_another(tmp_path, cli):
    assert cli("plugins", "new", "train", "--kind", "loss", "--out", tmp_path).code == 0


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, cli, monkeypatch):
    (tmp_path / "file").touch()
    refused = cli("plugins", "new", "pets", "--out", tmp_path / "file")
    assert (refused.code, "is a file. Name another folder with --out." in refused.err) == (2, True)

    monkeypatch.setattr("stargan_fw_scaffold.new_plugin.COMPONENTS", {"dataset": None})
    assert cli("plugins", "new", "pets", "--out", tmp_path / "new").code == 1
    assert [path.name for path in tmp_path.rglob("*") if path.name != "new"] == ["file"]


@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_class_may_not_hide_what_its_module_imports(tmp_path, kind):
    from stargan_fw_scaffold.new_plugin import write_plugin

    source = (write_plugin(kind, kind, tmp_path) / kind / "plugin.py").read_text(encoding="utf-8")
    imported = re.findall(r"\b[A-Z]\w+", "".join(line for line in source.splitlines() if "import" in line))
    assert not set(imported).intersection(re.findall(r"^class (\w+)", source, re.MULTILINE))


def test_a_folder_that_exists_is_left_alone(tmp_path, cli):
    (tmp_path / "pets").mkdir()
    refused = cli("plugins", "new", "pets", "--out", tmp_path)
    assert refused.code == 2
    assert "Choose another name" in refused.err
