"""How to make the runs again: versions, command lines, configs, seeds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from causalogit.config import config_to_dict
from causalogit.report.lineup import Entry


@dataclass(frozen=True)
class Environment:
    """Where and with what some runs were made."""

    runs: list[str]
    facts: dict[str, str]


@dataclass(frozen=True)
class Record:
    """All that is needed to make one entry's runs again."""

    title: str
    runs: list[tuple[str, str]]
    config: str


def records(entries: Sequence[Entry]) -> list[Record]:
    """Per method: seeds with their folders, and the config."""
    return [
        Record(
            entry.title,
            [(str(run.config.seed), str(run.folder)) for run in entry.runs],
            yaml.safe_dump(config_to_dict(entry.runs[0].config), sort_keys=False),
        )
        for entry in entries
    ]


def environments(entries: Sequence[Entry]) -> list[Environment]:
    """What `environment.json` says; runs that agree in it stand together."""
    gathered: dict[str, Environment] = {}
    for entry in entries:
        for run in entry.runs:
            path = run.folder / "environment.json"
            if not path.is_file():
                continue
            facts = _facts(json.loads(path.read_text()))
            found = gathered.setdefault(json.dumps(facts), Environment([], facts))
            found.runs.append(f"{entry.title}, seed {run.config.seed}")
    return list(gathered.values())


def _facts(content: dict[str, Any]) -> dict[str, str]:
    packages = content.get("packages") or {}
    facts = {
        "Command": shlex.join(str(word) for word in content.get("command") or []),
        "Python": content.get("python"),
        "Packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "Platform": content.get("platform"),
        "GPU": content.get("cuda") or "none",
        "Threads": content.get("threads"),
        "Source": content.get("git_revision") or "not from a git repository",
    }
    return {name: str(value) for name, value in facts.items() if value}
