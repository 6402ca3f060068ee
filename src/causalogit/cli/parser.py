"""The parser of the command line: what can be typed, command by command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import SUPPRESS, ArgumentParser

from causalogit.auditing import AuditConfig
from causalogit.cli import commands
from causalogit.config import RunConfig
from causalogit.config.check import Section
from causalogit.data.compose import ComposeConfig
from causalogit.data.masking import MasksConfig
from causalogit.fixing import FixConfig
from causalogit.inpainting import InpaintingConfig
from causalogit.presets import preset_names, preset_path

OF_ONE_RUN = ("method", "seed")
"""Options of a run, in whose place `compare` has several."""


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
    _add(parser, "command", _COMMANDS)
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


def _parser(description: str | None, command: str = "COMMAND") -> _Parser:
    # the generated usage names every option, and would bury an error message
    parser = _Parser(description=description, usage=f"causalogit {command} [options]")
    parser.add_argument(
        "--config",
        action="config",
        help="a file of the options below (YAML), or the name of a preset",
    )
    return parser


def _run_parser(description: str | None, skip: set[str | int] | None = None) -> _Parser:
    parser = _parser(description)
    parser.add_class_arguments(RunConfig, skip=skip)
    return parser


def _folder_parser(
    description: str | None, command: str, kind: type[Section], out: str, what: str
) -> _Parser:
    """Of a command whose options are a config and the folder that it writes."""
    parser = _parser(description, command)
    parser.add_argument("--out", type=str, default=out, help=what)
    parser.add_class_arguments(kind)
    return parser


def _add(parser: _Parser, dest: str, parts: Mapping[str, _Part]) -> None:
    """Commands of a parser, and their actions: a parser must have its own place before those do."""
    subcommands: Any = parser.add_subcommands(required=True, dest=dest)
    for name, (build, line) in parts.items():
        part = build()
        subcommands.add_subcommand(name, part, help=line)
        if name in _ACTIONS:
            _add(part, "action", _ACTIONS[name])


def _demo() -> _Parser:
    parser = _parser(commands.demo.__doc__)
    parser.add_argument("--out", type=str, default="demo", help="folder of the report and the runs")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the weights, every draw")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training images")
    return parser


def _train() -> _Parser:
    parser = _run_parser(commands.train.__doc__)
    parser.add_argument("--out", type=str, default=None, help="folder; runs/METHOD-SEED by default")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    return parser


def _compare() -> _Parser:
    parser = _run_parser(commands.compare.__doc__, skip={"method", "seed"})
    for name in OF_ONE_RUN:  # a config file may have them, as that of a run does
        parser.add_argument(f"--{name}", default=None, help=SUPPRESS)
    parser.add_argument("--methods", type=str, nargs="+", default=["all"], help="names, or 'all'")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument(
        "--configs",
        type=str,
        nargs="+",
        default=[],
        help="METHOD=FILE, for methods that have options of their own, as clp=tune/best.yaml",
    )
    parser.add_argument("--out", type=str, default="runs/compare", help="folder of all runs")
    parser.add_argument("--jobs", type=int, default=0, help="processes at once; 0: one a core")
    parser.add_argument("--report", action="store_true", help="write report.html as well")
    return parser


def _tune() -> _Parser:
    parser = _run_parser(commands.tune.__doc__)
    parser.add_argument(
        "--space",
        type=dict[str, Any] | str,
        required=True,
        help="ranges by dotted field, as {clp.every: {low: 1, high: 4}, optimizer.learning_rate: "
        "{low: 0.001, high: 0.3, log: true}, optimizer.name: {choices: [sgd, adam]}}, or a YAML "
        "file of them",
    )
    parser.add_argument("--trials", type=int, default=20, help="all in all, of all processes")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[], help="of each trial; by default seed alone"
    )
    parser.add_argument(
        "--storage", type=str | None, default=None, help="a URL of Optuna; a file in OUT by default"
    )
    parser.add_argument(
        "--prune",
        type=bool,
        default=True,
        help="stop trials whose first seed, after half of its epochs, is below the median of the "
        "others at the same epoch; not where optimizer.epochs is searched, nor where the method "
        "changes its weights after the last epoch",
    )
    parser.add_argument("--out", type=str, default="tune", help="folder of the study")
    return parser


def _evaluate() -> _Parser:
    parser = _parser(commands.evaluate.__doc__)
    parser.add_argument("checkpoint", type=str, help="a .ckpt file of a run's folder")
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    return parser


def _masks() -> _Parser:
    return _folder_parser(
        commands.masks.__doc__, "masks", MasksConfig, "masks", "folder of the masks"
    )


def _audit() -> _Parser:
    parser = _folder_parser(
        commands.audit.__doc__,
        "audit CLASSIFIER",
        AuditConfig,
        "audit",
        "folder of the page and the rest",
    )
    parser.add_argument("classifier", type=str, help="a file, or module:function")
    return parser


def _fix() -> _Parser:
    parser = _folder_parser(
        commands.fix.__doc__,
        "fix CLASSIFIER",
        FixConfig,
        "fix",
        "folder of the page and the new model",
    )
    parser.add_argument("classifier", type=str, help="a file, or module:function")
    return parser


def _inpainter() -> _Parser:
    return _Parser(description="Make the fill that paints the background on.")


def _inpainter_train() -> _Parser:
    return _folder_parser(
        commands.inpainter_train.__doc__,
        "inpainter train",
        InpaintingConfig,
        "inpainter",
        "folder of the file",
    )


def _methods() -> _Parser:
    return _Parser(description=commands.methods.__doc__)


def _presets() -> _Parser:
    return _Parser(description=commands.presets.__doc__)


def _data() -> _Parser:
    return _Parser(description="List and make data sets.")


def _data_sources() -> _Parser:
    return _Parser(description=commands.data_sources.__doc__)


def _data_compose() -> _Parser:
    parser = _parser(commands.data_compose.__doc__, "data compose")
    parser.add_argument("--out", type=str, default="composed", help="folder of the set")
    parser.add_argument(
        "--pairs", type=str, nargs="+", required=True, help="CLASS=PLACE for every class"
    )
    parser.add_class_arguments(ComposeConfig, skip={"pairs"})
    return parser


_Part = tuple[Callable[[], _Parser], str]

_COMMANDS: dict[str, _Part] = {
    "demo": (_demo, "two models side by side, on real digits"),
    "train": (_train, "train one method"),
    "compare": (_compare, "methods times seeds, one table"),
    "tune": (_tune, "search for the best values of a config"),
    "evaluate": (_evaluate, "test a checkpoint"),
    "masks": (_masks, "make masks of photos, and look at them"),
    "audit": (_audit, "does a classifier rely on the background?"),
    "fix": (_fix, "train a classifier until it goes by the object"),
    "inpainter": (_inpainter, "train what takes objects out"),
    "methods": (_methods, "list the methods and their budgets"),
    "presets": (_presets, "list the configs that have a name"),
    "data": (_data, "list and make data sets"),
}
"""How each command's parser is built, and its line in the help, in the order of the help."""

_ACTIONS: dict[str, dict[str, _Part]] = {
    "inpainter": {"train": (_inpainter_train, "train it on your own backgrounds")},
    "data": {
        "sources": (_data_sources, "list the data sets and where they must lie"),
        "compose": (_data_compose, "paste cut-outs on scenes, like Waterbirds"),
    },
}
"""Likewise, of the commands that have actions."""
