"""Names that several sections share."""

from __future__ import annotations

from typing import Literal

FillName = Literal[
    "none", "grey", "random", "shuffle", "patches", "tile", "mixed_rand", "mixed_any", "fgsm"
]
"""What takes the place of the object, or of the background."""

LookName = Literal[FillName, "greyscale", "recolour", "smooth", "retexture"]
"""The same, or another look of the object itself, where the attribute is no place."""

ExpertName = Literal["background", "visible", "classifier", "frequency"]
"""Who says what is spurious in an image."""

FormName = Literal["vector", "target", "contrast", "expert", "expert_target", "weight"]
"""What the outputs of the perturbation network mean."""
