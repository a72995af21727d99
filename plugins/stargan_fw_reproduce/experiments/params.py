"""The last column of Table 3: what every system takes for RaFD's eight domains."""

from collections.abc import Callable, Iterator

from stargan_fw import hookimpl
from stargan_fw_reproduce.experiment import Bench, Claim, Experiment, Section, Table
from stargan_fw_reproduce.experiments.table3 import PUBLISHED


class Params(Experiment):
    """Counted from the networks alone: nothing is trained, and no data is needed."""

    name = "params"
    title = "Table 3: parameters for eight domains"
    about = (
        "How many parameters every system needs to translate between RaFD's eight expressions at 128 pixels, of which "
        "neutral is translated from: one model where it is StarGAN or IcGAN, one for each other expression with DIAT, two "
        "for each with CycleGAN. docs/parameters.md adds them up layer by layer, and says what the paper leaves open."
    )

    def report(self, bench: Bench) -> Iterator[Section]:
        counted = {run: bench.parameters(run, "paper") for run in PUBLISHED}
        differ = [run.title for run, text in counted.items() if text != PUBLISHED[run][1]]
        measured = f"Different: {', '.join(differ)}." if differ else "All of them do."
        yield Claim("The networks have the paper's parameters, to 0.1 M.", measured, not differ)
        rows = [[run.title, text, PUBLISHED[run][1], bench.parameters(run, "small")] for run, text in counted.items()]
        yield Table("Parameters", ["", "here", "in the paper", "at the small size"], rows)


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Params)
