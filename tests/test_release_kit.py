"""What a release needs beside the code: metadata that agree, files that are there, and steps that run."""

import importlib.util
import json
import re
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
WHEEL_PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
WORKFLOWS = [*(ROOT / ".github" / "workflows").glob("*.yml")]


def imported(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


release_check = imported(ROOT / "benchmarks" / "release_check.py")
container_steps = imported(ROOT / "benchmarks" / "container_steps.py")


def parsed(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_names_this_version_and_the_paper():
    citation = parsed("CITATION.cff")

    assert citation["version"] == PROJECT["project"]["version"] == version("stargan-fw")
    assert citation["references"][0]["authors"][0]["family-names"] == "Choi"
    assert citation["references"][0]["url"] == PROJECT["project"]["urls"]["Paper"]
    assert [*release_check.version_faults(ROOT, citation["version"])] == []
    assert [*release_check.version_faults(ROOT, "9.9.9")] != []


def test_every_package_is_in_the_wheel_typed_and_checked():
    packages = {path.parent for root in ("core", "plugins", "registry") for path in (ROOT / root).glob("*/__init__.py")}

    assert {ROOT / package for package in WHEEL_PACKAGES} == packages
    assert [package for package in packages if not (package / "py.typed").is_file()] == []
    names = {package.name for package in packages}
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == names
    assert set(PROJECT["tool"]["coverage"]["run"]["source_pkgs"]) == names


def test_ci_runs_every_python_that_the_classifiers_promise():
    prefix = "Programming Language :: Python :: 3."
    promised = [line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"] if line.startswith(prefix)]

    assert parsed(".github/workflows/ci.yml")["jobs"]["check"]["strategy"]["matrix"]["python"] == promised
    assert PROJECT["project"]["requires-python"] == f">={promised[0]}"


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, ROOT / ".ci" / "run", ROOT / ".devcontainer" / "devcontainer.json"], ids=lambda p: p.name
)
def test_what_calls_make_names_targets_that_there_are(path):
    called = re.findall(r"^[^#\n]*\bmake ([\w-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)

    assert called
    assert [target for target in called if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)] == []


def test_publishing_needs_the_checks_and_no_password():
    jobs = parsed(".github/workflows/publish.yml")["jobs"]

    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    assert any("release-check" in step.get("run", "") for step in jobs["build"]["steps"])


def test_pre_commit_runs_what_make_lint_runs():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]
    linted = {re.sub(r" --check| \.$", "", line.strip().replace("$(BIN)", ".venv/bin")) for line in recipe.splitlines()}

    hooks = parsed(".pre-commit-config.yaml")["repos"][0]["hooks"]

    assert {hook["entry"].removesuffix(" --force-exclude") for hook in hooks} == linted


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name
)
def test_issue_templates_have_what_github_asks_for(path):
    template = parsed(path)
    if path.name == "config.yml":
        return

    assert template["name"]
    assert template["description"]
    assert len({field["id"] for field in template["body"]}) == len(template["body"])
    assert all(field["attributes"]["label"] for field in template["body"])


def test_the_dev_container_is_json():
    assert "make install" in json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())["postCreateCommand"]


def test_the_container_copies_what_there_is_and_installs_extras_that_there_are():
    copied = [source for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert sorted(copied) == sorted(kept)
    assert {Path(package).parts[0] for package in WHEEL_PACKAGES} <= set(copied)
    extras = re.search(r"^ARG EXTRAS=(.*)$", DOCKERFILE, re.MULTILINE)[1]
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def take_container_steps(folder, **arguments):
    """Takes the steps with a pip that only writes down how it is called."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "pip").write_text('#!/bin/sh\necho "pip $*"\n')
    (programs / "pip").chmod(0o755)
    return container_steps.build(ROOT / "Dockerfile", ROOT, folder / "root", programs, arguments)


@pytest.mark.parametrize(
    ("device", "index"), [("cpu", " --index-url https://download.pytorch.org/whl/cpu"), ("cuda", "")]
)
def test_the_container_s_steps_run_for_each_device(tmp_path, capfd, device, index):
    container = take_container_steps(tmp_path, DEVICE=device)

    printed = capfd.readouterr().out
    assert f"pip install --no-cache-dir torch torchvision{index}\n" in printed
    assert f"pip install --no-cache-dir {tmp_path}/root/source[faces,huggingface,onnx,sample]\n" in printed
    assert "it needs root: useradd --create-home" in printed
    assert (container.entrypoint, container.command, container.place) == (["stargan-fw"], ["--help"], "/data")
    assert not (tmp_path / "root" / "source").exists(), "the last step removes it"


def test_the_container_refuses_another_device(tmp_path, capfd):
    with pytest.raises(SystemExit, match="2"):
        take_container_steps(tmp_path, DEVICE="tpu")

    assert capfd.readouterr().err == "DEVICE is cpu or cuda, not tpu\n"


def test_the_release_check_finds_what_a_wheel_lacks(tmp_path):
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as archive:
        archive.writestr("stargan_fw_registry/__init__.py", f'HERE = "{ROOT}/registry"')

    faults = [*release_check.wheel_faults(tmp_path / "some.whl", PROJECT)]
    paths = [*release_check.path_faults(release_check.wheel_texts(tmp_path / "some.whl"))]

    assert "the wheel lacks stargan_fw_registry/py.typed" in faults
    assert "the wheel lacks stargan_fw_plugins/presets/paper.toml" in faults
    assert paths == [f"stargan_fw_registry/__init__.py names {ROOT}, a path of this machine"]
    assert [*release_check.path_faults([("of_any_machine.py", f'f"{{folder}}{ROOT}/x" + "/other{ROOT}/x"')])] == []


def test_the_release_check_refuses_a_tag_of_another_version_and_unknown_licences():
    assert [*release_check.tag_faults("v0.1.0", "0.1.0")] == []
    assert [*release_check.tag_faults("0.1.0", "0.1.0")] != []
    rows = [("a", "1", "MIT"), ("b", "1", "unknown"), ("c", "1", "GPL-3.0-or-later"), ("d", "1", "LGPL-2.1")]
    assert [fault.split()[0] for fault in release_check.licence_faults(rows)] == ["b", "c"]


def test_the_changelog_says_what_0_x_promises():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)

    assert "What versions 0.x promise" in text.partition("\n## ")[0]
    assert headings[0] == "Unreleased" or headings[0].startswith(PROJECT["project"]["version"])
