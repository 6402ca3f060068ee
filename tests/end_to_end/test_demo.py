"""The demo as a user runs it, with fewer epochs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

ROW = {
    "method", "budget", "dataset", "seed", "last", "selected", "selected_by", "seconds",
}  # fmt: skip


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "causalogit", "demo", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


def test_demo_prints_a_table_and_writes_a_report(tmp_path):
    out = tmp_path / "demo"
    done = demo("--epochs", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    for name in ("erm", "meta_lp", "clp", "clp_factual"):
        assert f" {name} " in done.stdout
    rows = json.loads((out / "results.json").read_text())["runs"]
    assert [(row["method"], row["budget"]) for row in rows] == [
        ("erm", "A"), ("meta_lp", "A"), ("clp", "B"), ("clp_factual", "C"),
    ]  # fmt: skip
    for row in rows:
        assert set(row) >= ROW
        for which in ("last", "selected"):
            assert {"accuracy/test_mean", "accuracy/worst_group", "accuracy/group/24"} <= set(
                row[which]
            )
    assert (out / "report.html").stat().st_size > 100_000
    assert list((out / "figures").glob("*.png"))
    # the same command again finds everything done; another seed is refused before anything is lost
    assert demo("--epochs", "1", "--out", str(out)).returncode == 0
    before = (out / "results.json").read_text()
    other = demo("--epochs", "2", "--out", str(out))
    assert other.returncode == 1
    assert "holds a run of another config" in other.stderr
    assert (out / "results.json").read_text() == before
