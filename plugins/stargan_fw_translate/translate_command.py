"""`stargan-fw translate` and `stargan-fw sheet`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, Self

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import CurrentOption, DeviceOption, PluginOption, PrecisionOption
from stargan_fw.cli.notes import note
from stargan_fw.errors import DataError, RequestError

if TYPE_CHECKING:
    from PIL import Image

    from stargan_fw.inference.figures import FigureRow
    from stargan_fw.inference.inputs import FileInput, ImageInput, Reading
    from stargan_fw.inference.pipeline import Translated
    from stargan_fw.inference.target_labels import Target
    from stargan_fw.inference.translator import Translator
    from stargan_fw_registry import Edit
    from stargan_fw_translate.outputs import Output

SHEET_IMAGES = 4  # per dataset, if no images are named

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A run folder, a model folder or a Hub id.")]
Masks = Annotated[
    str | None, typer.Option(metavar="right,wrong", help="A row for each: the right mask, or another dataset's.")
]
FaceMargin = Annotated[
    float | None,
    typer.Option(
        min=1,
        max=10,
        help="How wide the square is that --face detect takes, in widths of the face; as in training if the data is there.",
    ),
]


def translate(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Files, folders or globs.")],
    *,
    to: Annotated[
        list[str],
        typer.Option(
            metavar="LABELS",
            help="'label', 'label=0', 'label=0.5', 'label=flip', 'age=60', 'age+20', 'dataset.label'; several with commas, also of several datasets; "
            "names with commas in quotes.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder, or a file for one picture.")] = Path("translated"),
    grid: Annotated[bool, typer.Option("--grid", help="One picture of the input and all edits.")] = False,
    gif: Annotated[bool, typer.Option("--gif", help="An animation through the edits and back.")] = False,
    keep_names: Annotated[bool, typer.Option("--keep-names", help="Give results the names of the inputs.")] = False,
    strength: Annotated[float, typer.Option(help="How far to go, 0 to 1.")] = 1.0,
    current: CurrentOption = None,
    size: Annotated[
        Literal["model", "original"], typer.Option(help="The model's size, or pasted into the original.")
    ] = "model",
    face: Annotated[
        Literal["detect", "none"], typer.Option(help="What to translate: the face that is found, or the middle.")
    ] = "none",
    face_margin: FaceMargin = None,
    precision: PrecisionOption = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Pictures per batch.")] = None,
    device: DeviceOption = None,
    plugin: PluginOption = None,
) -> None:
    """Translate pictures to other labels. Labels that are not named keep the values that the model reads.

    Pictures that cannot be read are named and left out, and the exit code is then 1, or 2 if no picture can be read.
    """
    from stargan_fw.inference.inputs import FileInput
    from stargan_fw.inference.translator import Translator
    from stargan_fw_translate import outputs

    if grid + gif + keep_names > 1:
        raise RequestError("--grid, --gif and --keep-names exclude each other: use one of them.")
    if face_margin is not None and face == "none":
        raise RequestError("--face-margin is the room around a face that is found: add --face detect.")
    kind = outputs.Grid if grid else outputs.Animation if gif else outputs.Pictures
    output = (outputs.NamedPictures if keep_names else kind)(to, out, strength, size)
    unreadable: list[DataError] = []
    files = list(outputs.image_files(images, unreadable, out))
    if not files:
        _refuse_all(unreadable)
    plan = output.plan(files)
    translator = Translator.from_pretrained(
        model,
        device=device,
        precision=precision,
        batch_size=batch_size,
        plugins=plugin or (),
        accelerate=True,
        crop="face" if face == "detect" else None,
    )
    targets = output.targets(translator.labels)
    translator.warn_of_untrained(edits for target in targets for edits in (target.edits, target.start))
    reading = _choose_reading(translator, targets, model, face_margin, plugin or ())
    inputs: dict[ImageInput, list[Path]] = {FileInput(source, reading): paths for source, paths in plan.items()}
    _write_all(translator, targets, output, inputs, current=current, unreadable=unreadable)


def _choose_reading(
    translator: "Translator", targets: "Sequence[Target]", model: str, margin: float | None, plugins: Sequence[Path]
) -> "Reading":
    """Returns how pictures are read: if faces are to be found, with as much room around them as in training."""
    from stargan_fw_translate.framing import frame_faces

    reading = translator.reading(targets)
    if reading.crop:
        return frame_faces(reading, margin, model, targets[0].datasets[0], plugins)
    if trained_on := translator.own_crop(targets):
        note(
            "If the face does not fill your picture as it filled those of the training, add --face detect. "
            f"(Training kept {trained_on}.)"
        )
    return reading


def _write_all(
    translator: "Translator",
    targets: "Sequence[Target]",
    output: "Output",
    files_of: "dict[ImageInput, list[Path]]",
    *,
    current: str | None,
    unreadable: list[DataError],
) -> None:
    """Reads, translates and writes the pictures, a batch at a time. Adds those that turn out unreadable to a list."""
    from concurrent.futures import ThreadPoolExecutor

    from stargan_fw.inference.inputs import FileInput
    from stargan_fw.inference.pipeline import map_batches

    listed = len(files_of) + len(unreadable)

    def write(translated: "Translated") -> list[Path]:
        paths = files_of[translated.image]
        try:
            output.write(translated, paths)
        except DataError as error:  # it has vanished since it was read
            unreadable.append(error)
            return []
        return paths

    def leave_out(_: "ImageInput", error: DataError) -> None:
        unreadable.append(error)

    with ThreadPoolExecutor() as pool, _Progress(len(files_of), output.out) as progress:
        batches = translator.pipeline.run(files_of, targets, current=current, unreadable=leave_out)
        for written in map_batches(batches, write, pool):
            for paths in written:
                progress.show(paths)
    _report_crops([image for image in files_of if isinstance(image, FileInput) and image.note])
    _report_unreadable(unreadable, listed)


def _report_crops(noted: "Sequence[FileInput]") -> None:
    for text in sorted({image.note for image in noted}):
        named = [image.path for image in noted if image.note == text]
        note(f"{len(named)} picture{'s' * (len(named) > 1)}: {text}, such as on '{named[0]}'.")


def _refuse_all(unreadable: Sequence[DataError]) -> NoReturn:
    """Raises an error that names all pictures, none of which can be read: then the request was wrong."""
    if len(unreadable) == 1:
        raise unreadable[0]
    lines = [
        f"None of the {len(unreadable)} pictures can be read." if unreadable else "There are no pictures. Name some."
    ]
    raise DataError("\n".join([*lines, *map(str, unreadable)]))


def _report_unreadable(unreadable: Sequence[DataError], count: int) -> None:
    """Reports unreadable pictures, and ends the program if there are any."""
    if len(unreadable) == count:
        _refuse_all(unreadable)
    for error in unreadable:
        note(f"Left out: {error}")
    if unreadable:
        note(f"Error: {len(unreadable)} of {count} pictures could not be read.")
        raise typer.Exit(1)


def sheet(
    model: Model,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGE...]", help="Files, folders or globs; by default held-out images of the run."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture to write.")] = Path("sheet.png"),
    to: Annotated[
        list[str] | None, typer.Option(metavar="LABELS", help="One column; repeatable. By default a column per domain.")
    ] = None,
    down: Annotated[
        list[str] | None,
        typer.Option(metavar="LABELS", help="A further row per picture, combined with every column; repeatable."),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Another model, in its own rows; repeatable."),
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="A model's title, in the models' order; repeatable.")] = None,
    mask: Masks = None,
    current: CurrentOption = None,
    precision: PrecisionOption = "auto",
    device: DeviceOption = None,
    plugin: PluginOption = None,
) -> None:
    """Draw pictures with a column per domain, or per named edit. An edit may combine labels.

    For example: --to label,other=flip --to other=flip,third=flip. With --down brown --down blond each picture has a row without,
    one with brown and one with blond under all columns, which are by default the domains of the other datasets.
    """
    from stargan_fw.inference.figures import draw_figure
    from stargan_fw.rendering.pictures import check_picture_target, save_picture

    check_picture_target("--out", out)
    models = [model, *(against or ())]
    names = name or [Path(path).name for path in models]
    if len(names) != len(models):
        raise RequestError(f"{len(models)} models have {len(names)} names: use --name once per model, or not at all.")
    masks = _parse_masks(mask)
    pictures, labels = _choose_pictures(model, images, current, plugin or ())
    rows = _open_rows(list(zip(models, names, strict=True)), masks, precision, device, plugin or ())
    for row in rows:
        for edit in [*(to or ()), *(down or ()), *(f"{across},{below}" for across in to or () for below in down or ())]:
            row.translator.labels.resolve_all(edit)
    # A wrong mask shows what the mask does to one dataset's labels.
    dataset = rows[0].translator.labels.datasets[-1] if "wrong" in masks else None
    picture = draw_figure(rows, pictures, to, labels, dataset, down=down or ())
    save_picture(picture, out)
    typer.echo(out)


def _parse_masks(text: str | None) -> list[Literal["right", "wrong"]]:
    masks: list[Literal["right", "wrong"]] = []
    for part in (text or "right").split(","):
        if part.strip() == "right":
            masks.append("right")
        elif part.strip() == "wrong":
            masks.append("wrong")
        else:
            raise RequestError(f"--mask {text}: '{part}' is neither right nor wrong. Write --mask right,wrong.")
    return masks


def _open_rows(
    models: Sequence[tuple[str, str]],
    masks: Sequence[Literal["right", "wrong"]],
    precision: Literal["auto", "fp32", "bf16"],
    device: str | None,
    plugins: Sequence[Path],
) -> "list[FigureRow]":
    from stargan_fw.inference.figures import FigureRow
    from stargan_fw.inference.translator import Translator

    rows = []
    for model, name in models:
        translator = Translator.from_pretrained(
            model, device=device, precision=precision, plugins=plugins, accelerate=True
        )
        for mask in masks:
            parts = [name] * (len(models) > 1) + [f"{mask} mask"] * (masks != ["right"])
            rows.append(FigureRow(translator if mask == "right" else translator.variant("mask", mask), " ".join(parts)))
    return rows


def _choose_pictures(
    model: str, images: Sequence[Path] | None, current: str | None, plugins: Sequence[Path]
) -> "tuple[Sequence[Path | Image.Image], str | Sequence[Edit] | None]":
    """Returns the pictures of a sheet with their current labels; some test images of the run if none are named."""
    if images:
        from stargan_fw_translate.outputs import image_files

        return [file for file, _ in image_files(images)], current

    from stargan_fw_translate.framing import held_out_pictures

    pictures, labels = held_out_pictures(model, SHEET_IMAGES, plugins)
    return pictures, current or labels


class _Progress:
    """Shows a progress bar and a summary on a terminal, otherwise the written files, one per line."""

    def __init__(self, count: int, out: Path) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._out, self._lines, self._written = out, not sys.stdout.isatty(), 0
        self._bar = Progress(console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("translating", total=count)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if not self._lines:
            typer.echo(f"{self._written} file{'s' * (self._written != 1)}: {self._out}")

    def show(self, paths: list[Path]) -> None:
        self._bar.advance(self._task)
        self._written += len(paths)
        for path in paths if self._lines else ():
            typer.echo(path)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers the commands in the order of `--help`."""
    register(Command("translate", translate, after="train"))
    register(Command("sheet", sheet, after="translate"))
