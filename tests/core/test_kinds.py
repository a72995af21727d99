"""The table of component kinds, what must agree with it, and kinds that a plugin brings."""

import inspect

import pytest

from stargan_fw import hookspecs
from stargan_fw.component_kinds import KINDS
from stargan_fw.components import Components
from stargan_fw.config import ComponentConfig, Config
from stargan_fw.errors import PluginError
from stargan_fw.interfaces import ComponentBuilder
from stargan_fw.plugin_manager import COMMAND_GROUP, GROUP, KIND_GROUP, PluginManager

KIND = """
from stargan_fw import ComponentKind, hookimpl, hookspec

class Palette:
    name = ""

@hookspec
def register_palettes(register):
    "Registers palettes, which tests name."

@hookimpl
def register_kinds(register):
    register(ComponentKind("palette", register_palettes, f"{__name__}:Palette"))
"""
COMPONENT = """
from stargan_fw import hookimpl
from palettes import Palette

class Warm(Palette):
    name = "warm"

@hookimpl
def register_palettes(register):
    register(Warm)
"""
BROKEN = {
    "fails": (KIND + "    1 / 0\n", "ZeroDivisionError: "),
    "registers no kind": (
        KIND.replace("register(Comp", "register(str(Comp").replace('Palette"))', 'Palette")))'),
        "it registers \"ComponentKind(name='palette'",
    ),
    "takes a kind": (
        KIND.replace('"palette"', '"dataset"'),
        "the kind 'dataset' is already registered by 'stargan_fw'; give it another name.",
    ),
    "takes a hook": (
        KIND.replace("register_palettes", "register_datasets"),
        "the hook 'register_datasets' of the kind 'palette' is that of 'dataset'. Rename it.",
    ),
    "has no spec": (
        KIND.replace("@hookspec\n", ""),
        "the hook of the kind 'palette' is not marked. Mark it @stargan_fw.hookspec.",
    ),
}


def test_the_table_has_every_hook():
    specs = [value for value in vars(hookspecs).values() if hasattr(value, "stargan_fw_spec")]

    assert {kind.hook for kind in KINDS} == set(specs)
    assert len({kind.name for kind in KINDS}) == len(KINDS) == len(specs)


def test_the_configuration_has_a_table_for_each_kind_that_needs_one():
    tables = {name for name, field in Config.model_fields.items() if field.annotation is ComponentConfig}

    assert tables == {kind.name for kind in KINDS if kind.has_table}


@pytest.mark.parametrize("builder", [ComponentBuilder, Components])
def test_a_method_can_have_each_kind_with_a_table_built(builder):
    built = {name for name, _ in inspect.getmembers(builder, inspect.isfunction) if not name.startswith("_")}

    assert built == {kind.name for kind in KINDS if kind.has_table and kind.name != "method"}


def test_what_a_model_folder_lists_is_configured():
    assert all(kind.has_table for kind in KINDS if kind.in_model)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_interface_is_there(kind):
    with pytest.raises(PluginError, match="it registers 3"):
        kind.name_of(3)


def test_a_plugin_brings_a_kind_whatever_the_order_of_the_plugins(only_plugins):
    only_plugins(warm=(GROUP, COMPONENT), palettes=(KIND_GROUP, KIND))

    plugins = PluginManager.discover()

    assert plugins.kinds == (*(kind.name for kind in KINDS), "palette")
    assert plugins.index("palette").names() == ("warm",)
    assert [(report.name, report.hooks, report.components) for report in plugins.reports] == [
        ("palettes", ["register_kinds"], ["kind palette"]),
        ("warm", ["register_palettes"], ["palette warm"]),
    ]


def test_a_component_of_a_kind_is_checked_against_its_interface(only_plugins):
    only_plugins(warm=(GROUP, COMPONENT.replace("register(Warm)", "register(int)")), palettes=(KIND_GROUP, KIND))

    report = PluginManager.discover().reports[-1]

    assert report.error == "it registers <class 'int'>, no subclass of palettes.Palette. Derive it from that."


@pytest.mark.parametrize("source, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_kind_is_reported_and_left_out_with_its_components(only_plugins, monkeypatch, source, message):
    only_plugins(palettes=(KIND_GROUP, source), warm=(GROUP, COMPONENT))

    plugins = PluginManager.discover()

    assert plugins.kinds == tuple(kind.name for kind in KINDS)
    palettes, warm = plugins.reports
    assert palettes.error.startswith(message)
    assert palettes.components == warm.components == []
    assert warm.error.startswith("'register_palettes' is no hook: ")
    monkeypatch.setenv("STARGAN_FW_STRICT", "1")
    with pytest.raises(PluginError, match="^The plugin 'palettes' cannot be used: "):
        PluginManager.discover()


def test_all_of_a_module_is_registered_or_nothing(only_plugins):
    second = KIND + '    register(ComponentKind("palette", register_palettes, "palettes:Palette"))\n'
    only_plugins(palettes=(KIND_GROUP, second))

    plugins = PluginManager.discover()

    assert plugins.reports[0].error == "it registers the kind 'palette' twice. Remove one."
    assert "palette" not in plugins.kinds


def test_two_kinds_of_a_module_have_hooks_of_their_own(only_plugins):
    second = KIND + '    register(ComponentKind("shade", register_palettes, "palettes:Palette"))\n'
    only_plugins(palettes=(KIND_GROUP, second))

    plugins = PluginManager.discover()

    message = "the hook 'register_palettes' of the kind 'shade' is that of 'palette'. Rename it."
    assert plugins.reports[0].error == message
    assert {"palette", "shade"}.isdisjoint(plugins.kinds)


@pytest.mark.parametrize("group", [KIND_GROUP, GROUP])
def test_every_command_that_uses_plugins_names_once_what_is_left_out(only_plugins, cli, caplog, group, tmp_path):
    failing = f"fails_in_{group.replace('.', '_')}"
    only_plugins(**{failing: (group, "1 / 0")}, builtin=(COMMAND_GROUP, "from stargan_fw.cli.builtin import *"))

    for _ in range(2):
        assert cli("train", "--datasets", "nothing", "--out", tmp_path / "run").code == 2
    message = f"The plugin '{failing}' is left out (mend, update or uninstall it): ZeroDivisionError: division by zero"
    assert caplog.messages == [message]
