"""From panels to SVG in the page and PNG in a folder, without matplotlib's global state."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D

from causalogit.files import write_atomically
from causalogit.report.palette import LIGHT, themed

_POINT = 1 / 72  # inch; in an SVG one point is one unit, which the page shows as one pixel
# for names in scripts that matplotlib's own font lacks
_FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans SC",
    "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic",
    "Malgun Gothic", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback",
    "Noto Sans", "Noto Sans Arabic", "Noto Sans Devanagari", "Arial Unicode MS",
)  # fmt: skip
_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "causalogit",  # without it every drawing has other ids
    "font.size": 11,
    "text.parse_math": False,  # a "$" in a name is a dollar
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["rule"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.labelsize": 11,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT["rule"],
    "grid.linewidth": 0.7,
    "xtick.color": LIGHT["rule"],
    "ytick.color": LIGHT["rule"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.solid_capstyle": "round",
}


@cache
def _families() -> list[str]:
    """The font, and those that step in for it; one that is not installed would be complained of."""
    installed = set(fontManager.get_font_names())
    return ["sans-serif", *(name for name in _FALLBACKS if name in installed)]


@contextmanager
def _drawing() -> Iterator[None]:
    """This module's settings; a sign that no font has becomes a box without a warning."""
    with rc_context(_RC | {"font.family": _families()}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


@dataclass(frozen=True)
class Panel:
    """One small figure.

    Attributes:
        title: stands beside it in the page, and above it in the PNG.
        alt: what it shows, for those who do not see it.
        draw: fills the axes.
        size: width and height in pixels.
        note: a line on what is shown, in the page only.
        margins: left, bottom, right and top in pixels; measured from the labels without them.
    """

    title: str
    alt: str
    draw: Callable[[Axes], None]
    size: tuple[int, int]
    note: str = ""
    margins: tuple[int, int, int, int] | None = None

    def svg(self, name: str) -> Markup:
        """An inline SVG; `name` is a word that no other figure of the page has."""
        width, height = self.size
        with _drawing():
            figure = Figure((width * _POINT, height * _POINT))
            self.draw(figure.add_subplot())
            if self.margins is None:
                figure.set_layout_engine("constrained")
            else:
                left, bottom, right, top = self.margins
                figure.subplots_adjust(
                    left / width, bottom / height, 1 - right / width, 1 - top / height
                )
            file = io.StringIO()
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(file, format="svg", transparent=True, metadata=nothing, dpi=144)
        return inline(file.getvalue(), name, self.alt)


def short(name: str, most: int = 18) -> str:
    """A name cut to what fits beside a figure."""
    return name if len(name) <= most else name[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def inline(svg: str, name: str, alt: str) -> Markup:
    """A stand-alone SVG file made fit for an HTML page: themed, with ids of its own."""
    body = svg[svg.index("<svg") :]
    # `*` would reach out into the page; its two properties stand in the page's own style sheet
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", body)
    size = re.search(r'viewBox="([^"]+)"', body)
    head = f'<svg viewBox="{size[1] if size else ""}" role="img" aria-label="{{}}">'
    return Markup(head).format(alt) + Markup(themed(body[body.index(">") + 1 :]))


def write_png(path: Path, panels: Sequence[Panel], columns: int, key: Sequence[Line2D]) -> None:
    """All panels on one white sheet; `key` are lines and markers with their labels."""
    columns = max(1, min(columns, len(panels)))
    rows = -(-len(panels) // columns)
    width, height = panels[0].size
    with _drawing():
        figure = Figure(
            (columns * width * _POINT, rows * (height + 24) * _POINT), layout="constrained"
        )
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in list(grid.flat)[len(panels) :]:
            axes.remove()
        for axes, panel in zip(grid.flat, panels, strict=False):
            panel.draw(axes)
            axes.set_title(short(panel.title, width // 7), fontsize=11, loc="left")
        if key:
            figure.legend(
                handles=list(key),
                loc="outside lower left",
                ncols=min(len(key), 4),
                handlelength=4,  # in less, dashes cannot be told
                frameon=False,
            )
        # the layout minds no title that is wider than its panel
        write_atomically(
            path, lambda file: figure.savefig(file, format="png", dpi=160, bbox_inches="tight")
        )
