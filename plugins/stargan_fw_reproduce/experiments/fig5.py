"""Fig. 5: expressions of RaFD's faces."""

from collections.abc import Callable, Iterator

from stargan_fw import hookimpl
from stargan_fw_reproduce.experiment import Experiment, ExperimentContext, Section, SheetRow
from stargan_fw_reproduce.experiments.expressions import OTHERS
from stargan_fw_reproduce.experiments.planned_runs import JOINT


class Figure5(Experiment):
    """Unseen neutral faces with every other expression."""

    name = "fig5"
    title = "Fig. 5: expressions"
    about = (
        "One model, trained on both datasets, gives unseen neutral RaFD faces the seven other expressions. The same "
        "model draws the attributes of Fig. 4."
    )
    runs = (JOINT,)
    minutes = 25

    def report(self, context: ExperimentContext) -> Iterator[Section]:
        caption = "Unseen neutral faces in every other expression."
        faces = {"images": "rafd", "source": "neutral"}
        yield context.sheet("expressions", caption, [SheetRow(JOINT)], to=OTHERS, count=6, **faces)
        found = context.evaluate(self.runs, datasets=("rafd",), source="neutral")
        yield context.overview("How often it succeeds", found)


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Figure5)
