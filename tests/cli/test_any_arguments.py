"""Any arguments and any config file: a command begins, or one message says what is wrong."""

from __future__ import annotations

import contextlib
import io

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from causalogit.cli import commands
from causalogit.cli import main as cli
from causalogit.cli.main import main

COMMANDS = [
    "demo",
    "train",
    "compare",
    "tune",
    "evaluate",
    "masks",
    "audit",
    "fix",
    "methods",
    "presets",
    "data sources",
    "data compose",
    "inpainter train",
]
OPTIONS = [
    "--out",
    "--seed",
    "--config",
    "--config=",
    "--resume",
    "--methods",
    "--seeds",
    "--jobs",
    "--space",
    "--trials",
    "--split",
    "--pairs",
    "--data.source",
    "--data.classes",
    "--data.long_tail",
    "--clp.network.bound",
    "--clp.replace",
    "--clp.without",
    "--optimizer",
    "--optimizer.milestones",
    "--mean",
    "--foregrounds",
    "--model",
    "--model.trust",
    "--help",
    "--print_config",
    "-h",
    "--",
    "-",
]
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "null",
            "nan",
            "-1",
            "1e400",
            "9" * 5000,
            "[",
            "[1",
            "{a: 1}",
            "[null]",
            "a=b",
            "=",
            "a\0b",
            "é",
            "!!binary YWI=",
            "*a",
            "&a",
            "\udcff",
            "demo",
            "cifar10-lt-100-small",
            ".",
            "/",
        ]
    ),
    st.text(max_size=5),
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
CONTENT = st.one_of(
    st.recursive(
        PLAIN,
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["method", "seed", "data", "clp", "out", "mean", "a"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=5,
    ).map(yaml.safe_dump),
    st.text(max_size=20),
)


@pytest.fixture(scope="module", autouse=True)
def begun():
    """What would have been begun; nothing is. The parser is built once: it takes its time."""
    calls, parser = [], cli.build_parser()
    with pytest.MonkeyPatch.context() as patched:
        for name in (words.replace(" ", "_") for words in COMMANDS):
            patched.setattr(commands, name, lambda _name=name, **options: calls.append(_name))
        patched.setattr(cli, "build_parser", lambda: parser)
        yield calls


def check(arguments):
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as stop:  # of argparse, which has said why
            code = stop.code
    assert code in (0, 1, 2)
    assert code == 0 or told.getvalue().strip()
    assert "Traceback" not in told.getvalue()


@given(
    command=st.sampled_from(COMMANDS).map(str.split) | VALUES.map(lambda value: [value]),
    rest=st.lists(st.sampled_from(OPTIONS) | VALUES, max_size=5),
)
@settings(max_examples=60)
@example(command=["train"], rest=["--seed", "null"])
@example(command=["train"], rest=["--data.masked_share", "9" * 400])
@example(command=["train"], rest=["--config", "a\0b"])
@example(command=["audit"], rest=["x", "--batch_size", "null"])
@example(command=["masks"], rest=["--source", "x", "--batch_size", "null"])
@example(command=["inpainter", "train"], rest=["--steps", "null"])
@example(command=["data", "compose"], rest=["--pairs", "a=b", "--size", "null"])
@example(command=["fix"], rest=["x", "--data", "null"])
def test_any_arguments(command, rest):
    check([*command, *rest])


@given(content=CONTENT, command=st.sampled_from(["train", "compare", "masks", "audit x"]))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content="seed: null", command="train")
@example(content="mean: null", command="train")
@example(content="data: {long_tail: !!binary YWI=}", command="train")
@example(content="a: &a [*a]", command="train")
@example(content="\0", command="train")
def test_any_config_file(content, command, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_bytes(content.encode(errors="surrogatepass"))
    check([*command.split(), "--config", str(file)])


@pytest.mark.parametrize(
    ("command", "content", "told"),
    [
        ("train", "data: 3", "data is no section of options: give a mapping, as in {source: ...}"),
        ("train", "clp: {network: [1]}", "network is no section of options"),
        ("compare", "data: null", "data is no section of options"),
        ("audit x", "model: 3", "model is no section of options"),
        ("fix x", "data: []", "data is no section of options"),
        ("inpainter train", "data: {long_tail: 3}", "long_tail is no section of options"),
    ],
)
def test_a_section_of_a_file_is_not_left_at_its_defaults_in_silence(
    command, content, told, begun, tmp_path, capsys
):
    (tmp_path / "run.yaml").write_text(content)
    before = len(begun)
    assert main([*command.split(), "--config", str(tmp_path / "run.yaml")]) == 1
    assert capsys.readouterr().err.startswith(f"causalogit: {told}")
    assert len(begun) == before


def test_a_section_of_a_file_may_be_a_file(begun, tmp_path):
    (tmp_path / "data.yaml").write_text("source: digits")
    (tmp_path / "run.yaml").write_text("data: data.yaml")
    before = len(begun)
    check(["train", "--config", str(tmp_path / "run.yaml")])
    assert begun[before:] == ["train"]


def test_the_commands_do_begin(begun):
    before = len(begun)
    check(["train", "--seed", "1"])
    check(["methods"])
    assert begun[before:] == ["train", "methods"]
