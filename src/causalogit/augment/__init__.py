"""Factual and counterfactual images: batches of images and masks in, images out."""

from causalogit.augment.fgsm import Fgsm
from causalogit.augment.fills import Fill, Grey, RandomColour, Shuffle
from causalogit.augment.images import Counterfactual, Factual, Restyled, counterfactual, factual
from causalogit.augment.inpainters import OpenCv, find_inpainter
from causalogit.augment.masks import (
    MaskTransform,
    box_masks,
    check_masks,
    dilate_masks,
    erode_masks,
    shift_masks,
)
from causalogit.augment.mixed_rand import MixedRand
from causalogit.augment.registry import (
    FILLS,
    INPAINTERS,
    RESTYLES,
    make_counterfactual,
    make_factual,
    make_fill,
)
from causalogit.augment.restyle import Greyscale, Patches, Recolour, Retexture, Smooth
from causalogit.augment.tile import Tile

__all__ = [
    "FILLS",
    "INPAINTERS",
    "RESTYLES",
    "Counterfactual",
    "Factual",
    "Fgsm",
    "Fill",
    "Grey",
    "Greyscale",
    "MaskTransform",
    "MixedRand",
    "OpenCv",
    "Patches",
    "RandomColour",
    "Recolour",
    "Restyled",
    "Retexture",
    "Shuffle",
    "Smooth",
    "Tile",
    "box_masks",
    "check_masks",
    "counterfactual",
    "dilate_masks",
    "erode_masks",
    "factual",
    "find_inpainter",
    "make_counterfactual",
    "make_factual",
    "make_fill",
    "shift_masks",
]
