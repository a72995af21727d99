"""A component's options: the keyword-only parameters of its constructor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from stargan_fw.errors import ConfigError
from stargan_fw.options import check_options, options_model

if TYPE_CHECKING:
    from decimal import Decimal


class Network:
    def __init__(self, *, image_size: int, conv_dim: int = 64, norm: Literal["none", "batch"] = "none") -> None:
        pass


class Data:
    """As a plugin that imports what it annotates for type checkers alone."""

    def __init__(self, root: Decimal, *, angles: list[int] = (90,), scale: Decimal = 1, width: float | str = 1.0):
        pass


class Inherited(Network):
    pass


class Untyped:
    def __init__(self, *, anything, **others):
        pass


def test_options_are_the_keyword_only_parameters():
    assert list(options_model(Network).model_fields) == ["image_size", "conv_dim", "norm"]
    assert list(options_model(Network, reserved=["image_size"]).model_fields) == ["conv_dim", "norm"]
    assert list(options_model(Inherited).model_fields) == ["image_size", "conv_dim", "norm"]
    assert list(options_model(Data).model_fields) == ["angles", "scale", "width"]
    assert list(options_model(Untyped).model_fields) == ["anything"]
    assert not options_model(object).model_fields


def test_options_are_completed_with_their_defaults():
    assert check_options(Network, {"conv_dim": 8}, "generator", ["image_size"]) == {"conv_dim": 8, "norm": "none"}
    assert check_options(Untyped, {"anything": {"at": "all"}}, "loss") == {"anything": {"at": "all"}}
    assert check_options(Data, {"scale": "left as it is"}, "data")["scale"] == "left as it is"


@pytest.mark.parametrize(
    ("component", "options", "message"),
    [
        (Network, {"conv_dm": 8}, "Unknown key 'generator.conv_dm': did you mean 'conv_dim'?"),
        (Network, {"image_size": 8}, "Unknown key 'generator.image_size': known: conv_dim, norm"),
        (Network, {"nam": "x"}, "Unknown key 'generator.nam': did you mean 'name'?"),
        (Network, {"conv_dim": "wide"}, "generator.conv_dim = 'wide' should be a valid integer"),
        (Network, {"norm": "layer"}, "generator.norm = 'layer' should be 'none' or 'batch'."),
        (Untyped, {}, "The key 'generator.anything' is missing."),
        (Data, {"angles": [45, "front"]}, "generator.angles = 'front' should be a valid integer"),
        (Data, {"width": []}, "generator.width = [] should be a valid number"),
    ],
)
def test_what_is_wrong_is_named(component, options, message):
    with pytest.raises(ConfigError) as caught:
        check_options(component, options, "generator", ["image_size"], other_keys=["name"] if "nam" in options else [])

    assert str(caught.value).startswith(message)
