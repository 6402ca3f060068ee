"""Where tests run: on a GPU, too, where there is one."""

from __future__ import annotations

import pytest
import torch

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
