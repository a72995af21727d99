"""The evaluations of a report that is not finished, kept so that a call that was stopped does not measure all again."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stargan_fw import __version__
from stargan_fw_evaluate import Evaluation, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import torch

    from stargan_fw.api import RunFolder
    from stargan_fw_evaluate import EvaluationRequest

    Progress = Callable[[str, Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class KeptEvaluations:
    """A folder of evaluations.

    Attributes:
        folder: the folder, which need not exist yet.
    """

    folder: Path

    def evaluate(
        self,
        runs: Sequence[RunFolder],
        request: EvaluationRequest,
        device: torch.device,
        progress: Progress,
        tested: Sequence[str],
    ) -> list[Evaluation]:
        """Returns an evaluation per run: those that are kept, and the others newly made.

        Args:
            runs: the runs.
            request: what to measure.
            device: the device to compute on.
            progress: wraps the steps of what takes long, given a description.
            tested: a checksum of each run's test images. What was measured on other images is measured anew.
        """
        places = [self._place(run, request, images) for run, images in zip(runs, tested, strict=True)]
        missing = [(run, place) for run, place in zip(runs, places, strict=True) if Evaluation.read(place) is None]
        if missing:
            made = evaluate([run.path for run, _ in missing], request, device, progress)
            for one, (_, place) in zip(made, missing, strict=True):
                place.mkdir(parents=True, exist_ok=True)
                replace(one, run=str(place)).write()
        kept = [(run, Evaluation.read(place)) for run, place in zip(runs, places, strict=True)]
        return [replace(found, run=str(run.path)) for run, found in kept if found]

    def _place(self, run: RunFolder, request: EvaluationRequest, tested: str) -> Path:
        """Returns the folder of the evaluation of a run as it is now by this version of the program."""
        checkpoint = run.checkpoints.latest()
        of_run = [str(run.path), checkpoint.name, checkpoint.stat().st_mtime_ns]
        state = [*of_run, __version__, str(request.data), tested, request.document()]
        return self.folder / hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]

    def remove(self) -> None:
        """Removes the folder: a later call measures anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
