import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import Limits
from similarity_lab.web.crawler import process
from similarity_lab.web.crawler.job import Job

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a shell")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs code in place of the crawler and returns `run_crawl`'s answer."""
    python = sys.executable

    def run(code, seconds=5, on_progress=lambda pages, images: None):
        script = tmp_path / "crawler.py"
        script.write_text(code)
        stand_in = tmp_path / "python"
        stand_in.write_text(f"#!/bin/sh\nexec '{python}' '{script}'\n")
        stand_in.chmod(0o755)
        monkeypatch.setattr(process, "GRACE", 0.5)
        monkeypatch.setattr(sys, "executable", str(stand_in))
        job = Job("http://shop.example/", tmp_path, Limits(seconds=seconds))
        return process.run_crawl(job, on_progress, threading.Event())

    return run


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nonsense", "No module named 'nonsense'"),
        ("import sys; sys.exit(3)", "Crawler exited with code 3: no output"),
    ],
)
def test_crawler_that_fails_says_why(run, code, message):
    answer = run(code)
    assert answer.startswith("Crawler exited with code ") and message in answer


def test_progress_is_reported_and_other_output_ignored(run):
    counts = []
    lines = ['{"pages": 1, "images": 2}', "noise", "[]", '{"pages": "x", "images": 1}']
    code = f"import sys; sys.stdin.readline(); print(*{lines!r}, sep=chr(10))"
    assert run(code, on_progress=lambda *numbers: counts.append(numbers)) == ""
    assert counts == [(1, 2)]


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("pids", "w").write(f"{os.getpid()} {child.pid}")
print('{"pages": 1, "images": 0}', flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's /proc")
def test_crawler_that_ignores_signals_is_killed_with_its_children(run, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "TERMINATION_SECONDS", (0.2, 0.2))
    assert run(STUBBORN, seconds=0.5) == "Limit of 0.5 seconds reached"
    for pid in (tmp_path / "pids").read_text().split():
        deadline = time.monotonic() + 5
        while is_running(pid):
            assert time.monotonic() < deadline, f"process {pid} is still running"
            time.sleep(0.02)


def is_running(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_crawler_inherits_no_proxies_and_no_secrets(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://10.0.0.1:3128")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    run("import json, os; json.dump(dict(os.environ), open('env.json', 'w'))")
    text = (tmp_path / "env.json").read_text()
    assert "secret" not in text and "PROXY" not in text.upper()


def test_crawler_starts_without_pandas():
    """Each site starts a process, so slow imports cost seconds for many sites."""
    code = "import sys, similarity_lab.web.crawler.worker; sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
