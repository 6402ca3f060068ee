"""The file that holds a study, of which a full disk or a kill takes no more than its last line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend


class WholeLines(JournalFileBackend):
    """Optuna's journal, a line an event, that goes on behind the last whole line.

    Optuna reads over a line without an end, but appends to it what comes next, and can read neither
    then. Its own lock stays for half a minute where a process was killed that held it; here it is
    the system's, which ends with the process.

    Args:
        file: of the journal; made if it is missing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._alone = FileLock(file.with_name(f"{file.name}.held"))
        super().__init__(str(file), lock_obj=cast("Any", self._alone))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append events, all or none.

        Raises:
            OSError: they cannot be written.
        """
        with self._alone:
            end = _end_of_whole_lines(self._file)
            os.truncate(self._file, end)
            try:
                super().append_logs(logs)
            except OSError:
                os.truncate(self._file, end)
                raise


def _end_of_whole_lines(file: Path) -> int:
    """Bytes up to the last line's end."""
    with file.open("rb") as lines:
        size = lines.seek(0, os.SEEK_END)
        if size:
            lines.seek(size - 1)
            if lines.read() != b"\n":
                lines.seek(0)
                return lines.read().rfind(b"\n") + 1
    return size
