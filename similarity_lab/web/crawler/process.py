"""Run the crawler's process for one site, and stop it when asked to."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from similarity_lab.web.crawler.job import Job

# Seconds beyond the limit, at which a crawl ends by itself, for what is in progress then
GRACE = 30.0
TERMINATION_SECONDS = (5.0, 2.0)  # to wait after each signal, before the process is killed
ENVIRONMENT = (
    "PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)  # fmt: skip
"""Variables that the crawler's process inherits: no proxies, no keys."""

OnProgress = Callable[[int, int], None]


class CrawlInterrupted(Exception):
    """A crawl that was stopped on request."""


def run_crawl(job: Job, on_progress: OnProgress, stop: threading.Event) -> str:
    """Crawl one site; return how the process itself failed, or ``""``.

    Parameters
    ----------
    job : Job
    on_progress : callable
        Called with the numbers of pages and images so far.
    stop : Event
        When set, the crawl is stopped and `CrawlInterrupted` raised.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "similarity_lab.web.crawler.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        cwd=job.folder,
        text=True,
        start_new_session=True,  # Ctrl-C reaches only this process
    )
    errors: list[str] = []
    readers = [
        threading.Thread(target=_read_progress, args=(process, on_progress), daemon=True),
        threading.Thread(target=_read_errors, args=(process, errors), daemon=True),
    ]
    try:
        for reader in readers:
            reader.start()
        assert process.stdin is not None  # noqa: S101 - for the type checker
        with suppress(BrokenPipeError):  # it has exited; its standard error says why
            process.stdin.write(job.to_json() + "\n")
            process.stdin.flush()
        in_time = _wait(process, job, stop)
    finally:
        _stop(process)
        for reader in readers:
            reader.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
    if not in_time:
        return f"Limit of {job.limits.seconds:g} seconds reached"
    if process.returncode == 0:
        return ""
    return f"Crawler exited with code {process.returncode}: {' '.join(errors[-3:]) or 'no output'}"


def _wait(process: "subprocess.Popen[str]", job: Job, stop: threading.Event) -> bool:
    """Wait for a process to exit by itself; return whether it did so in time."""
    deadline = time.monotonic() + job.limits.seconds + GRACE
    while process.poll() is None:
        if stop.wait(0.05):
            raise CrawlInterrupted
        if time.monotonic() > deadline:
            return False
    return True


def _stop(process: "subprocess.Popen[str]") -> None:
    """Terminate a process; if that does not help, kill it with its children."""
    for seconds in TERMINATION_SECONDS:
        if process.poll() is not None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)  # a new session is a new group
    else:
        process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    """Return the crawler's environment, with the modules that this process can import."""
    inherited = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return inherited | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if os.path.isabs(path)),
        "PYTHONNOUSERSITE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _read_progress(process: "subprocess.Popen[str]", on_progress: OnProgress) -> None:
    for line in process.stdout or ():
        try:
            counts = json.loads(line)
            on_progress(int(counts["pages"]), int(counts["images"]))
        except (ValueError, KeyError, TypeError):
            continue


def _read_errors(process: "subprocess.Popen[str]", errors: list[str]) -> None:
    for line in process.stderr or ():
        errors.append(line.strip()[:300])
        del errors[:-20]
