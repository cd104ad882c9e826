import resource

import numpy as np
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web.crawler.memory import resident_bytes


def test_freed_memory_does_not_count():
    before = resident_bytes()
    array = np.ones(10_000_000)  # 80 MB
    during = resident_bytes()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    del array
    assert during > before + 60e6 and peak >= during - 50e6
    assert resident_bytes() < during - 60e6
