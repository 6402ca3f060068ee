from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from causalogit.auditing import AuditConfig, Estimate, audit
from causalogit.auditing.subject import Subject
from causalogit.data import InMemory, Samples
from tests.auditing.conftest import Reads, make_samples
from tests.report.test_page import Page

QUICK = AuditConfig(attention=4)


def test_the_page_stands_alone_and_is_well_formed(tmp_path):
    found = audit(Reads(1.0, 0.6), make_samples(), QUICK, data_name="discs & <grounds>")
    page = Page(found.to_html(tmp_path / "audit.html"))
    assert page.sections == ["photos", "figures", "classes", "groups", "how"]
    images = page.all("img")
    assert all(str(image["src"]).startswith("data:image/") and image["alt"] for image in images)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page.text)
    assert "discs &amp; &lt;grounds&gt;" in page.text
    assert found.verdict.sentence in page.text
    answers = found.to_pandas("photos")
    own, other = (answers[f"{name}_background"] == answers["label"] for name in ("own", "other"))
    told = f"Of 120 photos, {(own & ~other).sum()} turn wrong on the background that speaks against"
    assert (own & ~other).sum() > 0
    assert told in page.text
    for result in found.classes:
        assert result.verdict.sentence in page.text


def test_nothing_is_minus_zero(tmp_path):
    found = audit(Reads(1.0, 0.0), make_samples(), replace(QUICK, attention=0))
    low = Estimate(0.0, -0.004, 0.004, 900)
    overall = replace(found.overall, reliance=low)
    some = replace(found.classes[0], figures=overall)
    text = replace(found, classes=(some,)).to_html(tmp_path / "audit.html").read_text()
    assert "<small>0 to 0</small>" in text
    assert "\N{MINUS SIGN}0" not in text


def test_without_a_look_inside_the_page_says_so(tmp_path):
    plain = Reads(1.0, 0.0)
    subject = Subject("answers alone", plain, "1", "as it is")
    found = audit(subject, make_samples(), QUICK)
    assert found.attention_method is None
    page = Page(found.to_html(tmp_path / "audit.html"))
    assert "only the answers are known" in page.text
    assert "Where it looks" not in page.text


def test_an_audit_without_pictures_has_no_page(object_reader, tmp_path):
    found = audit(object_reader, make_samples(), QUICK, pictures=False)
    with pytest.raises(ValueError, match="made without pictures: make it with pictures=True"):
        found.to_html(tmp_path / "audit.html")


def test_a_hundred_classes_of_photos_stay_small(tmp_path):
    """Noise is what an encoder can shrink least."""

    class First(nn.Module):
        def forward(self, images):
            return images[:, 0, 0, :100]

    photos = torch.rand(400, 3, 128, 128)
    masks = torch.zeros(400, 1, 128, 128)
    masks[:, :, 40:90, 40:90] = 1
    names = tuple(f"class {number}" for number in range(100))
    samples = Samples(InMemory(photos, masks), torch.arange(400) % 100, names)
    found = audit(First(), samples, replace(QUICK, attention=0))
    path = found.to_html(tmp_path / "audit.html")
    assert path.stat().st_size < 10e6
    assert "In pictures: the 24 classes" in path.read_text()
