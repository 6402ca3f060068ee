"""Methods times seeds, in parallel processes within the cores."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from causalogit.config import RunConfig
from causalogit.core import Divergence
from causalogit.methods import find_method
from causalogit.train.checkpoint import write_json
from causalogit.train.loop import train

Progress = Callable[[str, int, int], None]
"""`(run, steps done, steps in all)`."""

_queue: Queue[tuple[str, int, int]] | None = None


def compare(
    config: RunConfig,
    methods: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    jobs: int = 0,
    on_progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Run every method with every seed; runs that `out` holds already are kept or resumed.

    Args:
        config: of all runs; its method and seed are replaced.
        methods: names of methods.
        seeds: one run each.
        out: gets a folder for each run, and `results.json`, rewritten after every run.
        jobs: processes at once; 0 for one a core.
        on_progress: told how far each run is.

    Returns:
        The rows of `results.json`, by method and seed in the order given.

    Raises:
        ValueError: no method or seed, an unknown method, or a run folder of another config.
        Divergence: a run left the numbers; it is raised when all others are done.
    """
    if not methods or not seeds:
        raise ValueError("nothing to compare: give at least one method and one seed")
    for name in methods:
        find_method(name)
    keys = [(name, seed) for name in methods for seed in seeds]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = min(jobs or cores or 1, len(keys))
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    failed: dict[tuple[str, int], ValueError | Divergence] = {}
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    queue: Queue[tuple[str, int, int]] = context.Queue()
    pool = ProcessPoolExecutor(workers, context, _begin_worker, (queue, cores or 1, workers))
    try:
        futures = {
            pool.submit(_run, replace(config, method=name, seed=seed), out): (name, seed)
            for name, seed in keys
        }
        for future in _as_completed(futures, queue, on_progress):
            key = futures[future]
            try:
                rows[key] = future.result()
            except (ValueError, Divergence) as error:
                failed[key] = error
                continue
            done = [rows[key] for key in keys if key in rows]
            write_json(out / "results.json", {"runs": done})
    except BaseException:
        # every run can go on from its last checkpoint: none is waited for
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    for (name, seed), failure in failed.items():
        more = f" ({len(failed)} of {len(keys)} runs failed)" if len(failed) > 1 else ""
        raise type(failure)(f"{name}, seed {seed}: {failure}{more}") from failure
    return [rows[key] for key in keys]


def run_folder(out: Path, method: str, seed: int) -> Path:
    """Where `compare` keeps a run."""
    return out / method / f"seed-{seed}"


def read_results(path: Path) -> list[dict[str, Any]]:
    """The rows of a `results.json`.

    Raises:
        ValueError: the file is missing or is not one.
    """
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text())["runs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a results file of causalogit: {error}") from error
    return rows


def _as_completed(
    futures: dict[Future[dict[str, Any]], tuple[str, int]],
    queue: Queue[tuple[str, int, int]],
    on_progress: Progress | None,
) -> Iterator[Future[dict[str, Any]]]:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
        try:
            while True:  # also without a listener: a full queue would block the workers
                message = queue.get_nowait()
                if on_progress:
                    on_progress(*message)
        except Empty:
            pass
        yield from done


def _begin_worker(queue: Queue[tuple[str, int, int]], cores: int, workers: int) -> None:
    global _queue  # noqa: PLW0603  (a worker's only way to keep what its initializer was given)
    _queue = queue
    torch.set_num_threads(max(1, cores // workers))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides


def _run(config: RunConfig, out: Path) -> dict[str, Any]:
    told = 0.0

    def on_step(done: int, total: int) -> None:
        nonlocal told
        if _queue is not None and (done == total or time.monotonic() - told > 0.3):
            told = time.monotonic()
            _queue.put((f"{config.method}, seed {config.seed}", done, total))

    folder = run_folder(out, config.method, config.seed)
    return train(config, folder, resume=True, on_step=on_step)
