"""The page of an audit in a real browser: every picture is shown, it sorts, nothing complains."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from causalogit.auditing import AuditConfig, audit
from tests.auditing.conftest import Reads, make_samples

# the page stands in a frame of a phone's width, whose document the probe can look into
PROBE = """<!DOCTYPE html><html><body><iframe id="frame" width="{width}" height="900"></iframe>
<pre id="found"></pre><script>
const frame = document.getElementById("frame");
frame.srcdoc = {page};
frame.onload = () => {{
  const page = frame.contentDocument, table = page.querySelector("#classes table");
  const names = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
  const head = table.tHead.rows[0].cells[0], images = [...page.images];
  head.querySelector("button").click();
  const down = names();
  head.querySelector("button").click();
  document.getElementById("found").textContent = JSON.stringify({{
    images: images.length,
    shown: images.filter((image) => image.complete && image.naturalWidth > 0).length,
    down, up: names(), sorted: head.getAttribute("aria-sort"),
    wide: page.documentElement.scrollWidth, width: frame.contentWindow.innerWidth,
    paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
  }});
}};
</script></body></html>"""


@pytest.fixture(scope="module")
def browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("needs a browser: chromium is not installed")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = audit(Reads(1.0, 0.6), make_samples(), AuditConfig(attention=4))
    return found.to_html(tmp_path_factory.mktemp("page") / "audit.html")


def look(browser: str, page: Path, *options: str, width: int) -> dict[str, object]:
    probe = page.with_name(f"probe-{width}.html")
    content = json.dumps(page.read_text()).replace("</", "<\\/")
    probe.write_text(PROBE.format(page=content, width=width))
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
        "--virtual-time-budget=10000", f"--user-data-dir={page.parent / 'profile'}", *options,
        "--dump-dom", probe.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints, complaints
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    return dict(json.loads(found[1]))


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
