"""A machine of the cluster is lost in the middle of a run."""

import sys
import time

import pytest

pytest.importorskip("ray", reason='needs the extra: pip install "similarity_lab[distributed]"')

import ray
from ray.cluster_utils import Cluster

from similarity_lab.distributed import cluster
from similarity_lab.distributed.partitions import split_sites
from similarity_lab.errors import ClusterError
from similarity_lab.web.site_list import NamedUrl

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests

# notice within two seconds, not half a minute, that a machine does not answer
HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


class Decider:
    """Names the machine that a partition was decided on."""

    def __init__(self, scorers):
        self.node = ray.get_runtime_context().get_node_id()

    def decide(self, partition, *sites):
        time.sleep(0.2)
        return {"sites": list(sites), "node": self.node}


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """Two machines with one CPU each, the second of which can be killed."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "60")
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": HEALTH}
    pair = Cluster(initialize_head=True, head_node_args=head)
    try:
        other = pair.add_node(num_cpus=1)
        yield pair, other
    finally:
        ray.shutdown()
        pair.shutdown()


@pytest.mark.parametrize("name", [cluster.AUTO, "nowhere"])
def test_cluster_that_is_named_and_not_there_is_an_error(name, monkeypatch):
    """Nobody who names a cluster gets one on this machine instead."""
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    with (
        pytest.raises(ClusterError, match='No Ray cluster at nowhere: .*pass its.*"local"'),
        cluster.connect(name),
    ):
        pytest.fail("connected")


@pytest.mark.slow
def test_every_partition_ends_once_although_a_machine_died(machines):
    """The worker of the lost machine finds no room on the other one; its partition does."""
    pair, other = machines
    partitions = split_sites([NamedUrl(f"{n}", f"{n}.example") for n in range(12)], 1)
    with cluster.connect(pair.address) as resources:
        assert resources["CPU"] == 2
        outcomes = []
        for partition, outcome in cluster.run_partitions(
            partitions,
            lambda partition: iter(partition.positions),
            Decider,
            [],
            cluster.Workers(2, cpus=1, ahead=2),
        ):
            outcomes.append((partition, outcome))
            if outcome["node"] == other.node_id and other in pair.worker_nodes:
                pair.remove_node(other, allow_graceful=False)
    assert other not in pair.worker_nodes
    assert sorted(partition.number for partition, _ in outcomes) == list(range(12))
    assert all(outcome["sites"] == list(part.positions) for part, outcome in outcomes)
