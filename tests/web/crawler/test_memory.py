import resource

import numpy as np
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from scrapy.utils.test import get_crawler

from similarity_lab.web.crawler.memory import CurrentMemoryUsage


def test_freed_memory_does_not_count():
    memory = CurrentMemoryUsage(get_crawler(settings_dict={"MEMUSAGE_ENABLED": True}))
    before = memory.get_virtual_size()
    array = np.ones(10_000_000)  # 80 MB
    during = memory.get_virtual_size()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    del array
    assert during > before + 60e6 and peak >= during - 50e6
    assert memory.get_virtual_size() < during - 60e6
