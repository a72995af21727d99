"""The built-in plugins as the plugin manager finds them."""

import re

import pytest

from stargan_fw.component_kinds import KINDS
from stargan_fw.plugin_manager import PluginManager


@pytest.fixture(scope="module")
def built_in():
    return PluginManager.discover()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_hook_is_used_by_a_built_in(built_in, kind):
    assert any(kind.hook.__name__ in report.hooks for report in built_in.reports)
    assert len(built_in.index(kind.name)) > 0


def test_packages_bring_kinds_of_their_own(built_in):
    assert built_in.kinds[: len(KINDS)] == tuple(kind.name for kind in KINDS)
    assert set(built_in.kinds[len(KINDS) :]) == {"benchmark entry", "experiment", "importer"}


def test_built_ins_come_through_the_entry_point(built_in):
    assert {"celeba", "rafd"} <= set(built_in.index("dataset").names())
    for report in built_in.reports:
        assert (report.source, report.error) == ("entry point", None)
        assert re.match(r"stargan_fw(_[a-z]+|\.cli)\.", report.name)
        assert re.fullmatch(r"stargan-fw \d+\.\d+\.\d+", report.distribution)
        assert report.components


def test_a_report_is_json_able(built_in):
    report = next(report for report in built_in.reports if report.name.endswith(".celeba")).to_dict()

    assert report == {
        "name": "stargan_fw_plugins.datasets.celeba",
        "source": "entry point",
        "distribution": report["distribution"],
        "hooks": ["register_datasets"],
        "components": ["dataset celeba"],
        "error": None,
    }
