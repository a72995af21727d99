"""The command `reproduce`: the paper's experiments, and what experiments of other plugins are made of."""

from stargan_fw_reproduce.experiment import (
    Claim,
    Experiment,
    ExperimentContext,
    Figure,
    Measured,
    PlannedRun,
    Section,
    Setup,
    Sheet,
    SheetRow,
    Table,
    Text,
)

__all__ = [
    "Claim",
    "Experiment",
    "ExperimentContext",
    "Figure",
    "Measured",
    "PlannedRun",
    "Section",
    "Setup",
    "Sheet",
    "SheetRow",
    "Table",
    "Text",
]

plugin_modules = (
    "stargan_fw_reproduce.experiments.table3",
    "stargan_fw_reproduce.experiments.losses",
    "stargan_fw_reproduce.experiments.fig4",
    "stargan_fw_reproduce.experiments.fig5",
    "stargan_fw_reproduce.experiments.fig6",
    "stargan_fw_reproduce.experiments.fig7",
    "stargan_fw_reproduce.experiments.params",
)
