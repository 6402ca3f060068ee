"""Methods times seeds, in parallel processes within the cores."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any, NoReturn

import torch

from causalogit.config import RunConfig
from causalogit.config.check import one_line
from causalogit.core import Divergence
from causalogit.files import write_json
from causalogit.methods import find_method
from causalogit.train.run import train

Progress = Callable[[str, int, int], None]
"""`(run, steps done, steps in all)`."""


@dataclass(frozen=True)
class Job:
    """One run to be made: its name in messages, its config, its folder."""

    label: str
    config: RunConfig
    folder: Path


_FAILURES = (Divergence, OSError, torch.OutOfMemoryError, ValueError)
"""What a run may end with that a sentence tells."""

_OWN_DATA = ("transform", "image_size", "memory")
"""Options of the data that methods which are compared need not share: the images are the same."""

_queue: Queue[tuple[str, int, int]] | None = None


def compare(
    config: RunConfig,
    methods: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    configs: Mapping[str, RunConfig] | None = None,
    jobs: int = 0,
    on_progress: Progress | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Run every method with every seed; runs that `out` holds already are kept or resumed.

    Args:
        config: of all runs; its method and seed are replaced.
        methods: names of methods.
        seeds: one run each.
        out: gets a folder for each run, and `results.json`, rewritten after every run.
        configs: of methods that have their own, as after tuning; all have the same data.
        jobs: processes at once; 0 for one a core.
        on_progress: told how far each run is.
        on_row: told the row of each run that is done, also where others fail.

    Returns:
        The rows of `results.json`, by method and seed in the order given.

    Raises:
        ValueError: no method or seed, an unknown method, a negative number of jobs, a config of
            other data or of a method that is not compared, or a run folder of another config.
        Divergence: a run left the numbers; it is raised when all others are done.
        OSError: a folder cannot be written to, or a process was killed.
    """
    if not methods or not seeds:
        raise ValueError("nothing to compare: give at least one method and one seed")
    if jobs < 0:
        raise ValueError(f"--jobs is {jobs}: give a number of processes, or 0 for one a core")
    for name in methods:
        find_method(name)
    own = configs or {}
    for name in own:
        _check_comparable(name, own[name], config, methods)
    wanted = [
        Job(
            f"{name}, seed {seed}",
            replace(own.get(name, config), method=name, seed=seed),
            run_folder(out, name, seed),
        )
        for name in dict.fromkeys(methods)
        for seed in dict.fromkeys(seeds)
    ]
    return run_all(wanted, out / "results.json", jobs=jobs, on_progress=on_progress, on_row=on_row)


def _check_comparable(name: str, own: RunConfig, config: RunConfig, methods: Sequence[str]) -> None:
    """Whether a method's own config may stand beside that of all others.

    Raises:
        ValueError: it is of other data, or its method is not compared.
    """
    if name not in methods:
        raise ValueError(f"a config for '{name}', which is not compared: add it to --methods")
    others = [
        option
        for option, value in vars(own.data).items()
        if value != getattr(config.data, option) and option not in _OWN_DATA
    ]
    if others:
        raise ValueError(
            f"the config of {name} has another data.{others[0]} than that of all others: methods "
            "are compared on the same images; give all the same data, as by --config with one of "
            "their files"
        )


def run_all(
    wanted: Sequence[Job],
    results: Path,
    *,
    jobs: int = 0,
    on_progress: Progress | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Make every run in one pool of processes; what their folders hold already is kept or resumed.

    Rows of other runs that the file of results has stay there.

    Args:
        wanted: the runs; no two share a label or a folder.
        results: file of all rows, rewritten after every run.
        jobs: processes at once; 0 for one a core.
        on_progress: told how far each run is.
        on_row: told the row of each run that is done, also where others fail.

    Returns:
        The rows in the order of `wanted`.

    Raises:
        ValueError: runs failed, which is raised when all others are done, and tells each; or the
            file of results is damaged, or runs of one seed saw other images.
        Divergence, OSError, torch.OutOfMemoryError: likewise, of a run.
        ChildProcessError: a process was killed, which ends them all.
    """
    rows: dict[str, dict[str, Any]] = {}
    before = _rows_before(results)
    failed: dict[str, Exception] = {}
    killed: BrokenProcessPool | None = None
    labels = [job.label for job in wanted]
    for future, label in _as_completed(wanted, jobs, on_progress):
        try:
            rows[label] = future.result()
        except BrokenProcessPool as error:  # of every run that is not done
            killed = error
            continue
        except Exception as error:
            failed[label] = error
            continue
        if on_row:
            on_row(rows[label])
        done = [job for job in wanted if job.label in rows]
        others = _other_rows(before, results, [job.folder for job in done])
        write_json(results, {"runs": [*others, *(rows[job.label] for job in done)]})
    if killed is not None:
        raise ChildProcessError(
            "a process was killed, perhaps for want of memory (fewer at once: --jobs): "
            f"{len(rows)} of {len(labels)} runs are complete, and the same command goes on with "
            "the others"
        ) from killed
    if failed:
        _tell_failures(failed, len(labels))
    _check_same_data(wanted, rows)
    return [rows[label] for label in labels]


def _tell_failures(failed: Mapping[str, Exception], count: int) -> NoReturn:
    """Raise the first failure, and tell the others with it; a mistake in code is not dressed up."""
    several = f"{len(failed)} of {count} runs failed" if len(failed) > 1 else ""
    for label, failure in failed.items():
        if not isinstance(failure, _FAILURES):
            failure.add_note(f"{label} ({several})" if several else label)
            raise failure
    label, failure = next(iter(failed.items()))
    told = f"{label}: {failure}"
    if several:
        told = "\n".join([several, *(f"{run}: {one_line(why)}" for run, why in failed.items())])
    kind = next(own for own in _FAILURES if isinstance(failure, own))
    raise kind(told) from failure


def _check_same_data(wanted: Sequence[Job], rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Whether runs of one seed on one data set were trained on the same images.

    Raises:
        ValueError: they were not, as where photos were added to a folder in between.
    """
    first: dict[tuple[str, int], Job] = {}
    for job in wanted:
        known = rows[job.label].get("data")  # rows of older versions do not tell
        if known is None:
            continue
        other = first.setdefault((repr(job.config.data), job.config.split_seed), job)
        if rows[other.label]["data"] != known:
            raise ValueError(
                f"{job.folder} and {other.folder} were trained on other images: "
                f"{job.config.data.source} has changed in between, so that they cannot be "
                "compared; choose another folder (--out)"
            )


def _rows_before(results: Path) -> list[dict[str, Any]]:
    """What a file of results says, if there is one.

    Raises:
        ValueError: it is not what `run_all` has written.
    """
    if not results.is_file():
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(results.read_bytes())["runs"]
        for row in rows:
            Path(row["folder"])
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f"{results} is damaged ({one_line(error)}): delete it, and name all runs again, which "
            "are kept"
        ) from error
    return rows


def _other_rows(
    rows: Sequence[dict[str, Any]], results: Path, folders: Sequence[Path]
) -> list[dict[str, Any]]:
    """The rows of runs that lie in other folders beside the file of results."""
    own = {folder.relative_to(results.parent).parts for folder in folders}
    return [
        row
        for row in rows
        if not any(Path(row["folder"]).parts[-len(parts) :] == parts for parts in own)
    ]


def run_folder(out: Path, method: str, seed: int) -> Path:
    """Where `compare` keeps a run."""
    return out / method / f"seed-{seed}"


def _as_completed(
    wanted: Sequence[Job], jobs: int, on_progress: Progress | None
) -> Iterator[tuple[Future[dict[str, Any]], str]]:
    """Every run with its label as it ends, well or not; whoever stops listening stops them all."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = min(jobs or cores or 1, len(wanted))
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    queue: Queue[tuple[str, int, int]] = context.Queue()
    pool = ProcessPoolExecutor(workers, context, _begin_worker, (queue, cores or 1, workers))
    try:
        futures = {pool.submit(_run, job): job.label for job in wanted}
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            _drain(queue, on_progress)
            yield from ((future, futures[future]) for future in done)
    except BaseException:
        # every run can go on from its last checkpoint: none is waited for
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _drain(queue: Queue[tuple[str, int, int]], on_progress: Progress | None) -> None:
    """Pass on what the workers tell; without a listener too, for a full queue would block them."""
    try:
        while True:
            message = queue.get_nowait()
            if on_progress:
                on_progress(*message)
    except Empty:
        pass


def _begin_worker(queue: Queue[tuple[str, int, int]], cores: int, workers: int) -> None:
    global _queue  # noqa: PLW0603  (a worker's only way to keep what its initializer was given)
    _queue = queue
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores // workers)))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent leaves nobody who would end its workers: they would hold folders forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(job: Job) -> dict[str, Any]:
    told = 0.0

    def on_step(done: int, total: int) -> None:
        nonlocal told
        if _queue is not None and (done == total or time.monotonic() - told > 0.3):
            told = time.monotonic()
            _queue.put((job.label, done, total))

    return train(job.config, job.folder, resume=True, on_step=on_step)
