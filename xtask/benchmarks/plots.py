"""The pictures of the page, as SVG on a white ground, so they can be read in light and in dark."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot, ticker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

# The colours of Okabe and Ito, which people with any kind of sight can tell apart.
COLOURS = {
    "czip": "#0072B2",
    "czip, imported model": "#56B4E9",
    "czip, fast": "#009E73",
    "czip, no model": "#5A5A5A",
    "czip, own model": "#009E73",
    "brotli": "#D55E00",
    "zstd": "#CC79A7",
    "zstd, dictionary": "#8B4A72",
    "xz": "#A67C00",
    "others": "#7F7F7F",
}
MARKERS = {"czip": "o", "czip, imported model": "D", "czip, fast": "s", "czip, no model": "^"}

# So many lengths get a tick each.
FEW_TICKS = 6

mpl.rcParams.update(
    {
        "font.size": 10,
        "axes.grid": True,
        "grid.color": "#D9D9D9",
        "grid.linewidth": 0.6,
        "axes.edgecolor": "#444444",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        # The same picture gets the same bytes.
        "svg.hashsalt": "czip",
        # Shapes instead of letters: a reader may not have the font.
        "svg.fonttype": "path",
    }
)


@dataclass
class Point:
    label: str
    family: str
    x: float
    y: float


def save(figure: pyplot.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # The library ends some lines with spaces.
    lines = path.read_text().splitlines()
    path.write_text("".join(line.rstrip() + "\n" for line in lines))


def place_labels(axes: Axes, points: Sequence[Point], joined: Sequence[Point]) -> None:
    """Writes each label near its point, where it covers no other label, no point, and no line through the joined ones."""
    axes.figure.tight_layout()
    # Limits and layout are not settled before.
    axes.figure.draw_without_rendering()
    renderer = axes.figure.canvas.get_renderer()
    at = [axes.transData.transform((point.x, point.y)) for point in points]
    taken = [mpl.transforms.Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in at]
    corners = [axes.transData.transform((point.x, point.y)) for point in joined]
    for start, end in itertools.pairwise(corners):
        steps = 1 + int(math.dist(start, end) / 4)
        for step in range(1, steps):
            x, y = start + (end - start) * step / steps
            taken.append(mpl.transforms.Bbox.from_bounds(x - 1, y - 1, 2, 2))
    frame = axes.get_window_extent(renderer)
    # Nearest places first.
    offsets = [
        (distance * math.cos(turn * math.pi / 8), distance * math.sin(turn * math.pi / 8))
        for distance in (9, 14, 20, 28, 38, 50)
        for turn in (4, 12, 0, 8, 2, 14, 6, 10, 1, 15, 7, 9, 3, 5, 11, 13)
    ]
    for point in points:
        for dx, dy in offsets:
            text = axes.annotate(
                point.label,
                (point.x, point.y),
                xytext=(dx, dy),
                textcoords="offset points",
                ha="left" if dx > 1 else "right" if dx < -1 else "center",
                va="bottom" if dy > 1 else "top" if dy < -1 else "center",
                fontsize=8.5,
                color=COLOURS[point.family],
                arrowprops={"arrowstyle": "-", "color": "#BBBBBB", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
                if math.hypot(dx, dy) > 18
                else None,
            )
            # The box of the words, without the line to the point.
            text.update_positions(renderer)
            box = mpl.text.Text.get_window_extent(text, renderer).expanded(1.04, 1.08)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def ratio_against_speed(points: Sequence[Point], direction: str, path: Path) -> None:
    """`x` is in MB/s, `y` the ratio."""
    figure, axes = pyplot.subplots(figsize=(8, 5))
    axes.set_xscale("log")
    for family in dict.fromkeys(point.family for point in points):
        own = [point for point in points if point.family == family]
        axes.plot(
            [point.x for point in own],
            [point.y for point in own],
            # Levels are joined.
            linestyle="-" if family == "czip" else "none",
            linewidth=1,
            marker=MARKERS.get(family, "o"),
            markersize=6,
            color=COLOURS[family],
        )
    axes.margins(x=0.12, y=0.12)
    axes.set_ylim(bottom=min(2.5, min(point.y for point in points) - 0.3))
    axes.set_xlabel(f"{direction}, MB/s of processor time, one thread")
    axes.set_ylabel("ratio: bytes of text to bytes of file")
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    place_labels(axes, points, [point for point in points if point.family == "czip"])
    save(figure, path)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Moves heights apart, as little as possible, until neighbours have this gap."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    # Groups that are moved together: where the lowest is, and how many there are.
    groups: list[tuple[float, int]] = []
    for place in order:
        start, count = heights[place], 1
        while groups and groups[-1][0] + groups[-1][1] * gap > start:
            before, others = groups.pop()
            # The middle of a group is the mean of where its members want to be.
            start = (before * others + (start - others * gap) * count) / (others + count)
            count += others
        groups.append((start, count))
    at = [start + step * gap for start, count in groups for step in range(count)]
    found = [0.0] * len(heights)
    for place, height in zip(order, at):
        found[place] = height
    return found


def lines(
    curves: dict[str, list[tuple[float, float]]],
    labels: dict[str, str],
    axis_labels: tuple[str, str],
    path: Path,
) -> None:
    """A curve for each family over numbers of bytes, named at its right end, where names are moved apart."""
    figure, axes = pyplot.subplots(figsize=(8, 5))
    axes.set_xscale("log")
    for family, points in curves.items():
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            marker=MARKERS.get(family, "o"),
            markersize=4,
            linewidth=1.6,
            linestyle="--" if len(points) == 2 else "-",
            color=COLOURS[family],
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel(axis_labels[0])
    axes.set_ylabel(axis_labels[1])
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(bytes_label))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    ticks = sorted({x for points in curves.values() for x, _ in points})
    if len(ticks) <= FEW_TICKS:
        axes.set_xticks(ticks)
        axes.set_xticks([], minor=True)
    right = ticks[-1]
    ends = {family: points[-1] for family, points in curves.items()}
    names = [family for family, (x, _) in ends.items() if x == right]
    heights = spread([ends[family][1] for family in names], 0.045 * axes.get_ylim()[1])
    for family, height in [*zip(names, heights), *((family, y) for family, (x, y) in ends.items() if x < right)]:
        x, y = ends[family]
        axes.annotate(
            labels[family],
            (x, y),
            xytext=(x * 1.13, height),
            fontsize=9,
            color=COLOURS[family],
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "#BBBBBB", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
        )
    save(figure, path)


def bytes_label(value: float, _: object) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} MB"
    return f"{value / 1_000:g} KB" if value >= 1_000 else f"{value:g}"
