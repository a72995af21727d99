"""What every registered method keeps, because it is registered."""

import pytest

from stargan_fw.errors import ModelError
from stargan_fw.interfaces import TranslatesAcross
from stargan_fw.interfaces.method import require_across
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins import plugin_modules
from stargan_fw_scaffold.contract import contract_cases

METHODS = PluginManager.discover().index("method")
CASES = [case for module in plugin_modules if ".methods." in module for case in contract_cases(module)]


def test_the_papers_comparison_is_there():
    assert {"stargan", "joint", "cyclegan", "diat", "icgan"} <= set(METHODS.names())
    assert {case.component.removeprefix("method ") for case in CASES} == set(METHODS.names())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_keeps_the_contract(case):
    case.run()


@pytest.mark.parametrize("name", METHODS.names())
def test_labels_of_several_datasets_are_refused_if_it_cannot_translate_to_them(name):
    case = next(case for case in CASES if case.component == f"method {name}")
    method = case.subject.build()
    if not isinstance(method, TranslatesAcross):
        with pytest.raises(ModelError, match=f"'{name}' cannot translate to labels of beasts and coats at once"):
            require_across(method, ["beasts", "coats"])
