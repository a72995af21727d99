"""What is wrong with the settings of a training, said together with what is wrong with its data. Imports torch."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from stargan_fw.components import complete
from stargan_fw.data.source import open_sources
from stargan_fw.errors import Refusals, RequestError
from stargan_fw.training.plan import build_checked_method

if TYPE_CHECKING:
    from stargan_fw.config import Config
    from stargan_fw.data.source import Source
    from stargan_fw.plugin_manager import PluginManager


def find_setting_problems(config: Config, plugins: PluginManager) -> list[str]:
    """Returns why `train` would refuse a configuration besides its data, such as a batch that cannot be shared.

    Args:
        config: the merged configuration.
        plugins: the registered components.
    """
    refusals = Refusals()
    sources: list[Source] = []
    with refusals.gather():
        config = complete(config, plugins, refusals=refusals)
        with suppress(RequestError):
            sources = open_sources(config, plugins)
        build_checked_method(config, plugins, sources, refusals)
    return refusals.problems
