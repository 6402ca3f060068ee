"""Masks: where they come from, and how good they are."""

from causalogit.masks.segmenter import Segmenter, SquareSegmenter, find_segmenter

__all__ = ["Segmenter", "SquareSegmenter", "find_segmenter"]
