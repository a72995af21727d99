"""The page of every kind of file that the program writes, with the fields that the code reads and checks.

A file that has a class in the code gets its fields from there. A test looks for files that the code names and this list lacks.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from component_reference import described
from docstrings import Docstring, definition, escape


@dataclass(frozen=True)
class FileKind:
    """One kind of file.

    Attributes:
        path: where the file is, with `*` for a part that varies; the part in capitals is the folder's place holder.
        about: what the file holds, in Markdown.
        described_by: classes and modules, as "module:Class", whose docstrings say more: their fields are listed.
    """

    path: str
    about: str
    described_by: tuple[str, ...] = ()


RUN = [
    FileKind(
        "RUN/config.toml",
        "The complete configuration of the run: every key of [the configuration](configuration.md). `train --config` with this file "
        "repeats the run. The folder is a run once this file is there.",
    ),
    FileKind(
        "RUN/labels.json",
        "The label space: the datasets in the order of the joint label vector, with their labels. Written once.",
    ),
    FileKind(
        "RUN/splits.json",
        "Which images are held out, per dataset. `--resume` refuses data that is divided in another way.",
        ("stargan_fw.runs.split_record:describe_split",),
    ),
    FileKind(
        "RUN/metrics.jsonl",
        "One JSON object per line and per `training.log_every` steps and dataset: `step`, `dataset`, the terms of each phase's "
        "loss as `<phase>/<term>` (`d/adv`, `d/cls`, `d/gp`, `g/adv`, `g/cls`, `g/rec`, …), `lr` and `images_per_second`. A step is an "
        "update of the discriminator.",
    ),
    FileKind("RUN/samples/step-*.png", "A sheet of held-out images in every domain, drawn at that step."),
    FileKind(
        "RUN/checkpoints/step-*/state.json",
        "The step and all other values that are no tensors. A checkpoint's folder appears whole or not at all.",
        ("stargan_fw.runs.checkpoint",),
    ),
    FileKind(
        "RUN/checkpoints/step-*/*.safetensors",
        "The weights of one network, by its name in the method: `generator`, `discriminator`, …",
    ),
    FileKind(
        "RUN/checkpoints/step-*/ema.safetensors",
        "The moving average of the generator's weights, if `training.ema` is not 0.",
    ),
    FileKind("RUN/checkpoints/step-*/optimizers.safetensors", "The state of the optimisers; only training reads it."),
    FileKind(
        "RUN/checkpoints/step-*/SHA256SUMS", "The checksums of the other files, as `sha256sum --check` reads them."
    ),
    FileKind(
        "RUN/changes.jsonl",
        "One line per change that `--resume` made: `step` and `changes`, by key from what to what. Missing if nothing was changed.",
    ),
    FileKind("RUN/tuning.json", "What `training.tune` tried, how fast each way was, and which one it took."),
    FileKind(
        "RUN/evaluation.json",
        "What `evaluate` measured; see [evaluation](../evaluation.md).",
        ("stargan_fw_evaluate.evaluation_record:Evaluation", "stargan_fw_evaluate.evaluation_record:Row"),
    ),
    FileKind(
        "RUN/reproduce.json",
        "Written by `reproduce` beside a run that it trained.",
        ("stargan_fw_reproduce.run_length:RunRecord",),
    ),
    FileKind(
        "RUN/.lock",
        "Locked by the process that trains in this folder. The file may stay behind, and means nothing then.",
    ),
    FileKind("RUN/.lock.json", "A note for messages: which process holds the lock, on which machine, since when."),
    FileKind(
        "RUN/tensorboard/events.out.tfevents.*",
        "The metrics and sheets for TensorBoard, if `training.trackers` has it.",
    ),
]
MODEL = [
    FileKind(
        "MODEL/config.json",
        "What the weights mean and which components they need.",
        (
            "stargan_fw.models.model_config:ModelConfig",
            "stargan_fw.models.model_config:Need",
            "stargan_fw.models.model_config:Pictures",
        ),
    ),
    FileKind(
        "MODEL/model.safetensors",
        "The networks that translate (averaged weights, if the run has them), with the format's version as metadata.",
    ),
    FileKind(
        "MODEL/classifier.safetensors",
        "The network that reads labels from images. It is opened only if an edit needs current labels.",
    ),
    FileKind(
        "MODEL/model.onnx",
        "The generator for ONNX runtimes (`export --format onnx`), in place of the safetensors files.",
    ),
    FileKind("MODEL/README.md", "The model card in the format of the Hugging Face Hub."),
    FileKind("MODEL/sheet.png", "The sheet that the model card shows."),
]
DATA = [
    FileKind(
        "DATA/*/stand-in.json",
        "The seed that stand-in data was drawn with, so that the true picture of every edit can be drawn.",
    ),
    FileKind(
        "CACHE/*-*px-*.arrow",
        "A dataset's images, decoded, cropped and resized. The name has a fingerprint of the files and settings; `data clean` removes such "
        "files. The Arrow columns are `image`, `error` and `note`.",
        ("stargan_fw.data.store",),
    ),
    FileKind(
        "CACHE/classifier-*-*px-*.safetensors",
        "A classifier that `evaluate` trained on a dataset, to read the labels of translations.",
    ),
]
OTHERS = [
    FileKind("STUDY/study.html", "The page of a user study, complete in one file; see [the user study](../study.md)."),
    FileKind(
        "STUDY/key.json",
        "Which method made which picture. It stays with the researcher.",
        (
            "stargan_fw_study.study_key:Key",
            "stargan_fw_study.study_key:KeyTask",
            "stargan_fw_study.study_key:KeyQuestion",
        ),
    ),
    FileKind(
        "ANSWERS/*.json",
        "One person's answers, which the study's page saves.",
        ("stargan_fw_study.study_results:Results", "stargan_fw_study.study_results:Answer"),
    ),
    FileKind(
        "REPORT/index.html",
        "The report of an experiment, with pictures; see [how to reproduce the paper](../reproduce.md).",
    ),
    FileKind("REPORT/report.md", "The report's tables in Markdown."),
    FileKind("REPORT/report.json", "The report for programs: settings, claims, tables, runs, figures and commands."),
    FileKind("REPORT/sheets/*.png", "The report's sheets."),
    FileKind("REPORT/inputs/*/*.png", "The pictures that a sheet was drawn from."),
    FileKind(
        "OUT/*-*.png",
        "What `translate` writes: the picture's name and the edit; `*-grid.png` and `*.gif` with `--grid` and `--gif`.",
    ),
    FileKind(
        "PACKAGE/pyproject.toml",
        "With the other files of a package, what `plugins new` writes; see [plugins](../plugins.md).",
    ),
    FileKind("TRACE.json", "The trace of `bench --profile`, for chrome://tracing."),
]
INTRODUCTION = (
    "The names and formats of these files stay what they are, so that scripts may read them. No file is a pickle, and nothing in a "
    "folder is run."
)
SECTIONS = {
    "A run folder": ("`RUN`, which `train --out` names.", RUN),
    "A model folder": ("`MODEL`, which `export` writes and the Hub holds.", MODEL),
    "Data and decoded images": ("`CACHE` is `DATA/.stargan-fw`, unless `--cache` names another folder.", DATA),
    "Studies, reports and pictures": ("", OTHERS),
}


def file_kinds() -> list[FileKind]:
    """Returns all kinds of files."""
    return [kind for _, kinds in SECTIONS.values() for kind in kinds]


def file_page() -> str:
    """Returns the page of all kinds of files."""
    parts = [
        "# Files",
        INTRODUCTION,
    ]
    for title, (about, kinds) in SECTIONS.items():
        parts += [f"## {title}", about]
        for kind in kinds:
            parts += [f"### `{kind.path}`", kind.about, *_details(kind)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _details(kind: FileKind) -> Iterator[str]:
    for source in kind.described_by:
        thing = resolve_name(source)
        fields = _fields(thing)
        if fields:
            if thing is not resolve_name(kind.described_by[0]):
                yield f"Each `{thing.__name__}` in it:"
            yield from (definition(f"`{name}`", escape(text[:1].upper() + text[1:])) for name, text in fields.items())
        else:
            parts = Docstring.of(thing)
            yield escape(parts.prose)


def _fields(thing: Any) -> dict[str, str]:
    """Returns the fields of a document's class with their descriptions; empty for what has no fields."""
    if dataclasses.is_dataclass(thing):
        names = [field.name for field in dataclasses.fields(thing)]
    else:
        names = [field.alias or name for name, field in getattr(thing, "model_fields", {}).items()]
    about = described(thing) if names else {}
    return {name: about.get(name, "") for name in names}
