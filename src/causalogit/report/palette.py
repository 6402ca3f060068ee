"""One palette for page and figures, in a light and a dark form.

Figures are drawn in the light colours; where they stand in the page each colour becomes a CSS
variable, so that they follow the reader's theme.
"""

from __future__ import annotations

from markupsafe import Markup

LIGHT = {
    "paper": "#fcfcfa",
    "panel": "#f3f3ef",
    "ink": "#1c2026",
    "muted": "#5c6570",
    "rule": "#d9dad5",
    "heat": "#2e6ea6",
    "cell": "#5494cc",
    "majority": "#7c8794",
    "minority": "#bf3a80",
    "tone-1": "#b8500f",
    "tone-2": "#1f63a8",
    "tone-3": "#1d8068",
    "tone-4": "#7a55ac",
    "tone-5": "#887011",
    "tone-6": "#a9486b",
    "tone-7": "#4d6b7a",
    "tone-8": "#5d7a2c",
}
DARK = {
    "paper": "#14161a",
    "panel": "#1d2025",
    "ink": "#e7e8ea",
    "muted": "#9ba3ae",
    "rule": "#343941",
    "heat": "#6fb0ea",
    "cell": "#2a6599",
    "majority": "#8a95a3",
    "minority": "#ee82b4",
    "tone-1": "#f0914f",
    "tone-2": "#68aaf0",
    "tone-3": "#4fbf9f",
    "tone-4": "#b497e3",
    "tone-5": "#d0b24a",
    "tone-6": "#e58aab",
    "tone-7": "#93b3c4",
    "tone-8": "#a3c468",
}
_TONES = 8
# In points, drawn and left out. Five of them, and seven markers: no two of 8, 5 and 7 share a
# divisor, so methods of one colour have another line and another marker.
_DASHES = ((), (6, 2.5), (1.5, 1.8), (7, 2, 1.5, 2), (12, 2.5))
MARKERS = {
    "o": "M0-4.5A4.5 4.5 0 1 1 0 4.5A4.5 4.5 0 1 1 0-4.5Z",
    "s": "M-4-4H4V4H-4Z",
    "^": "M0-4.5 4.5 4.5H-4.5Z",
    "D": "M0-5.2 5.2 0 0 5.2-5.2 0Z",
    "v": "M0 4.5 4.5-4.5H-4.5Z",
    "P": "M-1.7-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z",
    "X": "M-2.5-5 0-2.5 2.5-5 5-2.5 2.5 0 5 2.5 2.5 5 0 2.5-2.5 5-5 2.5-2.5 0-5-2.5Z",
}
"""Matplotlib's markers, and the same for the page: paths about the origin, ten pixels wide."""


def tone_name(tone: int) -> str:
    """The palette's name for the n-th method, from 1; after eight the colours begin again."""
    return f"tone-{(tone - 1) % _TONES + 1}"


def line_style(tone: int) -> tuple[int, tuple[float, ...]] | str:
    """Matplotlib's line style of the n-th method: colour alone does not reach every eye."""
    dashes = _DASHES[(tone - 1) % len(_DASHES)]
    return (0, dashes) if dashes else "solid"


def marker(tone: int) -> str:
    """Matplotlib's marker of the n-th method."""
    return list(MARKERS)[(tone - 1) % len(MARKERS)]


def sign(tone: int, *, line: bool) -> Markup:
    """A method's marker, on its line or alone, for a key of the page."""
    half = 22 if line else 6
    dashes = " ".join(f"{2 * length:g}" for length in _DASHES[(tone - 1) % len(_DASHES)])
    drawn = f'<path d="M-{half} 0H{half}" fill="none" stroke-dasharray="{dashes}"/>' if line else ""
    style = f"--c: var(--{tone_name(tone)}); width: {2 * half}px"
    return Markup(
        f'<svg class="sign" viewBox="-{half} -6 {2 * half} 12" style="{style}" aria-hidden="true">'
        f'{drawn}<path d="{MARKERS[marker(tone)]}"/></svg>'
    )


def themed(svg: str) -> str:
    """Light colours replaced by CSS variables."""
    for name, colour in LIGHT.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg


def css() -> str:
    """Both themes as CSS variables, chosen by the reader's system."""
    light, dark = (
        " ".join(f"--{name}: {colour};" for name, colour in theme.items())
        for theme in (LIGHT, DARK)
    )
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        # paper is white
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    )
