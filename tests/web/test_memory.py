import resource

import numpy as np
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')


def test_memory_that_was_given_back_does_not_count():
    from scrapy.utils.test import get_crawler

    from similarity_lab.web.crawler.memory import MemoryNow

    memory = MemoryNow(get_crawler(settings_dict={"MEMUSAGE_ENABLED": True}))
    before = memory.get_virtual_size()
    held = np.ones(25_000_000)  # 200 MB
    during = memory.get_virtual_size()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    del held
    assert during > before + 150e6 and peak >= during - 50e6
    assert memory.get_virtual_size() < during - 150e6
