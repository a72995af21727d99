"""The page of a demo: what a person sees, and what happens when they change something."""

from __future__ import annotations

import html
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image  # noqa: TC002 - gradio reads the annotations of what it calls

from stargan_fw.errors import DataError
from stargan_fw.rendering.sheets import draw_sheet
from stargan_fw_demo.demo_models import RESULT, Answer, DemoModel, Request
from stargan_fw_demo.label_controls import Number, make_controls
from stargan_fw_demo.uploaded_picture import read_upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stargan_fw_demo.label_controls import DatasetControls

EXAMPLES = 4  # per dataset
WAITING = 64  # requests in the queue
THREADS, SESSIONS = 4, 200
FORGOTTEN = 30 * 60  # seconds after which pictures are deleted
ONE_AT_A_TIME = {"concurrency_limit": 1, "concurrency_id": "models", "api_visibility": "private"}
SIZES = [("as the model makes it", "model"), ("pasted into the picture", "original")]
HINT = "Choose a picture, and then a label."
STRENGTH = "0 keeps the labels as they are, 1 changes them in full."
BITS = (
    "A label sets its dataset's bit. A bit without a label gives the model the labels that it reads from the picture."
)
STYLE = """
.pictures img { object-fit: contain; width: 100%; height: 100%; }
/* A result is as high as the picture, and its title stands below, beside the picture's buttons. */
.pictures [id^=result-] img { height: calc(100% - 40px); margin-bottom: 40px; }
.pictures [id^=result-] label { top: auto; bottom: 0; }
.remarks .html-container { padding: 0; }
.remarks p { margin: 0.25rem 0; overflow-wrap: anywhere; }
.remarks code { font-size: 0.85em; }
#examples .grid-container { grid-template-columns: repeat(auto-fill, minmax(110px, 1fr)); }
.every .grid-container { grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); }
.every .grid-wrap { padding-top: 2rem; }
#examples .caption-label, .every .caption-label { max-width: 100%; white-space: normal; }
#examples .caption-label { font-size: 0.7rem; line-height: 1.2; }
#examples .grid-wrap, .every .grid-wrap { min-height: 0; max-height: none; height: auto; overflow: visible; }
:focus-visible { outline: 3px solid #2563eb !important; outline-offset: 2px; }
@media (max-width: 640px) {
  h1 { font-size: 1.3rem !important; }
  .pictures { position: sticky; top: 0; z-index: 60; flex-wrap: nowrap !important; gap: 4px !important; }
  .pictures { background: var(--body-background-fill); padding: 4px 0; }
  .pictures > .block { height: 170px !important; min-width: 0 !important; flex: 1 1 0 !important; }
  .pictures label { font-size: 0.65rem; line-height: 1.1; padding: 3px 5px; max-width: 100%; }
  .pictures label > span { display: none; }
  .pictures [id^=result-] img { margin-bottom: 0; }  /* between its buttons and its title */
  .every .caption-label { padding: 0 4px; font-size: 0.65rem; }
  #picture .upload-container .wrap { min-height: 0; padding: 0; margin: 0; font-size: 0.75rem; line-height: 1.4; }
  #picture .upload-container .or { display: inline; }
  #examples .grid-container { grid-template-columns: repeat(auto-fill, minmax(62px, 1fr)); }
  #examples .caption-label { display: none; }
  .every .grid-container { grid-template-columns: repeat(auto-fill, minmax(96px, 1fr)); }
}
"""
# Gradio applies `STYLE` only to what is inside its container, in which nothing could stay in sight if it hid what overflows.
HEAD = """<style>
@media (max-width: 640px) {
  .gradio-container { overflow: visible !important; }
  .gradio-container > .main { padding: 8px 12px !important; }
}
</style>"""


def _path_of(payload: Any) -> str | None:
    """Returns the path of a file that was sent, which `read_upload` opens."""
    return payload.path if payload else None


class DemoPage:
    """The page and its handlers.

    Args:
        models: at least one; their names differ.

    Attributes:
        blocks: the page.
        theme: its look, with fonts of the reader's own machine.
        style: what its style sheet adds to that.
        head: what its style sheet adds outside of gradio's container.

    Raises:
        ModelError: the models have no label in common.
    """

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    theme.set(  # its own greys are hard to see
        block_info_text_color="*neutral_600",
        body_text_color_subdued="*neutral_600",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
    )
    style, head = STYLE, HEAD

    def __init__(self, models: Sequence[DemoModel]) -> None:
        self._models = models
        # glibc keeps what a thread's arena once held. Gradio's threads come and go, and each would keep a translation's memory.
        self._worker = ThreadPoolExecutor(1, "demo-models")
        self._controls = make_controls({model.name: model.translator.labels for model in models})
        self._saved: set[str] = set()  # files that the page deletes when they are old
        self._examples = next(filter(None, (model.examples(EXAMPLES) for model in models)), [])
        with gr.Blocks(title="stargan-fw demo", analytics_enabled=False, delete_cache=(60, FORGOTTEN)) as self.blocks:
            self._lay_out()
            self._connect()
        self.blocks.temp_file_sets.append(self._saved)
        # A session keeps some 50 kB until it is the oldest of more than `SESSIONS`.
        self.blocks.max_threads, self.blocks.state_session_capacity = THREADS, SESSIONS
        self.blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)

    def _lay_out(self) -> None:
        """Places the components on the page."""
        titles = [model.name for model in self._models]
        gr.Markdown(f"# Change the labels of a picture\n{_escape(' and '.join(titles))}")
        with gr.Row(elem_classes="pictures"):
            self._picture = gr.Image(label="Picture", height=300, format="png", buttons=[], elem_id="picture")
            # Its own way would open a file with any of Pillow's decoders. (Of a subclass gradio writes a stub beside its module.)
            self._picture.preprocess = _path_of
            self._results = [
                gr.Image(
                    label=title if len(titles) > 1 else "Result",
                    height=300,
                    format="png",
                    interactive=False,
                    buttons=["download", "fullscreen"],
                    elem_id=f"result-{number}",
                )
                for number, title in enumerate(titles)
            ]
        self._remarks = gr.HTML(_paragraphs([HINT]), elem_id="remarks", elem_classes="remarks")
        self._lay_out_examples()
        with gr.Row():
            self._values = [self._lay_out_dataset(controls) for controls in self._controls]
            self._lay_out_options()
        self._every = gr.Button("Show every label", elem_id="every")
        self._grid_remarks = gr.HTML(elem_classes="remarks")
        self._grids = [self._lay_out_grid(number, title) for number, title in enumerate(titles)]
        self._sheet = gr.DownloadButton("Download all as one picture", visible=False, elem_id="sheet")

    def _lay_out_examples(self) -> None:
        self._known = gr.State(None)  # the number of the example that is shown
        shown = bool(self._examples)
        gr.Markdown("Or choose one of these, which the model was not trained on:", visible=shown)
        self._gallery = gr.Gallery(
            [(picture, words) for picture, _, words in self._examples],
            show_label=False,
            height="auto",
            allow_preview=False,
            interactive=False,
            format="png",
            buttons=[],
            visible=shown,
            elem_id="examples",
        )

    def _lay_out_dataset(self, controls: DatasetControls) -> list[Any]:
        """Places the controls of one dataset and returns them."""
        placed: list[Any] = []
        with gr.Column(min_width=280):
            gr.Markdown(f"### {_escape(controls.schema.name)}")
            with gr.Group():
                for control in controls.controls:
                    if isinstance(control, Number):
                        placed.append(gr.Checkbox(value=False, label=f"Set: {control.title}", container=True))
                        middle = control.low + round((control.high - control.low) / 2 / control.step) * control.step
                        ends = control.low, control.high, middle
                        placed.append(gr.Slider(*ends, step=control.step, label=control.title))
                    else:
                        placed.append(gr.Radio(list(control.options), value="", label=control.title))
        return placed

    def _lay_out_options(self) -> None:
        several = len(self._controls) > 1
        about_faces = next(filter(None, (model.no_faces for model in self._models)), "")
        with gr.Column(min_width=280):
            gr.Markdown("### Options")
            with gr.Group():
                self._strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", info=STRENGTH, elem_id="strength")
                self._face = gr.Checkbox(
                    value=False,
                    label="Find the face",
                    info=html.escape(about_faces or self._about_squares()),
                    interactive=not about_faces,
                    elem_id="face",
                )
                self._size = gr.Radio(SIZES, value="model", label="Result")
                self._bits = gr.CheckboxGroup(
                    [one.schema.name for one in self._controls],
                    label="Mask: datasets whose labels the model is given",
                    info=BITS,
                    visible=several,
                    elem_id="bits",
                )
                self._wrong_mask = gr.Checkbox(
                    value=False,
                    label="Set another dataset's mask bit",
                    info="As in Figure 7 of the paper: the labels should then do nothing.",
                    visible=several and all(model.has_wrong_mask for model in self._models),
                    elem_id="wrong-mask",
                )

    def _about_squares(self) -> str:
        """Says which part of a picture is translated if no face is looked for."""
        squares = dict.fromkeys(filter(None, (model.trained_on for model in self._models)))
        trained_on = f" Training kept {'; '.join(squares)}." if squares else ""
        return f"Otherwise the middle of the picture is translated.{trained_on}"

    def _lay_out_grid(self, number: int, title: str) -> gr.Gallery:
        return gr.Gallery(
            label=f"Every label by {title}",
            height="auto",
            object_fit="contain",
            elem_classes="every",
            format="png",
            interactive=False,
            visible=False,
            elem_id=f"grid-{number}",
            buttons=["download", "fullscreen"],
        )

    def _connect(self) -> None:
        """Says what happens if something on the page changes."""
        options = (self._strength, self._face, self._size, self._wrong_mask, self._bits)
        placed = [component for of_dataset in self._values for component in of_dataset]
        asked = {self._picture, self._known, *options, *placed}
        ticks = [component for component in placed if isinstance(component, gr.Checkbox)]
        translating: dict[str, Any] = {
            "inputs": asked,
            "outputs": [*self._results, self._remarks, self._bits, *ticks],
            "show_progress": "minimal",
            **ONE_AT_A_TIME,
        }
        for controls, of_dataset in zip(self._controls, self._values, strict=True):
            for before, component in pairwise([None, *of_dataset]):
                tick = before if isinstance(component, gr.Slider) else None
                change = partial(self._translate, dataset=controls.schema.name, tick=tick)
                component.input(change, trigger_mode="always_last", **translating)
        gr.on([one.input for one in options], self._translate, trigger_mode="always_last", **translating)
        shown: dict[str, Any] = {"outputs": [self._picture, self._known], **ONE_AT_A_TIME}
        self._picture.input(self._receive, self._picture, **shown).then(self._translate_picture, **translating)
        self._gallery.select(self._show_example, None, **shown).then(self._translate_picture, **translating)
        grid = [*self._grids, self._grid_remarks, self._sheet]
        self._every.click(self._translate_to_all, asked, grid, **ONE_AT_A_TIME)

    def _receive(self, path: str | None) -> tuple[Image.Image | None, None]:
        """Returns a picture that was sent, as the page shows it, and no example's number."""
        return self._read(path), None

    def _read(self, path: str | None) -> Image.Image | None:
        """Returns the picture in a file. If there is none, says so on the page."""
        try:
            options = self._models[0].translator.reading().options
            return self._worker.submit(read_upload, Path(path), options).result() if path else None
        except DataError as error:
            gr.Warning(html.escape(str(error)), title="No picture")
            return None

    def _show_example(self, selected: gr.SelectData) -> tuple[Image.Image, int]:
        """Returns the chosen example and its number."""
        return self._examples[selected.index][0], selected.index

    def _request(self, values: dict[Any, Any]) -> Request | None:
        """Returns what a person asks; None if there is no picture."""
        picture, example = self._read(values[self._picture]), values[self._known]
        known = None if example is None else self._examples[example][1]
        options = (values[one] for one in (self._face, self._size, self._strength, self._wrong_mask))
        return None if picture is None else Request(picture, known, *options)

    def _translate(self, values: dict[Any, Any], *, dataset: str = "", tick: Any = None) -> dict[Any, Any]:
        """Returns what changes on the page.

        Args:
            values: the value of each component.
            dataset: the dataset whose controls were used, which sets or clears its mask bit; empty if none was.
            tick: the box of a slider that was moved, which is then ticked.
        """
        ticked = {} if tick is None else {tick: True}
        edits = self._edits(values | ticked)
        bits = [name for name, edit in edits.items() if (edit if name == dataset else name in values[self._bits])]
        changed = {self._bits: bits, **ticked}
        request = self._request(values) if bits else None
        if request is None:
            return {**changed, **dict.fromkeys(self._results), self._remarks: _paragraphs([HINT])}
        wanted = {name: edits[name] for name in bits}
        answers = [self._worker.submit(model.translate, request, wanted).result() for model in self._models]
        shown = {
            component: answer.pictures.get(RESULT) for component, answer in zip(self._results, answers, strict=True)
        }
        command = _command(self._models, request, wanted)
        return {**changed, **shown, self._remarks: _paragraphs(self._remarks_of(answers), command)}

    def _translate_picture(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """Returns what changes after a picture was chosen, with the mask bits of all labels that are chosen.

        A label that was chosen while the picture was on its way has set no bit yet in `values`.
        """
        bits = [name for name, edit in self._edits(values).items() if edit or name in values[self._bits]]
        return self._translate(values | {self._bits: bits})

    def _edits(self, values: dict[Any, Any]) -> dict[str, str]:
        """Returns the edit that is set for each dataset, or an empty text."""
        placed = zip(self._controls, self._values, strict=True)
        return {one.schema.name: one.edit([values[component] for component in own]) for one, own in placed}

    def _translate_to_all(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """Returns galleries of every label, and a sheet of them to save."""
        request = self._request(values)
        if request is None:
            gr.Warning("Choose a picture first.", title="No picture")
            return {self._sheet: gr.skip()}
        answers = [self._worker.submit(model.translate_to_all, request).result() for model in self._models]
        grids = {
            grid: gr.Gallery([(picture, name) for name, picture in answer.pictures.items()], visible=True)
            for grid, answer in zip(self._grids, answers, strict=True)
        }
        sheet = self._save_sheet(request, answers)
        remarks = _paragraphs(self._remarks_of(answers))
        return {**grids, self._grid_remarks: remarks, self._sheet: gr.DownloadButton(value=sheet, visible=bool(sheet))}

    def _save_sheet(self, request: Request, answers: Sequence[Answer]) -> str | None:
        """Saves one row per model of the labels that all of them drew, and returns the file; None if there is no label."""
        names = [name for name in answers[0].pictures if all(name in answer.pictures for answer in answers)]
        if not names:
            return None
        rows = [[request.picture, *(answer.pictures[name] for name in names)] for answer in answers]
        titles = [model.name for model in self._models] if len(self._models) > 1 else []
        path = Path(mkdtemp(dir=get_upload_folder())) / "labels.png"
        side = max(128, *(row[1].width for row in rows))
        self._worker.submit(draw_sheet, rows, ["input", *names], side, titles).result().save(path)
        self._saved.add(str(path))
        return str(path)

    def _remarks_of(self, answers: Sequence[Answer]) -> list[str]:
        """Returns the models' remarks, with a model's name if not all models have that remark."""
        shared = [remark for remark in answers[0].remarks if all(remark in answer.remarks for answer in answers)]
        named = zip(self._models, answers, strict=True)
        own = [f"{model.name}: {one}" for model, answer in named for one in answer.remarks if one not in shared]
        return shared + own


def _command(models: Sequence[DemoModel], request: Request, edits: dict[str, str]) -> str:
    """Returns the command line that does the same with the first model; empty if there is none."""
    if not all(edits.values()) or request.wrong_mask:
        return ""
    words = ["stargan-fw", "translate", models[0].path, "PICTURE", "--to", ",".join(edits.values())]
    words += ["--strength", f"{request.strength:g}"] * (request.strength != 1)
    words += ["--face", "detect"] * request.find_face + ["--size", request.size] * (request.size != "model")
    return shlex.join(words)


def _paragraphs(remarks: Sequence[str], command: str = "") -> str:
    """Returns remarks as HTML, which a screen reader reads out when it changes, and below them a command line."""
    lines = [html.escape(remark) for remark in remarks]
    lines += [f"The same on the command line: <code>{html.escape(command)}</code>"] * bool(command)
    return f'<div role="status">{"".join(f"<p>{line}</p>" for line in lines)}</div>'


def _escape(text: str) -> str:
    """Returns a text so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|<>~$-])", r"\\\1", text)
