"""The page in a real browser, with names that are longer than any picture is wide."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from causalogit.report import write_report
from causalogit.train import LoadedRun
from tests.end_to_end.browsing import find_browser, probe
from tests.report.conftest import made_up_samples

LONG = "Donaudampfschifffahrtsgesellschaftskapitaensmuetzenabzeichen"
MEASURE = """
const named = [...page.querySelectorAll(".says, .key li, figcaption, dd, dt, .legend li")];
return {
  wide: page.documentElement.scrollWidth, width: frame.contentWindow.innerWidth,
  named: named.length,
  over: named.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML),
};
"""


@pytest.mark.parametrize("width", [390, 1200])
def test_long_names_stay_in_their_places(
    made_up: Callable[..., LoadedRun], tmp_path: Path, width: int
) -> None:
    browser = find_browser()
    samples = made_up_samples([[10, 90], [90, 10]], side=120, masks=True)
    samples = replace(
        samples,
        class_names=(LONG, f"{LONG} 2"),
        attribute_names=(f"place {LONG}", f"other {LONG}"),
    )
    runs = [made_up(samples, method) for method in ("erm", "logit_adjustment")]
    runs = [replace(run, row=run.row | {"title": f"{LONG} {n}"}) for n, run in enumerate(runs)]
    runs[0].folder.mkdir()
    command = {"command": ["compare", "--out", "/".join([LONG] * 4)]}
    (runs[0].folder / "environment.json").write_text(json.dumps(command))
    found = probe(browser, write_report(runs, tmp_path / "report"), MEASURE, width=width)
    assert found["wide"] <= found["width"]
    assert found["named"] > 20
    assert found["over"] == []
