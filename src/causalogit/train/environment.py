"""What a run was made with: versions, machine, git revision."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch

_PACKAGES = ("causalogit", "torch", "torchvision", "timm", "numpy", "scikit-learn", "mlxtend")


def describe_environment() -> dict[str, object]:
    """Versions, command line, device and git revision, ready for a JSON file."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in _PACKAGES},
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "git_revision": git_revision(),
    }


def git_revision() -> str | None:
    """The commit of the source that runs, "+changes" where the tree differs; None outside git."""
    here = Path(__file__).parent
    try:
        revision = _git(here, "rev-parse", "HEAD")
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
    except (OSError, subprocess.CalledProcessError):
        return None
    return revision + ("+changes" if _git(here, "status", "--porcelain", "--", "..") else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
