"""Out of memory is one error."""

from __future__ import annotations

import pytest
import torch

from causalogit.memory import out_of_memory_told


def test_a_cpu_and_python_tell_it_as_a_gpu_does():
    with pytest.raises(torch.OutOfMemoryError, match="allocate"), out_of_memory_told():
        torch.empty(10**15)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"), out_of_memory_told():
        raise MemoryError
    of_a_gpu = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(torch.OutOfMemoryError) as told, out_of_memory_told():
        raise of_a_gpu
    assert told.value is of_a_gpu


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes") as told, out_of_memory_told():
        raise RuntimeError("shapes do not fit")
    assert not isinstance(told.value, torch.OutOfMemoryError)
