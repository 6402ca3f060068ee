"""Weights that are downloaded once, and checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch


def kept_at(name: str) -> Path:
    """Where a file of weights is kept: torch's folder of checkpoints, below $TORCH_HOME."""
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def weights_file(url: str, md5: str) -> Path:
    """The file behind a URL, downloaded if it is not there yet.

    Raises:
        ValueError: it cannot be downloaded, or is not the file that was expected.
    """
    name = url.rsplit("/", maxsplit=1)[-1]
    path = kept_at(name)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), progress=False)
        except OSError as error:  # urllib's errors as well
            raise ValueError(
                f"{name} could not be downloaded from {url} ({error}): get the file elsewhere and "
                f"give it as the segmenter's path, or put it into {path.parent}"
            ) from error
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != md5:
        raise ValueError(
            f"{path} is not the file that was published as {name} (its MD5 is {found}, not {md5}): "
            "delete it, so that it is downloaded anew"
        )
    return path
