"""The public interface: what is in it, and that it says what it does."""

import inspect

import pytest

from stargan_fw import api


@pytest.mark.parametrize("name", api.__all__)
def test_everything_public_is_described(name):
    assert len(inspect.getdoc(getattr(api, name)).split()) > 4


def test_whatever_the_module_defines_is_public():
    defined = [name for name, value in vars(api).items() if getattr(value, "__module__", "") == api.__name__]

    assert {name for name in defined if not name.startswith("_")} <= set(api.__all__)
