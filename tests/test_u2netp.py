"""The weights are written only if they are those that rembg publishes."""

from __future__ import annotations

import sys

import pytest
from benchmarks import u2netp as command


def test_weights_are_written(u2netp, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "packaged_weights", u2netp.read_bytes)
    path = tmp_path / "net.onnx"
    monkeypatch.setattr(sys, "argv", ["u2netp", str(path)])
    command.main()
    assert path.read_bytes() == u2netp.read_bytes()
    assert "4,574,861 bytes" in capsys.readouterr().out


def test_others_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "packaged_weights", lambda: b"other")
    path = tmp_path / "net.onnx"
    monkeypatch.setattr(sys, "argv", ["u2netp", str(path)])
    with pytest.raises(SystemExit, match=r"u2netp.onnx is not rembg's: nothing was written"):
        command.main()
    assert not path.exists()
