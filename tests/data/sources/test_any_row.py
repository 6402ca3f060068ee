"""Tables with any values in their rows: samples, or one error that names the rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from causalogit.config import DataConfig
from causalogit.data.sources.files import Record
from causalogit.data.sources.files.decode import Unusable, decode
from causalogit.data.sources.manifest import manifest

WIDTH, HEIGHT = 12, 10
ODD = st.one_of(
    st.sampled_from(["", " ", ".", "..", "/", "~", "nan", "NULL", "0", "-1", "²", "9" * 5000]),
    st.sampled_from(["a" * 300, "a\0b", "é\u2028", '"', "'", ",", ";", "\t", "\n", "#", "=1+1"]),
    st.text(st.characters(codec="utf-8"), max_size=6),
)
NUMBER = st.one_of(
    st.integers(-3, 15).map(str),
    st.floats(-1, 13).map(repr),
    st.sampled_from(["nan", "inf", "-inf", "1e400", "1e-400", "0x1", "1_0", "", "-0"]),
)
COLUMNS = {
    "image": st.sampled_from(["0.png", "1.png", "2.png", "3.png", "broken.png", "./0.png"]) | ODD,
    "label": st.sampled_from(["cat", "dog", "1", "2"]) | ODD,
    "group": st.sampled_from(["sea", "land"]) | ODD,
    "mask": st.sampled_from(["m.png", "small.png", "0.png", ""]) | ODD,
    "box": st.lists(NUMBER, min_size=3, max_size=5).map(" ".join) | ODD,
    "split": st.sampled_from(["train", "val", "test", "meta"]) | ODD,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    draws = np.random.default_rng(0)
    for number in range(4):
        pixels = draws.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[3:6, 4:8] = 255
    Image.fromarray(mask).save(folder / "m.png")
    Image.fromarray(mask[:4]).save(folder / "small.png")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:60])
    return folder


@st.composite
def tables(draw) -> str:
    names = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=2, max_size=6, unique=True))
    names = list(dict.fromkeys(["image", "label", *names]))
    written = io.StringIO()
    lines = csv.writer(written, lineterminator=draw(st.sampled_from(["\n", "\r\n"])))
    lines.writerow(names)
    for _ in range(draw(st.integers(0, 5))):
        row = [draw(COLUMNS[name]) for name in names]
        lines.writerow(
            row[: draw(st.sampled_from([6, 6, 6, 1, 2]))] + draw(st.just([]) | st.just(["x"]))
        )
    return written.getvalue()


@given(
    content=tables()
    | st.text(st.characters(codec="utf-8"), max_size=60).map("image,label\n".__add__)
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content="image,label\n0.png," + "9" * 5000 + "\n1.png,1\n")
@example(content='image,label\n0.png,"cat\n' + "x" * 200_000 + '"\n')
@example(content="image,label\n0.png,\rcat\n")
@example(content="image,label,box\n0.png,cat,1e400 0 nan 3\n1.png,dog,0 0 5 5\n")
def test_any_rows(content, photos):
    path = photos / "table.csv"
    path.write_text(content, encoding="utf-8", newline="")
    refusal = None
    try:
        samples = manifest(DataConfig(source=str(path), image_size=8))
    except ValueError as error:
        refusal = str(error)
    if refusal is not None:
        assert "table.csv" in refusal
        return
    images, masks = samples.images.read(torch.arange(len(samples.labels)))
    assert ((images >= 0) & (images <= 1)).all()
    assert masks is None or ((masks >= 0) & (masks <= 1)).all()
    assert 0 <= samples.labels.min() <= samples.labels.max() < len(samples.class_names)


def test_labels_of_one_value_have_an_order_of_their_own(photos):
    path = photos / "table.csv"
    labels = ["1", "01", "001", "0001"]
    rows = [f"{number}.png,{label}" for number, label in enumerate(labels)]
    path.write_text("\n".join(["image,label", *rows]))
    samples = manifest(DataConfig(source=str(path), image_size=8))
    assert samples.class_names == tuple(sorted(labels))


EDGES = st.tuples(
    *[st.floats(0, side) for side in (WIDTH, HEIGHT)],
    *[st.floats(1e-9, side) for side in (WIDTH, HEIGHT)],
)


@given(box=EDGES)
@settings(max_examples=60)
@example(box=(11.8, 0.0, 12.0, 10.0))
@example(box=(0.0, 9.9, 12.0, 10.0))
def test_every_box_inside_of_a_photo_has_an_object(box, photos):
    left, top, right, bottom = box
    if not (left < right and top < bottom):
        return
    record = Record("here", photos / "0.png", "a", box=box)
    seen = left < WIDTH - 2 and right > 2  # the middle square is kept, one pixel less at each side
    try:
        pixels, told = decode(record, HEIGHT, with_mask=True).pixels, ""
    except Unusable as error:
        pixels, told = None, str(error)
    if pixels is None:
        assert "shows nothing of the object" in told
        assert not seen
    else:
        assert pixels[3].max() > 127
