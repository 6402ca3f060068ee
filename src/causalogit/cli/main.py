"""The command line: a thin shell over the other rooms, one command each."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from jsonargparse import ArgumentParser, Namespace

from causalogit.auditing import AuditConfig
from causalogit.cli import commands
from causalogit.config import RunConfig
from causalogit.config.check import Section, one_line, require_sections
from causalogit.core import Divergence
from causalogit.data.compose import ComposeConfig
from causalogit.data.masking import MasksConfig
from causalogit.fixing import FixConfig
from causalogit.inpainting import InpaintingConfig
from causalogit.presets import preset_names, preset_path
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


class _Parser(ArgumentParser):
    """Names the type of a list as people do, and shows how one is written."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """As the parser that it is, which ends the program."""
        shown = "a list, in quotes, as '[A, B]'"
        super().error(message.replace("a <class 'tuple'>", shown), ex)


def build_parser() -> ArgumentParser:
    """The parser of the command `causalogit`."""
    parser = _Parser(
        prog="causalogit",
        description="Image classifiers that rely on the object, not on its background.",
    )
    subcommands = parser.add_subcommands(required=True, dest="command")

    demo = _parser(commands.demo.__doc__)
    demo.add_argument("--out", type=str, default="demo", help="folder of the report and the runs")
    demo.add_argument("--seed", type=int, default=0, help="of the split, the weights, every draw")
    demo.add_argument("--epochs", type=int, default=20, help="passes over the training images")
    subcommands.add_subcommand("demo", demo, help="two models side by side, on real digits")

    train = _run_parser(commands.train.__doc__)
    train.add_argument("--out", type=str, default=None, help="folder; runs/METHOD-SEED by default")
    train.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    subcommands.add_subcommand("train", train, help="train one method")

    compare = _run_parser(commands.compare.__doc__, skip={"method", "seed"})
    compare.add_argument("--methods", type=str, nargs="+", default=["all"], help="names, or 'all'")
    compare.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    compare.add_argument("--out", type=str, default="runs/compare", help="folder of all runs")
    compare.add_argument("--jobs", type=int, default=0, help="processes at once; 0: one a core")
    compare.add_argument("--report", action="store_true", help="write report.html as well")
    subcommands.add_subcommand("compare", compare, help="methods times seeds, one table")

    _add_tune(subcommands)
    evaluate = _parser(commands.evaluate.__doc__)
    evaluate.add_argument("checkpoint", type=str, help="a .ckpt file of a run's folder")
    evaluate.add_argument("--split", choices=("validation", "test"), default="test")
    subcommands.add_subcommand("evaluate", evaluate, help="test a checkpoint")

    masks = _parser(commands.masks.__doc__, "masks")
    masks.add_argument("--out", type=str, default="masks", help="folder of the masks")
    masks.add_class_arguments(MasksConfig)
    subcommands.add_subcommand("masks", masks, help="make masks of photos, and look at them")
    _add_classifier_commands(subcommands)

    inpainter = _Parser(description="Make the fill that paints the background on.")
    subcommands.add_subcommand("inpainter", inpainter, help="train what takes objects out")
    _add_inpainter_actions(inpainter)

    methods = _Parser(description=commands.methods.__doc__)
    subcommands.add_subcommand("methods", methods, help="list the methods and their budgets")

    presets = _Parser(description=commands.presets.__doc__)
    subcommands.add_subcommand("presets", presets, help="list the configs that have a name")

    data = _Parser(description="List and make data sets.")
    subcommands.add_subcommand("data", data, help="list and make data sets")
    actions = data.add_subcommands(required=True, dest="action")
    sources = _Parser(description=commands.data_sources.__doc__)
    actions.add_subcommand("sources", sources, help="list the data sets and where they must lie")
    compose = _parser(commands.data_compose.__doc__, "data compose")
    compose.add_argument("--out", type=str, default="composed", help="folder of the set")
    compose.add_argument(
        "--pairs", type=str, nargs="+", required=True, help="CLASS=PLACE for every class"
    )
    compose.add_class_arguments(ComposeConfig, skip={"pairs"})
    actions.add_subcommand("compose", compose, help="paste cut-outs on scenes, like Waterbirds")
    return parser


def _add_tune(subcommands: Any) -> None:
    tune = _run_parser(commands.tune.__doc__)
    tune.add_argument(
        "--space",
        type=dict[str, Any] | str,
        required=True,
        help="ranges by dotted field, as {clp.every: {low: 1, high: 4}, optimizer.learning_rate: "
        "{low: 0.001, high: 0.3, log: true}, optimizer.name: {choices: [sgd, adam]}}, or a YAML "
        "file of them",
    )
    tune.add_argument("--trials", type=int, default=20, help="all in all, of all processes")
    tune.add_argument(
        "--seeds", type=int, nargs="+", default=[], help="of each trial; by default seed alone"
    )
    tune.add_argument(
        "--storage", type=str | None, default=None, help="a URL of Optuna; a file in OUT by default"
    )
    tune.add_argument(
        "--prune",
        type=bool,
        default=True,
        help="stop trials whose first seed is below the median of the others at the same epoch",
    )
    tune.add_argument("--out", type=str, default="tune", help="folder of the study")
    subcommands.add_subcommand("tune", tune, help="search for the best values of a config")


def _add_classifier_commands(subcommands: Any) -> None:
    """What is done with a classifier that there is already."""
    audit = _parser(commands.audit.__doc__, "audit CLASSIFIER")
    audit.add_argument("classifier", type=str, help="a file, or module:function")
    audit.add_argument("--out", type=str, default="audit", help="folder of the page and the rest")
    audit.add_class_arguments(AuditConfig)
    subcommands.add_subcommand("audit", audit, help="does a classifier rely on the background?")
    fix = _parser(commands.fix.__doc__, "fix CLASSIFIER")
    fix.add_argument("classifier", type=str, help="a file, or module:function")
    fix.add_argument("--out", type=str, default="fix", help="folder of the page and the new model")
    fix.add_class_arguments(FixConfig)
    subcommands.add_subcommand("fix", fix, help="train a classifier until it goes by the object")


def _add_inpainter_actions(parser: _Parser) -> None:
    actions = parser.add_subcommands(required=True, dest="action")
    train = _parser(commands.inpainter_train.__doc__, "inpainter train")
    train.add_argument("--out", type=str, default="inpainter", help="folder of the file")
    train.add_class_arguments(InpaintingConfig)
    actions.add_subcommand("train", train, help="train it on your own backgrounds")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
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


def _remedy(error: Exception) -> str:
    """What to do about an error of the system that says nothing of it."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ": make room on the disk, then give the same command again" if full else ""


def _parser(description: str | None, command: str = "COMMAND") -> _Parser:
    # the generated usage names every option, and would bury an error message
    parser = _Parser(description=description, usage=f"causalogit {command} [options]")
    parser.add_argument(
        "--config",
        action="config",
        help="a file of the options below (YAML), or the name of a preset",
    )
    return parser


def with_preset_files(arguments: Sequence[str]) -> list[str]:
    """Arguments with `--config NAME` of a preset turned into `--config FILE`."""
    given = [part for word in arguments for part in _split_config(word)]
    return [
        str(preset_path(word))
        if before == "--config" and word in preset_names() and not Path(word).is_file()
        else word
        for before, word in zip(["", *given], given, strict=False)
    ]


def _split_config(word: str) -> list[str]:
    return word.split("=", 1) if word.startswith("--config=") else [word]


def _run_parser(description: str | None, skip: set[str | int] | None = None) -> _Parser:
    parser = _parser(description)
    parser.add_class_arguments(RunConfig, skip=skip)
    return parser


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
        options["pairs"] = _pairs(options["pairs"])
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


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        name, _, place = text.partition("=")
        if not (name and place) or name in pairs:
            raise ValueError(
                f"pairs are {list(given)}: give CLASS=PLACE once for every class, as in cat=forest"
            )
        pairs[name] = place
    return pairs
