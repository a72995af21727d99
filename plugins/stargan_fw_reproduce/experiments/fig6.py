"""Fig. 6: expressions on CelebA's faces, from a model of both datasets and from one of RaFD alone."""

from collections.abc import Callable, Iterator

from stargan_fw import hookimpl
from stargan_fw_plugins.datasets.rafd_files import EXPRESSIONS
from stargan_fw_reproduce.experiment import Claim, Experiment, ExperimentContext, Section, SheetRow, Table
from stargan_fw_reproduce.experiments.expressions import by_expression, errors, mean, written
from stargan_fw_reproduce.experiments.planned_runs import JOINT, STARGAN

NAMES = {STARGAN: "SNG: RaFD alone", JOINT: "JNT: both datasets"}


class Figure6(Experiment):
    """What a model gains from a dataset that lacks the labels."""

    name = "fig6"
    title = "Fig. 6: expressions on CelebA's faces"
    about = (
        "CelebA has no labels for expressions. A model of RaFD alone (StarGAN-SNG) has never seen CelebA's faces. A model "
        "of both datasets (StarGAN-JNT) has seen them, but was never told their expressions. Both models give unseen CelebA "
        "faces every expression, and a classifier that was trained on RaFD reads the results."
    )
    runs = (STARGAN, JOINT)
    minutes = 30

    def report(self, context: ExperimentContext) -> Iterator[Section]:
        found = context.evaluate(self.runs, datasets=("rafd",), images="celeba")
        figures = {run: errors(measured) for run, measured in found.items()}
        measured = "; ".join(f"{NAMES[run]}: {written(one)}" for run, one in figures.items())
        holds = mean(figures[JOINT]) < mean(figures[STARGAN])
        yield Claim("On CelebA's faces the joint model's error is below the single model's.", f"{measured}.", holds)
        yield Table(
            "Classification error on CelebA's faces",
            ["model", "error", "steps", "minutes"],
            [
                [NAMES[run], written(one), f"{context.steps(run):,}", f"{context.minutes(run):.1f}"]
                for run, one in figures.items()
            ],
            "The classifier was trained on RaFD's faces, so CelebA's are as new to it; the same classifier reads both "
            "models' results.",
        )
        rows = [SheetRow(run, name) for run, name in NAMES.items()]
        for row, name in zip(rows, ("single", "joint"), strict=True):
            caption = f"{row.name}: unseen CelebA faces in every expression."
            yield context.sheet(name, caption, [SheetRow(row.run)], images="celeba", to=EXPRESSIONS, count=5)
        caption = "Both models, a row each."
        yield context.sheet("both", caption, rows, images="celeba", to=EXPRESSIONS, count=3)
        yield by_expression(found, EXPRESSIONS)
        yield context.overview("Everything that was measured", found)


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Figure6)
