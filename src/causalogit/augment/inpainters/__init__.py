"""Fills that paint background where the object was."""

from causalogit.augment.inpainters.attention import contextual_attention
from causalogit.augment.inpainters.contextual import Contextual, inpainter_bytes, read_inpainter
from causalogit.augment.inpainters.find import find_inpainter, is_slow
from causalogit.augment.inpainters.holes import covering_masks, holes_of
from causalogit.augment.inpainters.hub import painter
from causalogit.augment.inpainters.kept import Kept
from causalogit.augment.inpainters.lama import read_lama
from causalogit.augment.inpainters.network import InpaintingNetwork, Settings, settings_for
from causalogit.augment.inpainters.opencv import OpenCv

__all__ = [
    "Contextual",
    "InpaintingNetwork",
    "Kept",
    "OpenCv",
    "Settings",
    "contextual_attention",
    "covering_masks",
    "find_inpainter",
    "holes_of",
    "inpainter_bytes",
    "is_slow",
    "painter",
    "read_inpainter",
    "read_lama",
    "settings_for",
]
