"""The command line: a thin shell over `train`, `compare`, `evaluate` and the demo."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields

from jsonargparse import ArgumentParser, Namespace

from causalogit.cli import commands
from causalogit.config import RunConfig
from causalogit.core import Divergence

_RUN_FIELDS = tuple(field.name for field in fields(RunConfig))


def build_parser() -> ArgumentParser:
    """The parser of the command `causalogit`."""
    parser = ArgumentParser(
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

    evaluate = _parser(commands.evaluate.__doc__)
    evaluate.add_argument("checkpoint", type=str, help="a .ckpt file of a run's folder")
    evaluate.add_argument("--split", choices=("validation", "test"), default="test")
    subcommands.add_subcommand("evaluate", evaluate, help="test a checkpoint")

    methods = ArgumentParser(description=commands.methods.__doc__)
    subcommands.add_subcommand("methods", methods, help="list the methods and their budgets")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    parser = build_parser()
    parsed = parser.parse_args(None if arguments is None else list(arguments))
    try:
        _dispatch(parser, parsed)
    except (ValueError, Divergence, OSError) as error:
        sys.stderr.write(f"causalogit: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ncausalogit: stopped; the same command goes on (train: --resume)\n")
        return 130
    return 0


def _parser(description: str | None) -> ArgumentParser:
    # the generated usage names every option, and would bury an error message
    parser = ArgumentParser(description=description, usage="causalogit COMMAND [options]")
    parser.add_argument("--config", action="config", help="a file of the options below (YAML)")
    return parser


def _run_parser(description: str | None, skip: set[str | int] | None = None) -> ArgumentParser:
    parser = _parser(description)
    parser.add_class_arguments(RunConfig, skip=skip)
    return parser


def _dispatch(parser: ArgumentParser, parsed: Namespace) -> None:
    options = vars(parser.instantiate(parsed)[parsed.command])
    options.pop("config", None)
    command: Callable[..., None] = getattr(commands, parsed.command)
    if "data" in options:
        options["config"] = RunConfig(**{k: options.pop(k) for k in _RUN_FIELDS if k in options})
    command(**options)


if __name__ == "__main__":
    sys.exit(main())
