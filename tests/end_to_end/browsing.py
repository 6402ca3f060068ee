"""A page in a real browser: what it shows, how wide it is, what a click does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

# the page stands in a frame of a phone's width, whose document the script can look into
PROBE = """<!DOCTYPE html><html><body><iframe id="frame" width="{width}" height="900"></iframe>
<pre id="found"></pre><script>
const frame = document.getElementById("frame");
frame.srcdoc = {page};
frame.onload = () => {{
  const page = frame.contentDocument;
  const found = (() => {{ {script} }})();
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script></body></html>"""

LOOK = """
const table = page.querySelector("#classes table");
const names = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
const head = table.tHead.rows[0].cells[0], images = [...page.images];
head.querySelector("button").click();
const down = names();
head.querySelector("button").click();
return {
  images: images.length,
  shown: images.filter((image) => image.complete && image.naturalWidth > 0).length,
  down, up: names(), sorted: head.getAttribute("aria-sort"),
  wide: page.documentElement.scrollWidth, width: frame.contentWindow.innerWidth,
  paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
};
"""


def find_browser() -> str:
    """The path of one; the test skips without."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("needs a browser: chromium is not installed")
    return found


def look(browser: str, page: Path, *options: str, width: int) -> dict[str, object]:
    """What the page of an audit or a fix shows, and what a click on a title does."""
    return probe(browser, page, LOOK, *options, width=width)


def probe(browser: str, page: Path, script: str, *options: str, width: int) -> dict[str, object]:
    """What a script returns that looks into `page`, its document, in a frame of some width."""
    outer = page.with_name(f"probe-{width}.html")
    content = json.dumps(page.read_text()).replace("</", "<\\/")
    outer.write_text(PROBE.format(page=content, script=script, width=width))
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
        "--virtual-time-budget=10000", f"--user-data-dir={page.parent / 'profile'}", *options,
        "--dump-dom", outer.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints, complaints
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    return dict(json.loads(found[1]))
