"""The crawler's process as its parent sees it: one process for many sites, restarted if need be.

A process that crashes or stops responding takes all sites with it that it was crawling. They
resume one at a time in a new process, after all others; the one that brings it down again has
failed, with the reason.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType

from similarity_lab.web.crawler.job import CrawlOptions, Job
from similarity_lab.web.reasons import Code, Reason, read_reason

SILENCE = 60.0  # seconds without a sign of life, after which a process is killed
TERMINATION_SECONDS = (5.0, 2.0)  # to wait after each signal, before the process is killed
ENVIRONMENT = (
    "PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)  # fmt: skip
"""Variables that the crawler's process inherits: no proxies, no keys."""
LOGS = ".crawler"  # folder beside the sites' folders; no site's name begins with a dot

OnProgress = Callable[[Job, int, int], None]


class CrawlInterrupted(Exception):
    """Crawls that were stopped on request."""


class CrawlerProcess:
    """Crawls sites in a process of its own, several at a time.

    Parameters
    ----------
    out : Path
        Gets the process's logs, in the folder `LOGS`.
    options : CrawlOptions
    parallel : int
        Number of sites crawled at the same time.
    on_progress : callable
        Called with a job and the numbers of its pages and images so far.
    is_stopped : callable
        Asked while waiting; if it returns True, `wait` raises `CrawlInterrupted`.
    """

    def __init__(
        self,
        out: Path,
        options: CrawlOptions,
        *,
        parallel: int,
        on_progress: OnProgress,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.out, self.options, self.parallel = out, options, parallel
        self.on_progress, self.is_stopped = on_progress, is_stopped
        self._worker: _Worker | None = None
        self._running: dict[str, Job] = {}  # by folder
        self._suspects: deque[Job] = deque()  # were running when a process crashed
        self._failed: deque[tuple[Job, Reason | None]] = deque()

    @property
    def has_room(self) -> bool:
        """Whether another site may be started now."""
        if not self._running:
            return True
        is_closed = self._worker is not None and (self._worker.is_retiring or self._worker.is_alone)
        return not is_closed and len(self._running) < self.parallel

    def start(self, job: Job) -> None:
        """Start to crawl a site."""
        self._send(job)

    def wait(self) -> tuple[Job, Reason | None]:
        """Return the next site that is finished, and how its process failed, or None."""
        while not self._failed:
            if self.is_stopped():
                raise CrawlInterrupted("Interrupted")
            if not self._running:
                self._send(self._suspects.popleft(), alone=True)
            assert self._worker is not None  # noqa: S101 - for the type checker
            event = self._worker.next_event(0.05)
            if event is None:
                self._check_silence()
            elif "failure" in event:
                self._end_worker(Reason(Code.CRAWLER_FAILED, event["failure"]))
            elif job := self._running.get(event.get("folder", "")):
                if "finished" in event:
                    return self._finish(job, event["finished"])
                self.on_progress(job, event["pages"], event["images"])
        return self._failed.popleft()

    def close(self) -> None:
        """Stop all crawls, and the process with all its children."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        self._running.clear()

    def __enter__(self) -> "CrawlerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, job: Job, *, alone: bool = False) -> None:
        if self._worker is not None and self._worker.is_retiring and not self._running:
            self._worker.stop()
            self._worker = None
        if self._worker is None:
            self._worker = _Worker(self.out / LOGS, self.options)
        self._worker.is_alone = alone
        self._running[str(job.folder)] = job
        self._worker.send(job.to_json())

    def _finish(self, job: Job, failure: Reason | None) -> tuple[Job, Reason | None]:
        assert self._worker is not None  # noqa: S101 - for the type checker
        del self._running[str(job.folder)]
        self._worker.is_alone = False
        return job, failure

    def _check_silence(self) -> None:
        if self._worker is not None and self._worker.silence > SILENCE:
            self._end_worker(
                Reason(Code.CRAWLER_FAILED, f"did not respond for {SILENCE:g} seconds")
            )

    def _end_worker(self, failure: Reason) -> None:
        """Stop a process that failed; its sites are crawled alone, or fail if they were."""
        assert self._worker is not None  # noqa: S101 - for the type checker
        is_guilty = self._worker.is_alone or not self._worker.was_ready
        self._worker.stop()
        self._worker = None
        for job in self._running.values():
            if is_guilty:
                self._failed.append((job, failure))
            else:
                self._suspects.append(job)
        self._running.clear()


class _Worker:
    """One process of the operating system, and the events it reports."""

    def __init__(self, logs: Path, options: CrawlOptions) -> None:
        self.is_retiring = self.is_alone = self.was_ready = False
        self._last_event = time.monotonic()
        self._events: SimpleQueue[dict] = SimpleQueue()
        self._errors: deque[str] = deque(maxlen=20)
        logs.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "similarity_lab.web.crawler.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd=logs,
            text=True,
            start_new_session=True,  # Ctrl-C reaches only this process
        )
        self._readers = [
            threading.Thread(target=read, daemon=True)
            for read in (self._read_errors, self._read_events)
        ]
        for reader in self._readers:
            reader.start()
        self.send(options.to_json())

    @property
    def silence(self) -> float:
        """Seconds since the last event."""
        return time.monotonic() - self._last_event

    def send(self, line: str) -> None:
        """Write a line to the process's standard input."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        with suppress(BrokenPipeError):  # it has exited; the last event says why
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def next_event(self, seconds: float) -> dict | None:
        """Return the next event, or None if there is none in time."""
        try:
            event = self._events.get(timeout=seconds)
        except Empty:
            return None
        self._last_event = time.monotonic()
        self.was_ready |= "failure" not in event
        self.is_retiring |= bool(event.get("is_retiring"))
        return event

    def stop(self) -> None:
        """Terminate the process; if that does not help, kill it. Its children are killed."""
        for seconds in TERMINATION_SECONDS:
            if self._process.poll() is not None:
                break
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        with suppress(OSError):  # the process has ended, as it should
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)  # a new session is a new group
            else:
                self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()

    def _read_events(self) -> None:
        for line in self._process.stdout or ():
            with suppress(ValueError, TypeError, KeyError, AttributeError):  # not an event
                self._events.put(_event(line))
        code = self._process.wait()
        self._readers[0].join()
        errors = " ".join([*self._errors][-3:]) or "no output"
        self._events.put({"failure": f"exited with code {code}: {errors}"})

    def _read_errors(self) -> None:
        for line in self._process.stderr or ():
            self._errors.append(line.strip()[:300])


def _event(line: str) -> dict:
    """Return the known fields of a line that the process wrote."""
    fields = json.loads(line)
    event = {"folder": str(fields.get("folder", "")), "is_retiring": "is_retiring" in fields}
    if "finished" in fields:
        return event | {"finished": read_reason(fields, "finished")}
    if event["folder"]:
        return event | {"pages": int(fields["pages"]), "images": int(fields["images"])}
    return event


def _environment() -> dict[str, str]:
    """Return the crawler's environment, with the modules that this process can import."""
    inherited = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return inherited | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if os.path.isabs(path)),
        "PYTHONNOUSERSITE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
