"""The command line: a thin shell over the other rooms, one command each."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import yaml
from jsonargparse import Namespace

from causalogit.auditing import AuditConfig
from causalogit.cli import commands
from causalogit.cli.parser import OF_ONE_RUN, build_parser, with_preset_files
from causalogit.config import RunConfig
from causalogit.config.check import Section, one_line, require_sections
from causalogit.core import Divergence
from causalogit.data.compose import ComposeConfig
from causalogit.data.masking import MasksConfig
from causalogit.fixing import FixConfig
from causalogit.inpainting import InpaintingConfig
from causalogit.memory import out_of_memory_told
from causalogit.train.together import started_together

_CONFIGS: dict[str, type[Section]] = {
    "train": RunConfig,
    "compare": RunConfig,
    "tune": RunConfig,
    "masks": MasksConfig,
    "audit": AuditConfig,
    "fix": FixConfig,
    "inpainter_train": InpaintingConfig,
    "data_compose": ComposeConfig,
}
"""What the options of a command make up, by its name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with out_of_memory_told():
            _command(given)()
    except (ValueError, Divergence, OSError) as error:
        sys.stderr.write(f"causalogit: {error}{_remedy(error)}\n")
        return 1
    except torch.OutOfMemoryError as error:
        sys.stderr.write(
            f"causalogit: {one_line(error)}: take smaller batches, or train with more "
            "optimizer.pieces\n"
        )
        return 1
    except RuntimeError as error:
        if not _is_of_another_process(error):
            raise
        sys.stderr.write("causalogit: another process has stopped, and says why\n")
        return 1
    except KeyboardInterrupt:
        how = _GOES_ON.get(given[0] if given else "", "the same command goes on")
        sys.stderr.write(f"\ncausalogit: stopped; {how}\n")
        return 130
    return 0


_GOES_ON = {
    "train": "the same command with --resume goes on",
    "data": "the same command begins anew",
}
"""What a command that was stopped does when it is given again, by its first word."""


def _is_of_another_process(error: RuntimeError) -> bool:
    """Whether it only says that one of the processes of torchrun is gone."""
    lost = isinstance(error, dist.DistError) or "gloo" in str(error)
    return lost and started_together() > 1


def _remedy(error: Exception) -> str:
    """What to do about an error of the system that says nothing of it."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ": make room on the disk, then give the same command again" if full else ""


def _command(given: Sequence[str]) -> Callable[[], None]:
    """What the arguments ask for, ready to be called.

    Raises:
        ValueError: they cannot be read, or do not fit.
    """
    parser = build_parser()
    try:
        parsed = parser.parse_args(with_preset_files(given))
        name = "_".join(_words(parsed))
        kind = _CONFIGS.get(name)
        if kind is not None:
            for file in _innermost(parsed).config or ():
                require_sections(
                    kind, yaml.safe_load(Path(file).read_bytes()), str(file), files=True
                )
        options = vars(_innermost(parser.instantiate(parsed)))
    except (TypeError, OverflowError, RecursionError) as error:
        # the parser's own refusals are SystemExit; these are what it trips over
        raise ValueError(
            f"the options or their file cannot be read ({one_line(error)}): see --help"
        ) from error
    if started_together() > 1 and name != "train":
        raise ValueError(
            f"torchrun has started {started_together()} processes, and `{name}` is for one: start "
            "it without torchrun (only `train` shares its work)"
        )
    options.pop("config", None)
    if "pairs" in options:
        wanted = "CLASS=PLACE once for every class, as in cat=forest"
        options["pairs"] = _pairs("pairs", options["pairs"], wanted)
    if name == "compare":
        for single in OF_ONE_RUN:
            if any(word.split("=")[0] == f"--{single}" for word in given):
                raise ValueError(f"compare has several: give --{single}s in place of --{single}")
            options.pop(single)
        wanted = "METHOD=FILE once for a method, as in clp=tune/best.yaml"
        options["configs"] = _pairs("configs", options["configs"], wanted)
    if kind is not None:
        options["config"] = _take(kind, options)
    command: Callable[..., None] = getattr(commands, name)
    return partial(command, **options)


def _words(parsed: Namespace) -> list[str]:
    """The words of the command, one or two."""
    action = parsed[parsed.command].get("action")
    return [parsed.command] if action is None else [parsed.command, action]


def _innermost(parsed: Namespace) -> Namespace:
    """The options of the command."""
    for word in _words(parsed):
        parsed = parsed[word]
    return parsed


def _take(kind: type[Section], options: dict[str, Any]) -> Section:
    names = [field.name for field in fields(kind) if field.name in options]
    return kind(**{name: options.pop(name) for name in names})


def _pairs(option: str, given: Sequence[str], wanted: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        name, _, value = text.partition("=")
        if not (name and value) or name in pairs:
            raise ValueError(f"{option} are {list(given)}: give {wanted}")
        pairs[name] = value
    return pairs
