"""Run the crawler's process for one site, and take it down with us."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from similarity_lab.web.crawler.jobs import Job

# A crawl ends by itself at its limit of seconds; what is under way then may take this much longer
_GRACE = 30.0
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)

Progress = Callable[[int, int], None]


class Interrupted(Exception):
    """Somebody asked to stop."""


def run_crawl(job: Job, progress: Progress, stop: threading.Event) -> str:
    """Crawl one site; return what went wrong with the process itself, or an empty text.

    Parameters
    ----------
    job : Job
    progress : callable
        Called with pages and images so far.
    stop : Event
        When set, the crawl is ended; `Interrupted` is raised.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "similarity_lab.web.crawler.crawl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        cwd=job.folder,
        text=True,
        start_new_session=True,  # an interrupt of ours is not its interrupt
    )
    said: list[str] = []
    readers = [
        threading.Thread(target=_read_progress, args=(process, progress), daemon=True),
        threading.Thread(target=_read_tail, args=(process, said), daemon=True),
    ]
    try:
        for reader in readers:
            reader.start()
        assert process.stdin is not None  # noqa: S101 - for the type checker
        with suppress(BrokenPipeError):  # it is gone already; what it said on the way tells why
            process.stdin.write(job.to_json() + "\n")
            process.stdin.flush()
        in_time = _wait(process, job, stop)
    finally:
        _end(process)
        for reader in readers:
            reader.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
    if not in_time:
        return f"the limit of {job.limits.seconds:g} seconds is reached"
    if process.returncode == 0:
        return ""
    return f"the crawler ended with code {process.returncode}: {' '.join(said[-3:]) or 'no words'}"


def _wait(process: "subprocess.Popen[str]", job: Job, stop: threading.Event) -> bool:
    """Wait for a process to end by itself; return whether it did so in time."""
    deadline = time.monotonic() + job.limits.seconds + _GRACE
    while process.poll() is None:
        if stop.wait(0.05):
            raise Interrupted
        if time.monotonic() > deadline:
            return False
    return True


def _end(process: "subprocess.Popen[str]") -> None:
    """Ask a process to end, twice, then end it with all it has started."""

    def kill() -> None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # a session of its own is a group of its own
        else:
            process.kill()

    for ask, seconds in ((process.terminate, 5), (process.terminate, 2), (kill, None)):
        if process.poll() is not None:
            return
        ask()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue


def _environment() -> dict[str, str]:
    """Return what the crawler needs: no proxies, no keys, and the modules this process sees."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if os.path.isabs(path)),
        "PYTHONNOUSERSITE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _read_progress(process: "subprocess.Popen[str]", progress: Progress) -> None:
    for line in process.stdout or ():
        try:
            told = json.loads(line)
            progress(int(told["pages"]), int(told["images"]))
        except (ValueError, KeyError, TypeError):
            continue


def _read_tail(process: "subprocess.Popen[str]", said: list[str]) -> None:
    for line in process.stderr or ():
        said.append(line.strip()[:300])
        del said[:-20]
