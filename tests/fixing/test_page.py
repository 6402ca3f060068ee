"""What the page of a fix says beside its figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from causalogit.fixing.result import Fixed


def test_a_caution_of_one_audit_says_of_which():
    fixed: Any = SimpleNamespace(
        before=SimpleNamespace(cautions=("Boxes.", "Hardly better than chance.")),
        after=SimpleNamespace(cautions=("Boxes.", "Costs right answers.")),
        left_out=2,
    )
    both, before, after, outputs = Fixed.cautions.fget(fixed)
    assert both == "Boxes."
    assert before == "Before the fix: Hardly better than chance."
    assert after == "After the fix: Costs right answers."
    assert "no photo is of (2)" in outputs
