"""Sets like Waterbirds, composed from cut-outs and scenes."""

from causalogit.data.compose.config import SPLITS, ComposeConfig
from causalogit.data.compose.write import compose

__all__ = ["SPLITS", "ComposeConfig", "compose"]
