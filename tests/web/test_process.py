import os
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import Limits, _process
from similarity_lab.web.crawler.jobs import Job

REAL = subprocess.Popen


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a script in the crawler's place; returns what `run_crawl` says."""

    def run(code, seconds=5, stop=None, told=None):
        monkeypatch.setattr(_process, "_GRACE", 0.5)
        monkeypatch.setattr(
            _process.subprocess,
            "Popen",
            lambda _, **how: REAL([sys.executable, "-c", code], **how),
        )
        job = Job("http://shop.example/", tmp_path, Limits(seconds=seconds))
        told = told if told is not None else []
        progress = lambda pages, images: told.append((pages, images))  # noqa: E731
        return _process.run_crawl(job, progress, stop or threading.Event())

    return run


def test_a_crawler_that_does_not_start_says_why(run):
    assert "code 1: " in run("import nonsense") and "No module named" in run("import nonsense")
    assert run("import sys; sys.exit(3)") == "the crawler ended with code 3: no words"


def test_progress_is_told_and_noise_is_not(run):
    told = []
    lines = ['{"pages": 1, "images": 2}', "noise", "[]", '{"pages": "x", "images": 1}']
    assert run(f"import sys; sys.stdin.readline(); print(*{lines!r}, sep=chr(10))", told=told) == ""
    assert told == [(1, 2)]


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("pids", "w").write(f"{os.getpid()} {child.pid}")
print('{"pages": 1, "images": 0}', flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_a_crawler_that_does_not_end_is_ended_with_what_it_started(run, tmp_path, monkeypatch):
    waits = iter([0.2, 0.2, None])
    original = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", lambda self, _=None: original(self, next(waits)))
    assert run(STUBBORN, seconds=1) == "the limit of 1 seconds is reached"
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        for _ in range(100):
            if not os.path.exists(f"/proc/{pid}") or "Z (" in _state(pid):
                break
            time.sleep(0.02)
        else:
            pytest.fail(f"process {pid} is still there")


def _state(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            return file.read()
    except OSError:
        return "Z ("


def test_the_crawler_sees_neither_proxies_nor_secrets(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://10.0.0.1:3128")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    run("import json, os; json.dump(dict(os.environ), open('env.json', 'w'))")
    text = (tmp_path / "env.json").read_text()
    assert "secret" not in text and "PROXY" not in text.upper()
