"""One palette for page and figures, in a light and a dark form.

Figures are drawn in the light colours; where they stand in the page each colour becomes a CSS
variable, so that they follow the reader's theme.
"""

from __future__ import annotations

LIGHT = {
    "paper": "#fcfcfa",
    "panel": "#f3f3ef",
    "ink": "#1c2026",
    "muted": "#5c6570",
    "rule": "#d9dad5",
    "heat": "#2e6ea6",
    "on-heat": "#fdfdfd",
    "majority": "#7c8794",
    "minority": "#bf3a80",
    "tone-1": "#b8500f",
    "tone-2": "#1f63a8",
    "tone-3": "#1d8068",
    "tone-4": "#7a55ac",
    "tone-5": "#8f7412",
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
    "on-heat": "#0d1116",
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
DASHES = ("solid", "dashed", "dotted")


def tone_name(tone: int) -> str:
    """The palette's name for the n-th method, from 1; after eight the colours begin again."""
    return f"tone-{(tone - 1) % _TONES + 1}"


def dash(tone: int) -> str:
    """The line style of the n-th method: what tells methods of one colour apart."""
    return DASHES[(tone - 1) // _TONES % len(DASHES)]


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
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    )
