"""The last column of Table 3: the parameters that every system needs for RaFD's eight domains."""

from collections.abc import Callable, Iterator

from stargan_fw import hookimpl
from stargan_fw_reproduce.experiment import Claim, Experiment, ExperimentContext, Section, Table
from stargan_fw_reproduce.experiments.table3 import PUBLISHED


class Params(Experiment):
    """Counts the parameters of the networks. Nothing is trained, and no data is needed."""

    name = "params"
    title = "Table 3: parameters for eight domains"
    about = (
        "How many parameters every system needs to translate between RaFD's eight expressions at 128 pixels, of which "
        "neutral is the source. StarGAN and IcGAN are one model. DIAT has a model for each other expression, and CycleGAN "
        "has two. docs/parameters.md adds the parameters up layer by layer, and says what the paper leaves open."
    )

    def report(self, context: ExperimentContext) -> Iterator[Section]:
        counted = {run: context.parameters(run, "paper") for run in PUBLISHED}
        differ = [run.title for run, text in counted.items() if text != PUBLISHED[run][1]]
        measured = f"Different: {', '.join(differ)}." if differ else "All of them do."
        yield Claim("The networks have the paper's parameters, to 0.1 M.", measured, not differ)
        rows = [[run.title, text, PUBLISHED[run][1], context.parameters(run, "small")] for run, text in counted.items()]
        yield Table("Parameters", ["", "here", "in the paper", "at the small size"], rows)


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Params)
