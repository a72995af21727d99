"""Draws the losses of runs into one picture: a panel per loss, a line per run and dataset."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from stargan_fw.errors import RunError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stargan_fw_runs.run_summary import RunSummary, Series

SCALE = 2  # drawn larger and then reduced, so that lines are smooth
PANEL, LEFT, RIGHT, TOP, BOTTOM = (420, 260), 58, 30, 30, 28  # pixels, and the margins inside of a panel
ACROSS, LEGEND_LINE, FONT = 3, 20, 13
MOST_POINTS = 300  # of a line; each is the mean of as many rows as it stands for
MOST_LINES, MOST_PANELS = 40, 60  # that one picture has room for
LARGEST = 1e15  # values and steps are cut off here, so that no file makes an axis that cannot be drawn
INK, FAINT, BACKGROUND = (40, 40, 40), (222, 222, 222), (255, 255, 255)
# Okabe and Ito's colours, which people who see few colours can tell apart, without the yellow, which white swallows.
COLOURS = [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0), (0, 0, 0)]

Colour: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class _Line:
    title: str
    series: Series
    colour: Colour


def draw_losses(runs: Sequence[RunSummary]) -> Image.Image:
    """Returns a picture of the runs' losses over the steps, RGB.

    Raises:
        RunError: no run has logged a loss yet, or there are more lines or losses than a picture has room for.
    """
    pairs = [(f"{run.name}: {series.dataset}", series) for run in runs for series in run.series if "/" in series.metric]
    titles, metrics = list(dict.fromkeys(title for title, _ in pairs)), sorted({one.metric for _, one in pairs})
    if not pairs:
        raise RunError("None of the runs has logged a loss yet, so there is nothing to plot. Wait, or name others.")
    if len(titles) > MOST_LINES or len(metrics) > MOST_PANELS:
        raise RunError(
            f"{len(titles)} lines in each of {len(metrics)} panels are too many for one picture, which has room for {MOST_LINES} "
            f"and {MOST_PANELS}. Choose runs with --only."
        )
    colours = dict(zip(titles, _colours(len(titles)), strict=True))
    lines = [_Line(title, one, colours[title]) for title, one in pairs]
    across = min(ACROSS, len(metrics))
    rows = math.ceil(len(metrics) / across)
    legend = LEGEND_LINE * len(titles) + 16
    size = (across * PANEL[0], rows * PANEL[1] + legend)
    picture = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), BACKGROUND)
    canvas = _Canvas(picture)
    for number, (title, colour) in enumerate(colours.items()):
        y = 18 + number * LEGEND_LINE
        canvas.line([(LEFT, y), (LEFT + 24, y)], colour, 3)
        canvas.text((LEFT + 32, y), title, "lm", size[0] - LEFT - 36)
    for number, metric in enumerate(metrics):
        corner = (number % across * PANEL[0], legend + number // across * PANEL[1])
        _draw_panel(canvas, corner, metric, [line for line in lines if line.series.metric == metric])
    return picture.reduce(SCALE)


class _Canvas:
    """Draws in pixels of the finished picture."""

    def __init__(self, picture: Image.Image) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._font = ImageFont.load_default(FONT * SCALE)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float = 1) -> None:
        """Draws a line through points."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(scaled, colour, round(width * SCALE), "curve")

    def dot(self, point: tuple[float, float], colour: Colour) -> None:
        """Draws a point, for a line that has only one."""
        self._draw.circle((point[0] * SCALE, point[1] * SCALE), 3 * SCALE, colour)

    def text(self, place: tuple[float, float], text: str, anchor: str, width: float = math.inf) -> None:
        """Writes a text in one line at its anchor, as Pillow names anchors. If it is too wide, its beginning is left out."""
        shown = printable(text)
        while self._font.getlength(shown) > width * SCALE:
            shown = f"…{shown[2:]}"
        self._draw.text((place[0] * SCALE, place[1] * SCALE), shown, INK, self._font, anchor)


def _draw_panel(canvas: _Canvas, corner: tuple[int, int], metric: str, lines: Sequence[_Line]) -> None:
    left, right = corner[0] + LEFT, corner[0] + PANEL[0] - RIGHT
    top, bottom = corner[1] + TOP, corner[1] + PANEL[1] - BOTTOM
    drawn = [(line.colour, _thin(line.series)) for line in lines]
    low, high = _range([value for _, points in drawn for _, value in points])
    last = max(step for _, points in drawn for step, _ in points)
    canvas.text((left, corner[1] + 14), metric, "lm", right - left)
    canvas.text((left - 10, bottom + 14), "step", "rm")
    for value in _ticks(low, high, 5):
        y = bottom - (value - low) / (high - low) * (bottom - top)
        canvas.line([(left, y), (right, y)], FAINT)
        canvas.text((left - 6, y), f"{value:.4g}", "rm")
    for step in _ticks(0, last, 4):
        canvas.text((left + step / last * (right - left), bottom + 14), f"{step:,.0f}", "mm")
    for colour, points in drawn:
        placed = [
            (
                left + step / last * (right - left),
                bottom - (min(max(value, low), high) - low) / (high - low) * (bottom - top),
            )
            for step, value in points
        ]
        canvas.line(placed, colour, 1.5)
        if len(placed) == 1:
            canvas.dot(placed[0], colour)


def _thin(series: Series) -> list[tuple[float, float]]:
    """Returns steps and values, each the mean of neighbours if there are more than a panel can show."""
    width = math.ceil(len(series.steps) / MOST_POINTS)
    parts = [slice(start, start + width) for start in range(0, len(series.steps), width)]
    return [(max(1.0, _mean(series.steps[part])), _mean(series.values[part])) for part in parts]


def _mean(values: Sequence[float]) -> float:
    return sum(min(max(value, -LARGEST), LARGEST) for value in values) / len(values)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Returns the range to show: all values but the outermost hundredth, as the first losses are often far from all others."""
    ordered = sorted(values)
    cut = len(ordered) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Returns round numbers between two, at most about as many as asked for."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    distance = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [number * distance for number in range(math.ceil(low / distance), math.floor(high / distance) + 1)]


def _colours(count: int) -> list[Colour]:
    if count <= len(COLOURS):
        return COLOURS[:count]
    hues = [colorsys.hsv_to_rgb(number / count, 0.9, 0.75) for number in range(count)]
    return [(round(red * 255), round(green * 255), round(blue * 255)) for red, green, blue in hues]
