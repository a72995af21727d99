"""The site: its reference has all that the code has, its commands can be run, and it builds without a warning or a network."""

import ast
import fnmatch
import importlib
import importlib.util
import inspect
import itertools
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image
from pydantic import BaseModel

from stargan_fw import hookspecs
from stargan_fw.cli.main import program
from stargan_fw.config import Config
from stargan_fw.options import options_model
from stargan_fw.plugin_manager import PluginManager

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])
SOURCES = [path for root in ("core", "plugins", "registry") for path in sorted((ROOT / root).rglob("*.py"))]
# Files that the program only reads, or that are parts of other files and of other programs' folders.
READ_ONLY = {
    *("avataaars.json", "model_card.md", "onnx_usage.md", "report.html"),  # inside the packages
    "pyproject.toml",  # of a new plugin's package
    *("dataset_dict.json", "metadata.csv", "labels.csv", "table.csv"),
    *("identity_CelebA.txt", "list_attr_celeba.txt", "list_eval_partition.txt", "truth.csv"),
}
MARKED = re.compile(r"^<!-- tests run this\b(.*?)-->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site_pages():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(DOCS), *sys.path])
        spec = importlib.util.spec_from_file_location("site_pages", DOCS / "site_pages.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def pages(site_pages):
    """The generated pages by their path on the site."""
    return site_pages.pages()


@pytest.fixture(scope="module")
def manager():
    return PluginManager.discover()


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level or a higher one."""
    level = heading.partition(" ")[0]
    assert f"\n{heading}\n" in page, f"the page has no {heading}"
    below = page.partition(f"\n{heading}\n")[2]
    return re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def every_command():
    """Yields the words that call each command, and the built command."""
    for name, entry in program().commands.items():
        command = entry.make_context(name, [], resilient_parsing=True).command
        for inner, single in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), single


def test_every_command_argument_and_option_is_in_the_reference(pages):
    for name, command in every_command():
        about = section(pages["reference/commands.md"], f"## `{name}`")
        assert command.help.splitlines()[0][:40].split("`")[0] in about
        for parameter in command.params:
            named = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar or parameter.name]
            for word in set(named) - {"--help", "-h"}:
                shown = re.escape(word.removesuffix("..."))
                assert re.search(rf"^(`[^:\n]*, )?`\[?{shown}\W", about, re.MULTILINE | re.IGNORECASE), (
                    f"{name}: {word}"
                )


def test_every_hook_and_component_is_in_the_reference(pages, manager):
    page = pages["reference/hooks.md"]
    kinds = manager.index("kind").items()
    hooks = {kind.hook.__name__ for _, kind in kinds}

    assert hooks >= {
        name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("register_")
    }
    for name, kind in kinds:
        about = section(page, f"## `{kind.hook.__name__}`")
        listed = re.findall(r"^`([^`]+)`\n:   (.*)", about, re.MULTILINE)
        assert [one for one, _ in listed] == [one for one, _ in manager.index(name).items() if name != "kind"]
        assert all(len(text) > len("…") for _, text in listed)


def described_keys(page: str) -> dict[str, str]:
    return dict(re.findall(r"^`([^`]+)` — `[^\n]+`\n:   (.*)", page, re.MULTILINE))


def keys_of(model, prefix=""):
    """Yields the keys of a model's tables, a place holder standing for a name that the user chooses."""
    for name, field in model.model_fields.items():
        inner = [one for one in (field.annotation, *getattr(field.annotation, "__args__", ())) if inspect.isclass(one)]
        table = next((one for one in inner if issubclass(one, BaseModel)), None)
        if table is None:
            yield f"{prefix}{name}"
        else:
            holder = {"datasets": ".<alias>", "optimizers": ".<phase>"}.get(name, "")
            yield from keys_of(table, f"{prefix}{name}{holder}.")


def test_every_key_preset_and_variable_is_in_the_reference(pages, manager):
    page = pages["reference/configuration.md"]
    keys = described_keys(page)
    own = {
        key
        for key in keys_of(Config)
        if not re.fullmatch(r"(method|generator|discriminator|loss|embedding)\.name", key)
    }
    assert own - keys.keys() == set()
    for kind in ("dataset", "method", "generator", "discriminator", "loss", "embedding"):
        table = "datasets.<alias>" if kind == "dataset" else kind
        selects = "plugin" if kind == "dataset" else "name"
        for name, component in manager.index(kind).items():
            about = described_keys(section(page, f'### `[{table}]` with `{selects} = "{name}"`'))
            options = options_model(component, ("image_size", "label_dim")).model_fields
            assert set(about) == {f"{table}.{option}" for option in options}
            keys |= about
    assert [key for key, text in keys.items() if text.startswith(("…", " Default"))] == [], "keys without a description"
    for name in manager.index("preset").names():
        tomllib.loads(
            section(page, f"### `{name}`" + " (the default)" * (name == "paper")).split("```")[1].removeprefix("toml")
        )
    variables = {
        name for path in SOURCES for name in re.findall(r"STARGAN_FW_[A-Z_]+", path.read_text(encoding="utf-8"))
    }
    assert {name for name in variables if f"\n`{name}`\n" not in page} == set()


def test_every_kind_of_file_is_in_the_reference(pages, site_pages, trained_once, exported_once):
    patterns = re.findall(r"^### `([^`]+)`$", pages["reference/files.md"], re.MULTILINE)
    written = {
        *(f"RUN/{path.relative_to(trained_once)}" for path in trained_once.rglob("*") if path.is_file()),
        *(f"MODEL/{path.relative_to(exported_once)}" for path in exported_once.rglob("*") if path.is_file()),
        *(f"RUN/{path.relative_to(ROOT / 'tests/golden/run')}" for path in (ROOT / "tests/golden/run").rglob("*.*")),
        *(f"MODEL/{path.name}" for path in (ROOT / "tests/golden/onnx").iterdir()),
    }
    assert [file for file in written if not any(fnmatch.fnmatch(file, pattern) for pattern in patterns)] == []

    known = {pattern.rpartition("/")[2] for pattern in patterns}
    ending = re.compile(
        r"\.?[A-Za-z][\w-]*\.(jsonl?|toml|safetensors|onnx|arrow|html|md|csv|txt)|\.lock(\.json)?|[A-Z0-9]+SUMS"
    )
    named = {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ending.fullmatch(node.value)
    }
    assert named - known - READ_ONLY == set(), "files that the code names, and docs/file_reference.py does not"


def test_every_public_name_is_in_the_reference(pages):
    page = pages["reference/python.md"]
    for stub in [*ROOT.glob("*/*/__init__.pyi"), ROOT / "core/stargan_fw/interfaces/__init__.pyi"]:
        module = ".".join(stub.parent.relative_to(ROOT).parts[1:])
        names = re.findall(r"\b(\w+) as \1\b", stub.read_text(encoding="utf-8"))
        listed = [name for name in names if callable(getattr(importlib.import_module(module), name))]
        assert [name for name in listed if f"\n### `{name}`\n" not in page] == [], module


def program_lines(text: str):
    """Yields the arguments of each call of the program in a shell block."""
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a line within a quoted text of several lines
            continue
        words = list(itertools.takewhile(lambda word: word not in {"&&", "|", ";", "&"}, words))
        command = list(itertools.dropwhile(lambda word: re.match(r"[A-Z_]+=", word), words))
        if command[:1] == ["stargan-fw"]:
            yield command[1:]
        elif command[:1] in (["torchrun"], ["srun"], ["python"]) and "stargan_fw" in command:
            yield command[command.index("stargan_fw") + 1 :]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_call_in_the_documents_has_arguments_that_there_are(document):
    commands = program().commands
    for block in SHELL.findall(document.read_text(encoding="utf-8")):
        for name, *arguments in program_lines(block):
            if name in {"--help", "--version"}:
                continue
            assert name in commands, f"{document.name}: {name}"
            context = commands[name].make_context(name, list(arguments))
            group = getattr(context.command, "commands", None)
            if group:
                inner, *rest = arguments
                assert inner in group, f"{document.name}: {name} {inner}"
                group[inner].make_context(inner, rest, parent=context)


def draw_pets(folder: Path) -> None:
    for number, species in itertools.product(range(12), ("cat", "dog")):
        (folder / species).mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (64, 64), (20 * number, 90, 200 if species == "cat" else 40))
        picture.save(folder / species / f"{number}{'k' * (number % 2 == 0)}.jpg")


@pytest.mark.parametrize("name", ["index.md", "label_space.md", "your_dataset.md"])
def test_what_the_pages_say_runs_as_written(name, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_pets(tmp_path / "pets")
    variables: dict = {}
    blocks = MARKED.findall((DOCS / name).read_text(encoding="utf-8"))
    assert blocks

    for remark, language, code in blocks:
        if file := re.search(r"as (\S+\.py)", remark):
            Path(file[1]).write_text(code, encoding="utf-8")
        elif language == "python":
            exec(compile(code, name, "exec"), variables)  # noqa: S102 - our own documents
        else:
            for arguments in program_lines(code):
                outcome = cli(*arguments)
                assert outcome.code == 0, f"{' '.join(arguments)}\n{outcome.err}"

    written = re.findall(r"-o (\S+\.png)|save\(\"(\S+\.png)\"", "".join(code for _, _, code in blocks))
    for picture in (next(filter(None, found)) for found in written):
        with Image.open(picture) as shown:
            assert shown.size == (64, 64)


def test_the_drawings_show_the_label_space_as_it_is():
    variables: dict = {}
    _, _, code = MARKED.findall((DOCS / "label_space.md").read_text(encoding="utf-8"))[0]
    exec(compile(code, "label_space.md", "exec"), variables)  # noqa: S102
    names = [name.rpartition(".")[2] for name in variables["space"].unified_names]

    for drawing in ("label_space.svg", "label_edits.svg"):
        text = (DOCS / drawing).read_text(encoding="utf-8")
        assert re.findall(r"rotate\(-60[^>]*>(\w+)<", text) == names


def test_equations_stand_beside_source_that_there_is(site_pages):
    named = re.findall(r"<!-- code: (\S+) -->", (DOCS / "equations.md").read_text(encoding="utf-8"))

    assert len(named) > 8
    for name in named:
        block = site_pages.excerpt(name)
        path, line = re.search(r'title="(\S+), line (\d+)"', block).groups()
        assert (
            name.rpartition(".")[2].rpartition(":")[2]
            in (ROOT / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        )


def test_the_navigation_leaves_out_what_is_missing(site_pages):
    nav = [{"A": "a.md"}, {"More": [{"B": "b.md"}, {"C": "c.md"}]}, {"None": [{"D": "d.md"}]}]

    assert site_pages._without_missing(nav, {"a.md", "c.md"}) == [{"A": "a.md"}, {"More": [{"C": "c.md"}]}]


LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video)\b[^>]*\ssrc=["']?(?:https?:)?//|<link\b[^>]*\bhref=["']?(?:https?:)?//[^>]*|url\(["']?(?:https?:)?//|@import"""
)


@pytest.mark.skipif(
    importlib.util.find_spec("material") is None, reason="the site needs mkdocs-material: pip install '.[docs]'"
)
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    pages = [*(tmp_path / "site").rglob("*.html"), *(tmp_path / "site").rglob("*.css")]
    assert {page.parent.name for page in pages} >= {"commands", "equations", "contributing", "security", "your_dataset"}
    assert [(page.name, found) for page in pages for found in LOADED.findall(page.read_text(encoding="utf-8"))] == []
    assert "<math" in (tmp_path / "site/equations/index.html").read_text(encoding="utf-8")
