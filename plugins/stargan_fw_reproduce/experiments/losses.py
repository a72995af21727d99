"""Eq. 1 against Eq. 8: the original adversarial loss and the loss that the paper trains with."""

from collections.abc import Callable, Iterator

from stargan_fw import hookimpl
from stargan_fw_reproduce.experiment import Claim, Experiment, ExperimentContext, Section, SheetRow, Table
from stargan_fw_reproduce.experiments.expressions import OTHERS, by_expression, errors, mean, written
from stargan_fw_reproduce.experiments.planned_runs import STARGAN, VANILLA

EQUATIONS = {STARGAN: "Eq. 8, WGAN-GP", VANILLA: "Eq. 1"}


class Losses(Experiment):
    """The same model, trained for the same steps with each loss."""

    name = "losses"
    title = "Eq. 1 against Eq. 8: what the adversarial loss changes"
    about = (
        "The paper introduces the adversarial loss as it was first published (Eq. 1), and trains with the Wasserstein loss "
        "and a gradient penalty (Eq. 8), for stable training and better pictures. Here the same model is trained on RaFD for "
        "the same steps with each of them, and turns unseen neutral faces into the seven other expressions."
    )
    runs = (STARGAN, VANILLA)
    minutes = 15
    equal = "steps"

    def report(self, context: ExperimentContext) -> Iterator[Section]:
        found = context.evaluate(self.runs, datasets=("rafd",), source="neutral")
        figures = {run: errors(measured) for run, measured in found.items()}
        measured = "; ".join(f"{EQUATIONS[run]}: {written(one)}" for run, one in figures.items())
        holds = mean(figures[STARGAN]) < mean(figures[VANILLA])
        yield Claim("Trained with Eq. 8, the error is lower than with Eq. 1.", f"{measured}.", holds)
        yield Table(
            "Classification error after the same steps",
            ["loss", "error", "steps", "minutes"],
            [
                [EQUATIONS[run], written(one), f"{context.steps(run):,}", f"{context.minutes(run):.1f}"]
                for run, one in figures.items()
            ],
            "A step with Eq. 8 takes longer, because its penalty differentiates twice.",
        )
        yield context.sheet(
            "expressions",
            "Unseen neutral faces; a row for each loss.",
            [SheetRow(run, EQUATIONS[run]) for run in self.runs],
            images="rafd",
            to=OTHERS,
            source="neutral",
        )
        yield by_expression(found)
        yield context.overview("Everything that was measured", found)


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Losses)
