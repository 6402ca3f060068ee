"""Masks from files, transparency, boxes and a segmenter, in the photos' size and place."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from causalogit.data.masking import MasksConfig, make_masks
from tests.data.masking.conftest import disc, origin_of, overlap


def pixels(path):
    return np.asarray(Image.open(path))


def test_segmenter_on_photos_of_many_shapes(tmp_path, net, write):
    sizes = {"cat/a.jpg": (64, 40), "cat/b.PNG": (40, 90), "dog/c.x.webp": (33, 33)}
    on = {name: write(f"photos/{name}", *size) for name, size in sizes.items()}
    report = make_masks(MasksConfig(str(tmp_path / "photos"), segmenter=net), tmp_path / "out")
    for name, mask in {
        "cat/a.jpg": "cat/a",
        "cat/b.PNG": "cat/b",
        "dog/c.x.webp": "dog/c.x",
    }.items():
        path = tmp_path / "out" / f"{mask}.png"
        assert overlap(path, on[name]) > 0.8, name
        assert origin_of(path) == "segmenter"
    assert report.origins == {"segmenter": 3}


def test_a_large_turned_photo(tmp_path, net):
    """Decoded at a fraction of its size, and turned by its EXIF: the mask fits what is seen."""
    photo, on = disc(600, 400)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "photos" / "cat" / "a.jpg", exif=exif)
    make_masks(MasksConfig(str(tmp_path / "photos"), segmenter=net), tmp_path / "out")
    assert overlap(tmp_path / "out" / "cat" / "a.png", on) > 0.85


def test_transparency_needs_no_segmenter(tmp_path):
    photo, on = disc()
    photo.putalpha(Image.fromarray((on * 200).astype(np.uint8)))
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    photo.save(tmp_path / "photos" / "cat" / "a.webp", lossless=True)
    report = make_masks(
        MasksConfig(str(tmp_path / "photos"), segmenter="no such one"), tmp_path / "out"
    )
    assert report.origins == {"alpha": 1}
    assert (pixels(tmp_path / "out" / "cat" / "a.png") == on * 200).all()


def test_files_become_grey(tmp_path, write):
    """Class numbers and colours alike, as training reads them."""
    ons = {name: write(f"photos/cat/{name}.jpg") for name in "ab"}
    (tmp_path / "given" / "cat").mkdir(parents=True)
    Image.fromarray(ons["a"].astype(np.uint8)).save(tmp_path / "given" / "cat" / "a.png")
    colours = np.zeros((*ons["b"].shape, 3), np.uint8)
    colours[ons["b"]] = (0, 0, 90)
    Image.fromarray(colours).save(tmp_path / "given" / "cat" / "b.bmp")
    config = MasksConfig(str(tmp_path / "photos"), "files", mask_path=str(tmp_path / "given"))
    make_masks(config, tmp_path / "out")
    for name, on in ons.items():
        assert (pixels(tmp_path / "out" / "cat" / f"{name}.png") == on * 255).all()


def test_auto_takes_the_best_of_every_photo(tmp_path, net, write):
    """A file, then transparency, then a box, then the segmenter."""
    for name in "abcd":
        write(f"photos/{name}.png")
    photo, on = disc()
    photo.putalpha(Image.fromarray((on * 255).astype(np.uint8)))
    for name in "ab":
        photo.save(tmp_path / "photos" / f"{name}.png")
    Image.fromarray((on * 255).astype(np.uint8)).save(tmp_path / "m.png")
    table = tmp_path / "photos.csv"
    table.write_text(
        "image,label,mask,box\n"
        "photos/a.png,x,m.png,5 5 40 35\n"
        "photos/b.png,x,,5 5 40 35\n"
        "photos/c.png,y,,5 5 40 35\n"
        "photos/d.png,y,,\n"
    )
    config = MasksConfig(str(table), segmenter=net, refine="none")
    make_masks(config, tmp_path / "out")
    found = [origin_of(tmp_path / "out" / "photos" / f"{name}.png") for name in "abcd"]
    assert found == ["file", "alpha", "box", "segmenter"]


@pytest.fixture
def boxed(tmp_path, write):
    """Three photos with loose boxes, and where their objects are."""
    ons, lines = [], ["image,label,box"]
    for index in range(3):
        on = write(f"photos/{index}.png", 80, 70)
        rows, columns = np.flatnonzero(on.any(1)), np.flatnonzero(on.any(0))
        box = (columns[0] - 4, rows[0] - 4, columns[-1] + 5, rows[-1] + 5)
        lines.append(f"photos/{index}.png,{'ab'[index % 2]},{' '.join(map(str, box))}")
        ons.append(on)
    (tmp_path / "photos.csv").write_text("\n".join(lines) + "\n")
    return ons


def test_refined_boxes_are_better_than_boxes(tmp_path, boxed, net):
    pytest.importorskip("cv2")
    means = {}
    for refine in ("none", "grabcut", "segmenter"):
        config = MasksConfig(str(tmp_path / "photos.csv"), refine=refine, segmenter=net)
        make_masks(config, tmp_path / refine)
        paths = [tmp_path / refine / "photos" / f"{index}.png" for index in range(3)]
        means[refine] = np.mean([overlap(p, on) for p, on in zip(paths, boxed, strict=True)])
        ends = "box" if refine == "none" else f"box, {refine}"
        assert {origin_of(path) for path in paths} == {ends}
        plain = [pixels(tmp_path / "none" / "photos" / f"{index}.png") for index in range(3)]
        assert all((pixels(p) <= box).all() for p, box in zip(paths, plain, strict=True))
    assert means["none"] < 0.65
    assert means["grabcut"] > 0.95
    assert means["segmenter"] > 0.9


def test_a_box_in_which_nothing_is_found_stays(tmp_path, net):
    pytest.importorskip("cv2")
    (tmp_path / "p").mkdir()
    Image.new("RGB", (40, 30), (90, 90, 90)).save(tmp_path / "p" / "a.png")
    (tmp_path / "t.csv").write_text("image,label,box\np/a.png,x,10 5 30 25\n")
    for refine in ("grabcut", "segmenter"):
        config = MasksConfig(str(tmp_path / "t.csv"), refine=refine, segmenter=net)
        make_masks(config, tmp_path / refine)
        path = tmp_path / refine / "p" / "a.png"
        assert origin_of(path) == "box"
        assert pixels(path)[5:25, 10:30].min() == 255
        assert pixels(path).sum() == 255 * 400


def test_u2netp_on_photos_gives_the_bytes_of_rembg(tmp_path, u2netp, scene):
    """All the way from file to file, up to the rounding of one grey value."""
    from tests.masks.test_segmenter import as_rembg

    (tmp_path / "photos" / "cat").mkdir(parents=True)
    scene.save(tmp_path / "photos" / "cat" / "a.png")
    config = MasksConfig(str(tmp_path / "photos"), segmenter_path=str(u2netp))
    make_masks(config, tmp_path / "out")
    expected = Image.fromarray((as_rembg(scene, u2netp) * 255).astype("uint8"))
    expected = np.asarray(expected.resize(scene.size, Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(pixels(tmp_path / "out" / "cat" / "a.png") - expected).max() <= 2


def test_no_mask_takes_the_contact_sheets_place(tmp_path, write):
    write("photos/sheet.jpg")
    write("photos/other.jpg")
    rows = ["image,label,box", "sheet.jpg,a,1 1 40 30", "other.jpg,b,1 1 40 30"]
    (tmp_path / "photos" / "all.csv").write_text("\n".join(rows))
    config = MasksConfig(str(tmp_path / "photos" / "all.csv"), refine="none")
    with pytest.raises(ValueError, match="row 2: its mask would have the contact sheet's name"):
        make_masks(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
