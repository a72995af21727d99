"""Fig. 7: what the mask does, measured."""

from collections.abc import Callable, Iterator, Sequence

from stargan_fw import hookimpl
from stargan_fw_plugins.datasets.rafd_files import EXPRESSIONS
from stargan_fw_reproduce.experiment import (
    Claim,
    Experiment,
    ExperimentContext,
    Figure,
    Mask,
    Measured,
    Section,
    SheetRow,
    Table,
)
from stargan_fw_reproduce.experiments.planned_runs import JOINT

MASKS: Sequence[Mask] = ("right", "wrong")
YOUNG = "celeba.Young"
LEAST_RIGHT, MOST_WRONG = 0.70, 0.25


class Figure7(Experiment):
    """With the right mask an expression appears; with the wrong mask the face ages instead."""

    name = "fig7"
    title = "Fig. 7: the role of the mask"
    about = (
        "The mask tells a joint model which dataset's labels to follow. Here unseen CelebA faces are given RaFD's "
        "expressions twice: with the right mask, and with CelebA's. With the wrong mask the model is "
        "expected to ignore the expression and to follow CelebA's labels. They are all zero, which means not young: the "
        "face ages.\n\n"
        "A classifier that was trained on RaFD reads the expression, another that was trained on CelebA reads youth."
    )
    runs = (JOINT,)
    minutes = 25

    def report(self, context: ExperimentContext) -> Iterator[Section]:
        found = {
            mask: context.evaluate(self.runs, datasets=("rafd",), images="celeba", mask=mask, read=(YOUNG,))[JOINT][0]
            for mask in MASKS
        }
        right, wrong = (found[mask] for mask in MASKS)
        yield _expression("With the right mask", right, f"at least {LEAST_RIGHT:.0%}", read(right) >= LEAST_RIGHT)
        yield _expression("With the wrong mask", wrong, f"at most {MOST_WRONG:.0%}", read(wrong) <= MOST_WRONG)
        yield _youth(right, wrong)
        yield Table(
            "What is read from the faces",
            ["mask", "expression that was asked for", "young", "young among the inputs"],
            [[mask, share_read(one), young(one).text, youth_of_inputs(one).text] for mask, one in found.items()],
            f"The model was trained for {context.minutes(JOINT):.1f} minutes, {context.steps(JOINT):,} steps.",
        )
        yield _course(context)
        rows = [SheetRow(JOINT, "right mask"), SheetRow(JOINT, "wrong mask", "wrong")]
        caption = "Unseen CelebA faces in every expression, with the right and with the wrong mask."
        yield context.sheet("masks", caption, rows, images="celeba", to=EXPRESSIONS)
        yield _by_expression(right, wrong)


def read(measured: Measured, target: str = "rafd") -> float:
    """Returns the share of faces that show the expression that was asked for."""
    return 1 - measured.value("classification_error", target).value


def share_read(measured: Measured) -> str:
    """Returns the share of `read`, with its interval."""
    error = measured.value("classification_error", "rafd")
    if error.low is None or error.high is None:
        return f"{1 - error.value:.2%}"
    return f"{1 - error.value:.2%} [{1 - error.high:.2%}, {1 - error.low:.2%}]"


def young(measured: Measured) -> Figure:
    """Returns the share of results that are read as young."""
    return measured.value("share_read", YOUNG)


def youth_of_inputs(measured: Measured) -> Figure:
    """Returns the share of inputs that are read as young."""
    return measured.value("share_read_of_input", YOUNG)


def _expression(when: str, measured: Measured, aim: str, holds: bool) -> Claim:
    text = f"{when}, the expression that was asked for is read on {aim} of the faces."
    return Claim(text, f"On {share_read(measured)}.", holds)


def _youth(right: Measured, wrong: Measured) -> Claim:
    shares = f"{young(wrong).text} with the wrong mask, {young(right).text} with the right one"
    measured = f"{shares}, {youth_of_inputs(wrong).text} of the inputs."
    holds = young(wrong).value < min(young(right).value, youth_of_inputs(wrong).value)
    return Claim(
        "With the wrong mask fewer faces are read as young than with the right mask, and fewer than before.",
        measured,
        holds,
    )


def _course(context: ExperimentContext) -> Table:
    """Returns what was read at each checkpoint, and the step after which both shares stay beyond their thresholds."""
    courses = [context.history(JOINT, datasets=("rafd",), images="celeba", mask=mask, read=(YOUNG,)) for mask in MASKS]
    minutes = context.minutes(JOINT) / context.steps(JOINT)
    rows, learned = [], None
    for (step, right), (_, wrong) in zip(*courses, strict=True):
        holds = read(right) >= LEAST_RIGHT and read(wrong) <= MOST_WRONG
        learned = (learned or step) if holds else None
        shares = [f"{share:.1%}" for share in (read(right), read(wrong), young(right).value, young(wrong).value)]
        rows.append([f"{step:,}", f"{minutes * step:.1f}", *shares])
    header = ["step", "minutes", "right mask: expression", "wrong mask: expression", "right: young", "wrong: young"]
    when = f"The mask was learned after {minutes * learned:.1f} minutes" if learned else "The mask was not learned"
    note = f"{when}: from then on both claims about the expression hold. Measured on a part of the faces."
    return Table("When the mask was learned", header, rows, note)


def _by_expression(right: Measured, wrong: Measured) -> Table:
    rows = [[name, *(f"{read(one, f'rafd.{name}'):.1%}" for one in (right, wrong))] for name in EXPRESSIONS]
    return Table("Faces on which the expression is read", ["asked for", "right mask", "wrong mask"], rows)


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Figure7)
