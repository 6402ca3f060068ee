"""A classifier of coloured digits, fixed in three epochs, and the page of it in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from causalogit.cli.main import main
from tests.end_to_end.browsing import find_browser, look
from tests.report.test_page import Page


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fix of a plain classifier that was trained here."""
    root = tmp_path_factory.mktemp("fix")
    run, out = root / "run", root / "fix"
    train = ["train", "--method", "erm", "--out", str(run), "--optimizer.epochs", "6"]
    assert main(train) == 0
    quick = ["--optimizer.epochs", "3", "--optimizer.batch_size", "16"]
    quick += ["--attention", "10", "--device", "cpu"]
    assert main(["fix", str(run / "last.ckpt"), "--out", str(out), *quick]) == 0
    return out


def test_it_goes_by_the_digit_now(fixed):
    told = json.loads((fixed / "fix.json").read_text())
    assert told["before"]["verdict"]["word"] == "relies"
    assert told["reliance"]["difference"]["high"] < -0.2
    assert told["accuracy"]["difference"]["low"] > 0.2
    assert told["outcome"]["word"] in ("fixed", "better", "mixed")
    # so early the worst group may still be where it was: then nothing is said to be closed
    assert ("is closed" in told["outcome"]["last"]) == (told["gap"]["less"]["low"] > 0)
    assert told["seen"] == "no"  # the run had kept its test digits apart, with the same seed
    assert told["photos"] == 1000


def test_the_page_stands_alone_and_is_well_formed(fixed):
    page = Page(fixed / "fix.html")
    assert page.sections == ["photos", "figures", "classes", "groups", "model", "how"]
    images = page.all("img")
    assert len(images) == 6 * 4
    assert all(str(image["src"]).startswith("data:image/") and image["alt"] for image in images)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page.text)
    told = json.loads((fixed / "fix.json").read_text())
    for sentence in (told["outcome"]["headline"], *told["outcome"]["sentences"]):
        assert sentence in page.text
    for when in ("before", "after"):
        assert told[when]["verdict"]["sentence"] in page.text


@pytest.mark.parametrize("width", [390, 1280])
def test_every_picture_is_shown_and_nothing_is_wider_than_the_screen(fixed, width):
    found = look(find_browser(), fixed / "fix.html", width=width)
    assert found["shown"] == found["images"] == 24
    assert found["wide"] <= found["width"]
    assert found["down"] == found["up"][::-1]
    assert found["sorted"] == "ascending"


def test_the_page_follows_the_theme(fixed):
    dark = look(
        find_browser(), fixed / "fix.html", "--blink-settings=preferredColorScheme=0", width=1280
    )
    assert dark["paper"] == "rgb(20, 22, 26)"
