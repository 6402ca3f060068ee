"""Where tests run: on the CPU, and on a GPU where there is one and a test asks for it by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from causalogit.train import begin

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@contextmanager
def gpus_by_name_alone() -> Iterator[None]:
    """Inside, "auto" is the CPU, and processes that are started find no GPU."""
    if not torch.cuda.is_available():
        yield
        return
    torch.cuda.init()
    torch.cuda.device_count()  # is remembered from now on
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.setattr(begin, "automatic", lambda: "cpu")
        yield


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
