"""The command `reproduce`: the paper's experiments, and what experiments of other plugins are made of.

`__init__.pyi` lists the names. Each is imported when it is first used, because the command is registered at every start.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

plugin_modules = (
    "stargan_fw_reproduce.experiments.table3",
    "stargan_fw_reproduce.experiments.losses",
    "stargan_fw_reproduce.experiments.fig4",
    "stargan_fw_reproduce.experiments.fig5",
    "stargan_fw_reproduce.experiments.fig6",
    "stargan_fw_reproduce.experiments.fig7",
    "stargan_fw_reproduce.experiments.params",
    "stargan_fw_reproduce.experiments.benchmark",
)
