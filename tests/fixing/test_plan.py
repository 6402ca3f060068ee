"""What is said of a fix before anything is trained."""

from __future__ import annotations

import pytest

from causalogit.config import DataConfig, RunConfig
from causalogit.fixing.plan import _same_file, seen_before


@pytest.mark.parametrize(
    ("run", "seed", "expected"),
    [
        (RunConfig(seed=3), 3, "no"),
        (RunConfig(seed=3, weights="pretrained"), 3, "no"),
        (RunConfig(seed=3), 4, "unknown"),  # another split
        (RunConfig(seed=4, data=DataConfig(seed=3)), 3, "no"),
        (RunConfig(seed=3, data=DataConfig(seed=4)), 3, "unknown"),
        (RunConfig(seed=3, weights="fix/start.safetensors"), 3, "unknown"),  # a fix of a fix
        (None, 0, "unknown"),
    ],
)
def test_only_a_run_that_began_anew_is_known_to_have_kept_its_test_photos_apart(
    run, seed, expected
):
    assert seen_before(run, seed) == expected


def test_a_folder_may_be_called_by_its_full_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full = str(tmp_path / "fix" / "start.safetensors")
    assert _same_file("fix/start.safetensors", full) == "fix/start.safetensors"
    assert _same_file("other/start.safetensors", full) == full
    assert _same_file(None, full) == full
