"""The page of an audit in a real browser: every picture is shown, it sorts, nothing complains."""

from __future__ import annotations

from pathlib import Path

import pytest

from causalogit.auditing import AuditConfig, audit
from tests.auditing.conftest import Reads, make_samples
from tests.end_to_end.browsing import find_browser, look


@pytest.fixture(scope="module")
def browser() -> str:
    return find_browser()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = audit(Reads(1.0, 0.6), make_samples(), AuditConfig(attention=4))
    return found.to_html(tmp_path_factory.mktemp("page") / "audit.html")


@pytest.mark.parametrize("width", [390, 1280])
def test_every_picture_is_shown_and_nothing_is_wider_than_the_screen(browser, page, width):
    found = look(browser, page, width=width)
    assert found["shown"] == found["images"] > 40
    assert found["wide"] <= found["width"]


def test_a_click_on_a_title_sorts(browser, page):
    found = look(browser, page, width=1280)
    assert found["down"] == ["hot", "cold"]
    assert found["up"] == ["cold", "hot"]
    assert found["sorted"] == "ascending"


def test_the_page_follows_the_theme(browser, page):
    light = look(browser, page, width=1280)["paper"]
    dark = look(browser, page, "--blink-settings=preferredColorScheme=0", width=1280)["paper"]
    assert (light, dark) == ("rgb(252, 252, 250)", "rgb(20, 22, 26)")
