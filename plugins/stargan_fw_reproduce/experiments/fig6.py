"""Fig. 6: expressions on CelebA's faces, from a model of both datasets and from one of RaFD alone."""

from collections.abc import Callable, Iterator

from stargan_fw import hookimpl
from stargan_fw_plugins.datasets.rafd import EXPRESSIONS
from stargan_fw_reproduce.experiment import Bench, Claim, Experiment, Section, SheetRow, Table
from stargan_fw_reproduce.experiments.expressions import by_expression, errors, mean, written
from stargan_fw_reproduce.experiments.runs import JOINT, STARGAN

NAMES = {STARGAN: "SNG: RaFD alone", JOINT: "JNT: both datasets"}


class Figure6(Experiment):
    """What a model gains from a dataset that does not have the labels."""

    name = "fig6"
    title = "Fig. 6: expressions on CelebA's faces"
    about = (
        "CelebA has no labels for expressions. A model of RaFD alone (StarGAN-SNG) has never seen such faces; one of "
        "both datasets (StarGAN-JNT) has, though never with an expression that it was told. Both give unseen CelebA faces "
        "every expression, and a classifier that was trained on RaFD reads the results."
    )
    runs = (STARGAN, JOINT)
    minutes = 30

    def report(self, bench: Bench) -> Iterator[Section]:
        found = bench.evaluate(self.runs, datasets=("rafd",), images="celeba")
        figures = {run: errors(measured) for run, measured in found.items()}
        measured = "; ".join(f"{NAMES[run]}: {written(one)}" for run, one in figures.items())
        holds = mean(figures[JOINT]) < mean(figures[STARGAN])
        yield Claim("On CelebA's faces the joint model's error is below the single model's.", f"{measured}.", holds)
        yield Table(
            "Classification error on CelebA's faces",
            ["model", "error", "steps", "minutes"],
            [
                [NAMES[run], written(one), f"{bench.steps(run):,}", f"{bench.minutes(run):.1f}"]
                for run, one in figures.items()
            ],
            "The classifier was trained on RaFD's faces, so on CelebA's it is out of its element too; both models are "
            "read by the same one.",
        )
        rows = [SheetRow(run, name) for run, name in NAMES.items()]
        for row, name in zip(rows, ("single", "joint"), strict=True):
            caption = f"{row.name}: unseen CelebA faces in every expression."
            yield bench.sheet(name, caption, [SheetRow(row.run)], images="celeba", to=EXPRESSIONS, count=5)
        caption = "Both models, a row each."
        yield bench.sheet("both", caption, rows, images="celeba", to=EXPRESSIONS, count=3)
        yield by_expression(found, EXPRESSIONS)
        yield bench.overview("Everything that was measured", found)


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Figure6)
