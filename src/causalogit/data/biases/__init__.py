"""Biases that can be laid on any source."""

from causalogit.data.biases.background import COLOURS, assign_attributes, coloured_backgrounds

__all__ = ["COLOURS", "assign_attributes", "coloured_backgrounds"]
