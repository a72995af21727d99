"""What a cycle of training spends its time on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.profiler import ProfilerActivity, profile

from stargan_fw.speed.rehearsal import cycle

if TYPE_CHECKING:
    from pathlib import Path

    from stargan_fw.training.trainer import Trainer

COSTLIEST = 5


def profile_training(trainer: Trainer, trace: Path) -> list[tuple[str, float]]:
    """Profiles one cycle, writes a trace that chrome://tracing and Perfetto read, and returns the costliest parts.

    Returns:
        operation and shapes of its inputs, with its share of the time, 0 to 1; the costliest first.
    """
    activities = [ProfilerActivity.CPU]
    if trainer.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    cycle(trainer)
    with profile(activities=activities, record_shapes=True) as recorded:
        cycle(trainer)
    recorded.export_chrome_trace(str(trace))
    parts = recorded.key_averages(group_by_input_shape=True)
    total = sum(_time(part) for part in parts) or 1.0
    costliest = sorted(parts, key=_time, reverse=True)[:COSTLIEST]
    return [(_named(part), _time(part) / total) for part in costliest]


def _time(part: Any) -> float:
    return float(part.self_device_time_total or part.self_cpu_time_total)


def _named(part: Any) -> str:
    shapes = " ".join("x".join(map(str, shape)) for shape in part.input_shapes if shape)
    return f"{part.key.removeprefix('aten::')} {shapes}".strip()
