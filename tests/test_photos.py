"""The memory study draws its photos by their number and measures a command alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from benchmarks import photos


def test_a_drawn_photo_has_its_object_in_its_box(tmp_path):
    photo, (left, top, right, bottom) = photos.draw_photo(1)
    assert photo.size == (224, 224)
    assert photo == photos.draw_photo(1)[0]
    inside = photo.crop((left, top, right, bottom))
    assert len(inside.getcolors()) == 1
    around = photo.crop((left - 4, top - 4, right + 4, bottom + 4))
    assert len(around.getcolors(100_000)) > 100
    table = photos.written(tmp_path, 2)
    lines = table.read_text().splitlines()
    assert lines[0] == "image,label,box"
    assert lines[2] == f"photos/000001.jpg,square,{left} {top} {right} {bottom}"


def test_the_memory_of_a_command_is_its_own():
    def memory(size):
        return photos.peak([sys.executable, "-c", f"bytearray({size} * 2**20)"])[0]

    small, large = memory(1), memory(200)
    assert 190 < large - small < 210
    assert large < 300
    with pytest.raises(subprocess.CalledProcessError):
        photos.peak([sys.executable, "-c", "exit(3)"])
