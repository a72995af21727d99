"""Fig. 4: attributes of CelebA's faces, one at a time and several at once."""

from collections.abc import Callable, Iterator

from stargan_fw import hookimpl
from stargan_fw_reproduce.experiment import Experiment, ExperimentContext, Section, SheetRow
from stargan_fw_reproduce.experiments.planned_runs import JOINT

SINGLE = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male=flip", "Young=flip")
SEVERAL = (
    "Blond_Hair,Male=flip",
    "Blond_Hair,Young=flip",
    "Male=flip,Young=flip",
    "Blond_Hair,Male=flip,Young=flip",
)


class Figure4(Experiment):
    """Hair colour, gender and age, and their combinations."""

    name = "fig4"
    title = "Fig. 4: attributes of faces, one at a time and several at once"
    about = (
        "One model, trained on both datasets, changes hair colour, gender and age of unseen CelebA faces. What is not "
        'named stays as it is: the model\'s own classifier reads it from the picture. "Flip" turns a label over, so that '
        "men become women and the young old, and the reverse."
    )
    runs = (JOINT,)
    minutes = 25

    def report(self, context: ExperimentContext) -> Iterator[Section]:
        row = [SheetRow(JOINT)]
        yield context.sheet("single", "One attribute at a time.", row, images="celeba", to=SINGLE, count=6)
        yield context.sheet("several", "Several attributes at once.", row, images="celeba", to=SEVERAL, count=6)
        yield context.overview("How often it succeeds", context.evaluate(self.runs, datasets=("celeba",)))


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Figure4)
