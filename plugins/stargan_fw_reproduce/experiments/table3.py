"""Table 3: every system's error on RaFD after the same time, and what it takes."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from stargan_fw import hookimpl
from stargan_fw_reproduce.experiment import Bench, Claim, Experiment, Measured, PlannedRun, Section, SheetRow, Table
from stargan_fw_reproduce.experiments.expressions import OTHERS, by_expression, errors, mean, written
from stargan_fw_reproduce.experiments.runs import CYCLEGAN, DIAT, ICGAN, STARGAN

# What the paper's Table 3 says: classification error, and parameters.
PUBLISHED = {
    DIAT: ("4.10%", "52.6 M × 7"),  # noqa: RUF001 - as the paper writes it
    CYCLEGAN: ("5.99%", "52.6 M × 14"),  # noqa: RUF001
    ICGAN: ("8.07%", "67.8 M × 1"),  # noqa: RUF001
    STARGAN: ("2.12%", "53.2 M × 1"),  # noqa: RUF001
}
PUBLISHED_REAL = "0.45%"


class Table3(Experiment):
    """Unseen neutral faces are translated to the other seven expressions, and a classifier reads them."""

    name = "table3"
    title = "Table 3: which system gets the expression right"
    about = (
        "Every system is trained on RaFD for the same time, and then turns unseen neutral faces into the seven other "
        "expressions. A classifier that was trained on real faces reads the results; what it reads as another "
        "expression than was asked for is an error.\n\n"
        "StarGAN is one model for all expressions. DIAT is a model for each of them, CycleGAN two, there and back: each "
        "learns from its part of the data and gets its part of the time. IcGAN is one model that draws the face anew."
    )
    runs = (STARGAN, DIAT, CYCLEGAN, ICGAN)
    minutes = 15  # of drawn faces on two cores: after 45 both StarGAN and DIAT make no error, which ranks nobody
    seeds = 3
    equal = "time"

    def report(self, bench: Bench) -> Iterator[Section]:
        found = bench.evaluate(self.runs, datasets=("rafd",), source="neutral")
        yield lowest(found)
        yield comparison(bench, found)
        yield parameters(bench, self.runs)
        if len(found[STARGAN]) > 1:
            yield seeds(found[STARGAN])
        yield bench.sheet(
            "expressions",
            "Unseen neutral faces; a row for each system.",
            [SheetRow(run, run.title) for run in self.runs],
            images="rafd",
            to=OTHERS,
            source="neutral",
            count=3,
        )
        yield by_expression(found)
        yield bench.overview("Everything that was measured", found)


def lowest(found: Mapping[PlannedRun, Sequence[Measured]]) -> Claim:
    """Returns whether StarGAN's error is the lowest."""
    figures = {run: errors(measured) for run, measured in found.items()}
    others = [mean(one) for run, one in figures.items() if run is not STARGAN]
    measured = "; ".join(f"{run.title} {written(one)}" for run, one in figures.items())
    text = "StarGAN's classification error is the lowest."
    return Claim(text, f"{measured}.", mean(figures[STARGAN]) < min(others))


def comparison(bench: Bench, found: Mapping[PlannedRun, Sequence[Measured]]) -> Table:
    """Returns the table, with the paper's own numbers beside those that were found."""
    rows = [
        [
            run.title,
            written(errors(measured)),
            PUBLISHED[run][0],
            f"{bench.minutes(run):.1f}",
            f"{bench.steps(run):,}",
        ]
        for run, measured in found.items()
    ]
    real = found[STARGAN][0].value("real_classification_error", "rafd").text
    rows.append(["real images", real, PUBLISHED_REAL, "", ""])
    note = (
        "Square brackets are 95 % intervals; people are resampled, since faces of one person err alike. A step of DIAT "
        "and CycleGAN updates one of their models."
    )
    return Table("Classification error", ["", "here", "in the paper", "minutes", "steps"], rows, note)


def parameters(bench: Bench, runs: Sequence[PlannedRun]) -> Table:
    """Returns what every system takes: as it was trained here, as the paper's networks have it, and what the paper says."""
    rows = [[run.title, bench.parameters(run), bench.parameters(run, "paper"), PUBLISHED[run][1]] for run in runs]
    note = "Of everything that all eight domains need. docs/parameters.md says how the paper's numbers come about."
    return Table("Parameters", ["", "here", "here with the paper's networks", "in the paper"], rows, note)


def seeds(measured: Sequence[Measured]) -> Table:
    """Returns the errors of every seed."""
    rows = [[f"seed {seed}", figure.text] for seed, figure in enumerate(errors(measured))]
    return Table("StarGAN from several seeds", ["", "error"], rows)


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Table3)
