"""Shows the progress of training and decoding."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

from rich.console import Console
from rich.filesize import decimal as format_size
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bar, TextColumn, TimeRemainingColumn, track
from rich.table import Table

from stargan_fw.data.ingest import store_bytes
from stargan_fw.data.source import Source
from stargan_fw.data.store import Store
from stargan_fw.errors import printable
from stargan_fw.interfaces import Tracker, Tuning
from stargan_fw.training.run_changes import LENGTH, Change


class Progress(Tracker):
    """Shows losses, images per second and the time left: in a bar on a terminal, else in a line now and then.

    Args:
        console: the output.
        line_every: steps between lines if the output is no terminal.
    """

    name = "progress"

    def __init__(self, console: Console, line_every: int = 200) -> None:
        self._console = console
        self._line_every = line_every
        self._losses: dict[str, str] = {}
        self._speed = 0.0
        columns = (TextColumn("step"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.fields[speed]}"))
        self._bar = Bar(
            *columns, TimeRemainingColumn(), TextColumn("{task.fields[losses]}", markup=False), console=console
        )
        self._task = self._bar.add_task("train", speed="", losses="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def start(self, step: int, last: int) -> None:
        """Starts at `step` of `last`."""
        self._bar.update(self._task, completed=step, total=last)
        self._last = last

    def advance(self, step: int) -> None:
        """Shows that `step` is done."""
        self._bar.update(self._task, completed=step)
        if not self._console.is_terminal and (step % self._line_every == 0 or step == self._last):
            losses = "  ".join(self._losses.values())
            line = f"step {step}/{self._last}  {self._speed:.0f} images/s  {losses}"
            self._console.print(line, markup=False, soft_wrap=True)

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:  # noqa: ARG002
        """Shows a dataset's latest metrics, named as in `metrics.jsonl`."""
        self._speed = values["images_per_second"]
        shown = " ".join(f"{name} {value:.2f}" for name, value in values.items() if "/" in name)
        self._losses[dataset] = f"{dataset}: {shown}"
        self._bar.update(self._task, speed=f"{self._speed:.0f} images/s", losses="  ".join(self._losses.values()))


def show_progress(description: str, steps: Iterable[int]) -> Iterable[int]:
    """Returns the steps, with a progress bar on standard error if that is a terminal."""
    console = Console(stderr=True)
    return track(steps, escape(description), console=console, transient=True) if console.is_terminal else steps


MOST_NAMES = 10  # shown for images with the same note; `data check` lists them all


def decoding_progress(console: Console, image_size: int) -> Callable[[str, int, Iterable[bytes]], Iterable[bytes]]:
    """Returns a function that wraps a dataset's images to show the progress; `stargan_fw.data.source.decode` takes it."""

    def wrap(name: str, count: int, images: Iterable[bytes]) -> Iterable[bytes]:
        size = format_size(store_bytes(count, image_size))
        console.print(f"decoding {count} images of {name}, which take {size}", markup=False)
        if not console.is_terminal:
            return images
        return track(images, escape(f"decoding {name}"), count, console=console)

    return wrap


def show_skipped(console: Console, sources: Sequence[Source], stores: Mapping[str, Store]) -> None:
    """Lists unreadable images, which training leaves out, and images with a note."""
    for source in sources:
        errors = stores[source.alias].errors
        if errors:
            count = f"{len(errors)} of {len(source.examples)} images"
            console.print(f"{source.alias}: {count} cannot be read and are left out:", markup=False)
        for index, why in errors.items():
            line = printable(f"  {source.name_of(index)}: {why}")
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        _show_notes(console, source, stores[source.alias].notes)


def show_changes(console: Console, changes: Sequence[Change]) -> None:
    """Says which settings a continued run has from now on, and what follows from a new length."""
    changed = [str(change) for change in changes if change.now is not None]
    if changed:
        console.print(f"Changed: {', '.join(changed)}.", markup=False, highlight=False, soft_wrap=True)
    if any(change.key in LENGTH for change in changes):
        console.print("The learning rate now falls as the new length says.", highlight=False)


def show_tuning(console: Console, tuning: Tuning) -> None:
    """Shows what was tried, and the settings that were chosen, as `--set` takes them."""
    heading, *rows = tuning.table
    table = Table(*heading)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
    chosen = " ".join(f"--set training.{name}={value}" for name, value in tuning.chosen.items())
    console.print(f"Trains with {chosen}", markup=False, highlight=False, soft_wrap=True)


def _show_notes(console: Console, source: Source, notes: Mapping[int, str]) -> None:
    for note in sorted(set(notes.values())):
        images = [source.name_of(index) for index, other in notes.items() if other == note]
        some = ", ".join(images[:MOST_NAMES]) + (", …" if len(images) > MOST_NAMES else "")
        line = printable(f"{source.alias}: {len(images)} of {len(source.examples)} images: {note} ({some})")
        console.print(line, markup=False, highlight=False, soft_wrap=True)
