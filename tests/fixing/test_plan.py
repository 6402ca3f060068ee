"""What is said of a fix before anything is trained."""

from __future__ import annotations

import pytest

from causalogit.config import RunConfig
from causalogit.fixing.plan import seen_before


@pytest.mark.parametrize(
    ("run", "seed", "expected"),
    [
        (RunConfig(seed=3), 3, "no"),
        (RunConfig(seed=3, weights="pretrained"), 3, "no"),
        (RunConfig(seed=3), 4, "unknown"),  # another split
        (RunConfig(seed=3, weights="fix/start.safetensors"), 3, "unknown"),  # a fix of a fix
        (None, 0, "unknown"),
    ],
)
def test_only_a_run_that_began_anew_is_known_to_have_kept_its_test_photos_apart(
    run, seed, expected
):
    assert seen_before(run, seed) == expected
