"""Arithmetic of the experiments on expressions."""

from collections.abc import Mapping, Sequence

from stargan_fw_plugins.datasets.rafd_files import EXPRESSIONS
from stargan_fw_reproduce.experiment import Figure, Measured, PlannedRun, Table

OTHERS = tuple(name for name in EXPRESSIONS if name != "neutral")


def errors(measured: Sequence[Measured], target: str = "rafd") -> list[Figure]:
    """Returns the classification error of each seed."""
    return [one.value("classification_error", target) for one in measured]


def mean(figures: Sequence[Figure]) -> float:
    """Returns the mean over seeds."""
    return sum(figure.value for figure in figures) / len(figures)


def written(figures: Sequence[Figure]) -> str:
    """Returns one figure with its interval, or the mean of several seeds with the lowest and the highest."""
    if len(figures) == 1:
        return figures[0].text
    values = [figure.value for figure in figures]
    return f"{mean(figures):.2%} (mean of {len(values)} seeds, {min(values):.2%} to {max(values):.2%})"


def by_expression(found: Mapping[PlannedRun, Sequence[Measured]], names: Sequence[str] = OTHERS) -> Table:
    """Returns a table of the errors by target. Several seeds are shown by their mean."""
    rows = [[name, *(f"{mean(errors(found[run], f'rafd.{name}')):.1%}" for run in found)] for name in names]
    note = "Of several seeds, the mean is shown." if any(len(one) > 1 for one in found.values()) else ""
    return Table("Error by expression", ["to", *(run.title for run in found)], rows, note)
