"""Out of memory is one error, whichever device has no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def out_of_memory_told() -> Iterator[None]:
    """What runs out of memory inside raises `torch.OutOfMemoryError`, on a CPU as on a GPU.

    There PyTorch raises a plain RuntimeError, and Python a MemoryError without a word.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        ours = isinstance(error, MemoryError) or "can't allocate memory" in str(error)
        if isinstance(error, torch.OutOfMemoryError) or not ours:
            raise
        raise torch.OutOfMemoryError(str(error) or "out of memory") from error
