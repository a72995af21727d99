"""Discovery of plugins: what is found, and what a broken one leaves unharmed."""

import importlib.metadata
import inspect
import itertools
import json
import re
import sys

import pytest

from stargan_fw import hookspecs
from stargan_fw.component_kinds import KINDS
from stargan_fw.errors import PluginError
from stargan_fw.plugin_manager import GROUP, PluginManager

GOOD = """
from stargan_fw import Dataset, hookimpl
from stargan_fw_registry import Binary

class Pets(Dataset):
    name = "pets"
    attributes = [Binary("young")]

    def examples(self):
        return []

@hookimpl
def register_datasets(register):
    register(Pets)
"""

DUPLICATE_LOSS = """
from fake_plugins import Hinge

@hookimpl
def register_losses(register):
    register(Hinge)
"""

TEXT_PRESET = """
@hookimpl
def register_presets(register):
    register("fast.toml")
"""

DEFAULT_PRESETS = """
from pathlib import Path

@hookimpl
def register_presets(register):
    register(Path("fast.toml"), default=True)
"""

BROKEN = {
    "fails to import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "is not Python": ("def", "SyntaxError: "),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "misspells a hook": (
        GOOD.replace("def register_datasets", "def register_dataset"),
        "'register_dataset' is no hook: did you mean 'register_datasets'?",
    ),
    "misspells the argument": (GOOD.replace("(register)", "(registry)"), "PluginValidationError: "),
    "fails in a hook": (GOOD.replace("register(Pets)", "1 / 0"), "ZeroDivisionError: "),
    "takes a name": (
        GOOD.replace('"pets"', '"shapes"'),
        "the dataset 'shapes' is already registered by 'fake_plugins'; give it another name.",
    ),
    "takes one name of two": (GOOD + DUPLICATE_LOSS, "the loss 'hinge' is already registered by "),
    "registers twice": (GOOD + "    register(Pets)\n", "it registers the dataset 'pets' twice."),
    "registers another class": (
        GOOD.replace("register(Pets)", "register(dict)"),
        "it registers <class 'dict'>, no subclass of stargan_fw.Dataset. Derive it from that.",
    ),
    "registers no class": (GOOD.replace("register(Pets)", "register(3)"), "it registers 3, no subclass"),
    "registers an abstract class": (GOOD.replace("def examples", "def images"), "Pets lacks examples."),
    "has no name": (GOOD.replace('name = "pets"', ""), "Pets has no `name`."),
    "has an empty name": (GOOD.replace('"pets"', '""'), "Pets has no `name`."),
    "has a preset that is no path": (GOOD + TEXT_PRESET, "it registers 'fast.toml' as a preset. Register the"),
    "has another default preset": (
        GOOD + DEFAULT_PRESETS,
        "the preset 'fast' cannot be the default, because 'small' is. Register it without default=True.",
    ),
    "has a default of a kind without": (
        GOOD.replace("register(Pets)", "register(Pets, default=True)"),
        "it registers the dataset 'pets' as default, and none can be.",
    ),
    "lists its modules wrongly": ("plugin_modules = 3", "TypeError: "),
    "lists a missing module": ("plugin_modules = ('no_such_module',)", "ModuleNotFoundError: "),
}
HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "stargan_fw_spec")]
NUMBERS = itertools.count()


def declare(monkeypatch, entries):
    """Makes these the only entry points there are; entries that are added to the list later are found too."""
    every = importlib.metadata.EntryPoints
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **chosen: every(entries).select(**chosen))


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts modules on the path beside the fakes, each declared by an entry point: `install(code, …) -> names`."""
    declared = list(importlib.metadata.entry_points(group=GROUP))
    monkeypatch.syspath_prepend(str(tmp_path))
    declare(monkeypatch, declared)
    monkeypatch.delenv("STARGAN_FW_STRICT", raising=False)
    names = []

    def write(*sources):
        for source in sources:
            names.append(f"plugin_under_test_{next(NUMBERS)}")
            (tmp_path / f"{names[-1]}.py").write_text(source)
            declared.append(importlib.metadata.EntryPoint(names[-1], names[-1], GROUP))
        return names

    yield write
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def installed():
    return PluginManager.discover()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_described_and_takes_register(hook):
    spec = getattr(hookspecs, hook)

    assert re.fullmatch(r"Registers [a-z ]+, .*`.+`.*", inspect.getdoc(spec))
    assert list(inspect.signature(spec).parameters) == ["register"]


def test_what_is_installed_comes_through_its_entry_points(installed):
    assert installed.kinds == tuple(kind.name for kind in KINDS)
    assert installed.index("dataset").names() == ("colours", "shapes")
    assert [(report.name, report.source, report.distribution) for report in installed.reports] == [
        ("stargan_fw.cli.builtin", "entry point", "fakes 1.0"),
        ("fake_plugins", "entry point", "fakes 1.0"),
    ]


def test_a_report_is_json_able(installed):
    report = installed.reports[-1].to_dict()

    assert json.loads(json.dumps(report)) == report
    assert report["hooks"][0] == "register_datasets"
    assert report["components"][:2] == ["dataset shapes", "dataset colours"]


@pytest.mark.parametrize(("source", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_reported_and_left_out(installed, install, source, message):
    broken, good = install(source, GOOD.replace('"pets"', '"other_pets"'))

    plugins = PluginManager.discover()

    reports = {report.name: report for report in plugins.reports}
    culprit = "no_such_module" if "('no_such_module',)" in source else broken
    assert reports[culprit].error.startswith(message)
    assert reports[culprit].components == []
    assert [name for name, report in reports.items() if report.error] == [culprit]
    assert reports[good].components == ["dataset other_pets"]
    assert set(plugins.index("dataset").names()) == {*installed.index("dataset").names(), "other_pets"}
    assert plugins.index("loss").source("hinge") == "fake_plugins"


def test_a_plugin_with_two_defaults_is_left_out(tmp_path):
    file = tmp_path / "presets.py"
    file.write_text(GOOD + DEFAULT_PRESETS + '    register(Path("slow.toml"), default=True)\n')

    with pytest.raises(PluginError, match="the preset 'slow' cannot be the default, because 'fast' is"):
        PluginManager().load_file(file)


def test_a_plugin_says_which_preset_is_the_default(installed):
    assert installed.index("preset").default == "small"


def test_the_first_of_two_of_a_name_stays(install):
    first, second = install(GOOD, GOOD)

    plugins = PluginManager.discover()

    assert plugins.index("dataset").source("pets") == first
    assert next(report for report in plugins.reports if report.name == second).error


@pytest.mark.parametrize(("source", "message"), BROKEN.values(), ids=BROKEN)
def test_strict_raises_instead(install, monkeypatch, source, message):
    monkeypatch.setenv("STARGAN_FW_STRICT", "1")
    install(source)

    with pytest.raises(PluginError, match=f"^The plugin '[a-z_0-9]+' cannot be used: {re.escape(message)}"):
        PluginManager.discover()


def test_a_module_stands_for_those_that_it_lists(install, monkeypatch):
    (pets,) = install(GOOD)
    _, package = install(f"plugin_modules = ('{pets}',)")
    declare(monkeypatch, [importlib.metadata.EntryPoint("p", package, GROUP)])

    plugins = PluginManager.discover()

    assert [(report.name, report.components) for report in plugins.reports] == [(pets, ["dataset pets"])]


def test_a_module_without_hooks_registers_nothing(install):
    (empty,) = install('"""Nothing yet."""')

    report = next(report for report in PluginManager.discover().reports if report.name == empty)

    assert (report.error, report.hooks, report.components) == (None, [], [])


def test_a_plugin_file_is_loaded_on_top(tmp_path):
    file = tmp_path / "pets.py"
    file.write_text(GOOD)

    plugins = PluginManager.discover((file,))

    assert {"shapes", "pets"} <= set(plugins.index("dataset").names())
    report = plugins.reports[-1]
    assert (report.name, report.source, report.distribution) == (str(file), "file", None)
    assert (report.hooks, report.components) == (["register_datasets"], ["dataset pets"])
    assert plugins.index("dataset").get("pets")(tmp_path).examples() == []


@pytest.mark.parametrize("source", ["import no_such_module", GOOD.replace("def examples", "def images")])
def test_a_plugin_file_that_fails(tmp_path, source):
    file = tmp_path / "broken_pets.py"
    file.write_text(source)

    with pytest.raises(PluginError, match=f"^The plugin '{re.escape(str(file))}' cannot be used: .*(no_such|lacks)"):
        PluginManager.discover((str(file),))


def test_a_plugin_file_that_fails_leaves_no_module(tmp_path):
    (tmp_path / "half_pets.py").write_text("1 / 0")

    with pytest.raises(PluginError):
        PluginManager().load_file(tmp_path / "half_pets.py")

    assert "stargan_fw_plugin_file_half_pets" not in sys.modules


def test_a_plugin_file_is_a_python_file(tmp_path):
    (tmp_path / "pets.txt").write_text(GOOD)

    with pytest.raises(PluginError, match=r"does not exist\. Name a Python file with --plugin"):
        PluginManager().load_file(tmp_path / "pets.py")
    with pytest.raises(PluginError, match="it is not a Python file"):
        PluginManager().load_file(tmp_path / "pets.txt")


def test_two_files_of_one_name_are_two_modules(tmp_path):
    source = "from fake_plugins import Shapes\nfrom stargan_fw import hookimpl\n\nclass Own(Shapes):\n    name = '{name}'\n\n"
    source += "@hookimpl\ndef register_datasets(register):\n    register(Own)\n"
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pets.py").write_text(source.format(name=name))

    plugins = PluginManager.discover((tmp_path / "cats/pets.py", tmp_path / "dogs/pets.py"))

    for name in ("cats", "dogs"):
        kind = plugins.index("dataset").get(name)
        assert sys.modules[kind.__module__].Own is kind
