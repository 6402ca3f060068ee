"""Masks for a whole source of photos, written to a folder with a report on their quality."""

from causalogit.data.masking.config import MasksConfig
from causalogit.data.masking.report import MasksReport
from causalogit.data.masking.write import make_masks

__all__ = ["MasksConfig", "MasksReport", "make_masks"]
