"""The crawler's process as its parent sees it: stand-ins for it, and crashes of the real one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.samples.serving import serve
from similarity_lab.web import Limits, collect
from similarity_lab.web.crawler import process
from similarity_lab.web.crawler.job import CrawlOptions, Job
from similarity_lab.web.crawler.process import LOGS, CrawlerProcess, CrawlInterrupted

from ..shops import HTML, noise

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a shell")

# A stand-in finishes its sites one by one; those whose URL names a signal kill it
STAND_IN = """
import json, os, signal, sys, threading, time
def report(**event):
    print(json.dumps(event), flush=True)
options = json.loads(sys.stdin.readline())
report()
for line in sys.stdin:
    job = json.loads(line)
    open("started", "a").write(job["url"] + "\\n")
    if "hang" in job["url"]:
        time.sleep(60)
    if "crash" in job["url"]:
        time.sleep(0.3)  # others start meanwhile
        os.kill(os.getpid(), signal.SIGKILL)
    report(folder=job["folder"], pages=3, images=2)
    if "slow" in job["url"]:
        threading.Timer(0.6, report, (), {"folder": job["folder"], "finished": ""}).start()
    else:
        report(folder=job["folder"], finished="")
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Return a function that starts a `CrawlerProcess` which runs other code."""
    python = sys.executable

    def start(code=STAND_IN, parallel=4, **options):
        script = tmp_path / "crawler.py"
        script.write_text(code)
        command = tmp_path / "python"
        command.write_text(f"#!/bin/sh\nexec '{python}' '{script}'\n")
        command.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(command))
        options.setdefault("on_progress", lambda job, pages, images: None)
        return CrawlerProcess(tmp_path, CrawlOptions(), parallel=parallel, **options)

    return start


def crawl(crawler, names):
    """Crawl sites as `collect` does; return their failures by name."""
    jobs = {Path(name): Job(f"http://{name}/", Path(name)) for name in names}
    waiting, failures = iter(jobs.values()), {}
    while len(failures) < len(jobs):
        while crawler.has_room and (job := next(waiting, None)):
            crawler.start(job)
        job, failure = crawler.wait()
        failures[job.folder.name] = failure
    return failures


def test_sites_are_crawled_in_one_process(stand_in, tmp_path):
    progress = []
    with stand_in(on_progress=lambda job, *counts: progress.append((job.url, *counts))) as crawler:
        assert crawl(crawler, "abcdef") == dict.fromkeys("abcdef")
    assert progress == [(f"http://{name}/", 3, 2) for name in "abcdef"]
    assert len((tmp_path / LOGS / "started").read_text().split()) == 6


def test_crash_is_the_failure_of_one_site(stand_in, tmp_path):
    with stand_in(parallel=3) as crawler:
        failures = crawl(crawler, ["a", "slow", "crash", "d", "e", "f"])
    message = "Crawler exited with code -9: no output"
    assert failures == {**dict.fromkeys(["a", "slow", "d", "e", "f"]), "crash": message}
    started = (tmp_path / LOGS / "started").read_text().split()
    assert started.count("http://crash/") == started.count("http://slow/") == 2
    assert started.count("http://f/") == 1


def test_process_that_hangs_is_the_failure_of_one_site(stand_in, monkeypatch):
    monkeypatch.setattr(process, "SILENCE", 0.7)
    with stand_in(parallel=3) as crawler:
        failures = crawl(crawler, ["a", "hang", "c", "d"])
    assert failures == {
        "a": None, "c": None, "d": None, "hang": "Crawler did not respond for 0.7 seconds",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nonsense", "No module named 'nonsense'"),
        ("import sys; sys.exit(3)", "Crawler exited with code 3: no output"),
    ],
)
def test_crawler_that_cannot_start_says_why(stand_in, code, message):
    with stand_in(code) as crawler:
        failures = crawl(crawler, "ab")
    assert set(failures) == {"a", "b"}
    for failure in failures.values():
        assert failure.startswith("Crawler exited with code ") and message in failure


def test_output_that_is_not_an_event_is_ignored(stand_in):
    lines = ["noise", "[]", '{"folder": "a", "pages": "x", "images": 1}', '{"folder": "b"}']
    code = f"print(*{lines!r}, sep=chr(10))\n{STAND_IN}"
    counts = []
    with stand_in(code, on_progress=lambda job, *numbers: counts.append(numbers)) as crawler:
        assert crawl(crawler, "a") == {"a": None}
    assert counts == [(3, 2)]


RETIRING = STAND_IN.replace("report(folder=job", "report(is_retiring=1); report(folder=job", 1)


def test_process_that_needs_much_memory_is_replaced_when_its_sites_are_finished(stand_in, tmp_path):
    code = f"open('pids', 'a').write('x')\n{RETIRING}"
    with stand_in(code, parallel=2) as crawler:
        assert crawl(crawler, "abcd") == dict.fromkeys("abcd")
    assert 2 <= len((tmp_path / LOGS / "pids").read_text()) <= 4


def test_stopped_crawl_is_interrupted(stand_in):
    with (
        stand_in(is_stopped=lambda: True) as crawler,
        pytest.raises(CrawlInterrupted),
    ):
        crawl(crawler, ["slow"])


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("pids", "w").write(f"{os.getpid()} {child.pid}")
print('{}', flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's /proc")
def test_crawler_that_ignores_signals_is_killed_with_its_children(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "TERMINATION_SECONDS", (0.2, 0.2))
    monkeypatch.setattr(process, "SILENCE", 0.5)
    with stand_in(STUBBORN) as crawler:
        assert crawl(crawler, "a") == {"a": "Crawler did not respond for 0.5 seconds"}
    for pid in (tmp_path / LOGS / "pids").read_text().split():
        deadline = time.monotonic() + 5
        while is_running(pid):
            assert time.monotonic() < deadline, f"process {pid} is still running"
            time.sleep(0.02)


def is_running(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_crawler_inherits_no_proxies_and_no_secrets(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://10.0.0.1:3128")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    code = "import json, os; json.dump(dict(os.environ), open('env.json', 'w'))"
    with stand_in(code) as crawler:
        crawl(crawler, "a")
    text = (tmp_path / LOGS / "env.json").read_text()
    assert "secret" not in text and "PROXY" not in text.upper()


def test_crawler_starts_without_pandas():
    """It is started for every call, and slow imports cost seconds."""
    code = "import sys, similarity_lab.web.crawler.worker; sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_sites_survive_a_crash_of_the_process(tmp_path):
    """The real process, killed while it crawls three sites; all resume and are complete."""

    def kill_crawler(request):
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        for pid in children if not killed else ():
            if "crawler.worker" in Path(f"/proc/{pid}/cmdline").read_text():
                killed.append(pid)
                os.kill(int(pid), 9)
        request._send(200, *files["/a.html"])

    killed = []
    files = {
        "/": (HTML, b'<a href="/a.html"></a><a href="/kill.html"></a><img src="/1.jpg">'),
        "/a.html": (HTML, b'<img src="/2.jpg">'),
        "/1.jpg": noise(1),
        "/2.jpg": noise(2),
    }
    with serve(files) as a, serve(files) as b, serve(files | {"/kill.html": kill_crawler}) as c:
        sites = {"a": a.url, "b": b.url, "c": c.url}
        allow = [server.endpoint for server in (a, b, c)]
        options = {"throttle": False, "progress": False, "limits": Limits(seconds=30)}
        table = collect(sites, tmp_path, allow=allow, **options).table
    assert killed
    assert table["n_images"].to_list() == [2, 2, 2]
    assert set(table["crawl_status"]) == {"collected"} and set(table["reason"]) == {""}
    assert json.loads((tmp_path / LOGS / "connects.jsonl").read_text().split("\n")[0])["allowed"]
