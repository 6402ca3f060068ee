"""Names that several sections share."""

from __future__ import annotations

from typing import Literal

PlainFillName = Literal[
    "none", "grey", "random", "shuffle", "patches", "tile", "mixed_rand", "mixed_any", "fgsm"
]
"""What takes the place of the object, or of the background."""

FillName = Literal[PlainFillName, "opencv", "inpainter"]
"""What takes the place of the object; an inpainter paints the background on."""

LookName = Literal[PlainFillName, "greyscale", "recolour", "smooth", "retexture"]
"""What takes the place of the background, or another look of the object itself."""

ExpertName = Literal["background", "visible", "classifier", "frequency"]
"""Who says what is spurious in an image."""

FormName = Literal["vector", "target", "contrast", "expert", "expert_target", "weight"]
"""What the outputs of the perturbation network mean."""
