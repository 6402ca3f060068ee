from __future__ import annotations

import pytest
import torch

from causalogit.auditing.journal import Journal
from causalogit.files import LOCK, alone_in, unfinished


class Measure:
    """Squares; counts how often it is asked, and stops after `fail_at` batches."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.asked: list[list[int]] = []
        self.fail_at = fail_at

    def __call__(self, places):
        if len(self.asked) == self.fail_at:
            raise KeyboardInterrupt
        self.asked.append(places.tolist())
        return {"square": places**2, "odd": places % 2 == 1}


def test_a_stopped_journal_goes_on_with_the_batch_that_was_missing(tmp_path):
    path = tmp_path / "out" / "progress"
    first = Measure(fail_at=2)
    with pytest.raises(KeyboardInterrupt):
        Journal(path, {"seed": 1}).rows("squares", torch.arange(10), 3, first)
    second, told = Measure(), []
    rows = Journal(path, {"seed": 1}).rows(
        "squares", torch.arange(10), 3, second, lambda *step: told.append(step)
    )
    assert second.asked == [[6, 7, 8], [9]]
    assert torch.equal(rows["square"], torch.arange(10) ** 2)
    assert rows["odd"].dtype == torch.bool
    assert told == [("squares", done, 10) for done in (3, 6, 9, 10)]


@pytest.mark.parametrize("cut", [1, 17, 200])
def test_a_record_cut_off_in_the_middle_is_measured_again(tmp_path, cut):
    path = tmp_path / "progress"
    Journal(path, {}).rows("squares", torch.arange(9), 3, Measure())
    path.write_bytes(path.read_bytes()[:-cut])
    again = Measure()
    rows = Journal(path, {}).rows("squares", torch.arange(9), 3, again)
    assert again.asked[-1] == [6, 7, 8]
    assert len(again.asked) < 3
    assert torch.equal(rows["square"], torch.arange(9) ** 2)
    third = Measure()  # and what was appended after the cut can be read
    Journal(path, {}).rows("squares", torch.arange(9), 3, third)
    assert third.asked == []


@pytest.mark.parametrize("content", [b"\xff" * 300, b"\x7f" * 300, b"", b"short"])
def test_a_damaged_journal_begins_anew(content, tmp_path):
    path = tmp_path / "progress"
    path.write_bytes(content)
    measure = Measure()
    Journal(path, {}).rows("squares", torch.arange(4), 2, measure)
    assert measure.asked == [[0, 1], [2, 3]]
    again = Measure()
    Journal(path, {}).rows("squares", torch.arange(4), 2, again)
    assert again.asked == []


def test_other_settings_begin_anew(tmp_path):
    path = tmp_path / "progress"
    Journal(path, {"seed": 1}).rows("squares", torch.arange(3), 3, Measure())
    again = Measure()
    Journal(path, {"seed": 2}).rows("squares", torch.arange(3), 3, again)
    assert again.asked == [[0, 1, 2]]


def test_without_a_file_everything_is_in_memory():
    rows = Journal(None, {}).rows("squares", torch.arange(4), 3, Measure())
    assert torch.equal(rows["square"], torch.tensor([0, 1, 4, 9]))


def test_two_audits_never_share_a_journal(tmp_path):
    path = tmp_path / "progress"
    with Journal(path, {"seed": 1}), Journal(tmp_path / "another", {"seed": 1}):
        with pytest.raises(ValueError, match="another process is auditing in"):
            Journal(path, {"seed": 2})
        with pytest.raises(ValueError, match="another process is auditing in"):
            Journal(path, {"seed": 1})
    with Journal(path, {"seed": 2}):
        pass


def test_what_a_killed_audit_left_is_swept_away_where_nobody_else_writes(tmp_path):
    stray = unfinished(tmp_path)
    stray.touch()
    with alone_in(tmp_path, "training"), Journal(tmp_path / "progress", {"seed": 1}):
        assert stray.exists()
    (tmp_path / LOCK).unlink()
    with Journal(tmp_path / "progress", {"seed": 1}):
        assert not stray.exists()
