"""Biases that can be laid on any source."""

from causalogit.data.biases.attributes import assign_attributes, long_tailed_attributes
from causalogit.data.biases.long_tail import long_tail_counts, long_tailed
from causalogit.data.biases.noise import noisy_labels, transition_matrix
from causalogit.data.biases.paint import PAINTS, colour_names, paint_scene, palette

__all__ = [
    "PAINTS",
    "assign_attributes",
    "colour_names",
    "long_tail_counts",
    "long_tailed",
    "long_tailed_attributes",
    "noisy_labels",
    "paint_scene",
    "palette",
    "transition_matrix",
]
