"""Ray: connect to a cluster or start one on this machine, and spread partitions over it."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from tempfile import mkdtemp
from typing import Any
from warnings import warn

from similarity_lab._threads import usable_cores
from similarity_lab.distributed.partitions import Partition
from similarity_lab.errors import ClusterError, one_line

AUTO, LOCAL = "auto", "local"
_ATTEMPTS = 3  # to start Ray on this machine
_PATIENCE = 60.0  # seconds without anything that ends, after which a reason is given
_RETRIES = 3  # of a partition whose worker died

# Of a cluster that is started here; Ray and its processes read them when they start.
_ENVIRONMENT = {
    # listen on the loopback interface only, as Ray does on macOS
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # the defaults of 30 and 60 seconds are too few for a busy machine
    "RAY_raylet_start_wait_time_s": "60",
    "RAY_worker_register_timeout_seconds": "180",
    # processes that collect are kept for the next partition, not ended after a second
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
}


@dataclass(frozen=True)
class Workers:
    """How a run uses the cluster.

    Attributes
    ----------
    n : int
        Processes that embed images and decide; each loads the network once.
    cpus, gpus : float
        That each of them reserves.
    ahead : int
        Partitions per process that are collected, or wait to be decided on.
    """

    n: int
    cpus: float = 1.0
    gpus: float = 0.0
    ahead: int = 4


@contextmanager
def connect(cluster: str) -> Iterator[dict[str, float]]:
    """Connect to a cluster; yield its resources.

    A connection that exists already is used and left open. A cluster that was started here ends
    with the context, and leaves nothing behind.

    Parameters
    ----------
    cluster : str
        ``"auto"``: the cluster of ``RAY_ADDRESS`` or one that runs on this machine, else a local
        one; ``"local"``; or an address, such as ``"10.0.0.1:6379"`` or ``"ray://head:10001"``.

    Raises
    ------
    ClusterError
        It cannot be reached or started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use otherwise
    import ray

    if ray.is_initialized():
        yield ray.cluster_resources()
    elif cluster != LOCAL and _connected(cluster):
        try:
            yield ray.cluster_resources()
        finally:
            ray.shutdown()
    else:
        scratch = mkdtemp(prefix="ray-")  # short: paths of sockets have at most 107 bytes
        try:
            _start(scratch)
            yield ray.cluster_resources()
        finally:
            ray.shutdown()
            _forget_token()
            shutil.rmtree(scratch, ignore_errors=True)


def _start(scratch: str) -> None:
    """Start Ray on this machine; on a busy one, Ray itself gives up after 15 seconds."""
    import ray

    for attempt in range(_ATTEMPTS):
        try:
            with _local_environment(scratch):
                ray.init(
                    address="local",
                    num_cpus=usable_cores(),
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                    _temp_dir=scratch,
                )
            return
        except Exception as error:  # Ray raises bare ones
            ray.shutdown()
            if attempt == _ATTEMPTS - 1:
                raise ClusterError(
                    f"Ray does not start on this machine: {one_line(error)}"
                ) from error


@contextmanager
def _local_environment(scratch: str) -> Iterator[None]:
    """Set what a cluster reads while it starts, and its processes inherit."""
    from ray._private import ray_constants

    before, is_enabled = dict(os.environ), ray_constants.ENABLE_RAY_CLUSTER
    own = dict(_ENVIRONMENT)
    if not any(name.startswith("RAY_AUTH_") for name in before):
        own["RAY_AUTH_TOKEN"] = token_hex(32)  # Ray leaves one in the home folder otherwise
        _forget_token()
    try:
        os.environ.update({name: value for name, value in own.items() if name not in before})
        # temporary files of a process that is killed go with the cluster
        os.environ["TMPDIR"] = scratch
        ray_constants.ENABLE_RAY_CLUSTER = False  # read from the environment at the first import
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = is_enabled
        for name in set(os.environ) - set(before):
            del os.environ[name]  # Ray adds some, too
        os.environ.update(before)


def _forget_token() -> None:
    """Let Ray look for the token of the next cluster; it keeps the first one that it finds."""
    from ray import _raylet

    loader = getattr(_raylet, "AuthenticationTokenLoader", None)  # None: an older Ray
    if loader is not None:
        loader.instance().reset_cache()


def _connected(cluster: str) -> bool:
    """Connect to a cluster that runs; return whether there is one."""
    import ray

    try:
        ray.init(address=cluster, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as error:
        address = os.environ.get("RAY_ADDRESS") if cluster == AUTO else cluster
        if not address:
            return False
        raise ClusterError(
            f'No Ray cluster at {address}: {one_line(error)}; pass its address, or "{LOCAL}" to '
            "use this machine"
        ) from error
    return True


def default_workers(resources: dict[str, float], cpus: float, gpus: float) -> int:
    """Return how many processes the resources are enough for, at least 1.

    Examples
    --------
    >>> default_workers({"CPU": 16.0, "GPU": 2.0}, cpus=2, gpus=0)
    8
    >>> default_workers({"CPU": 16.0, "GPU": 2.0}, cpus=2, gpus=1)
    2
    """
    counts = [resources.get("CPU", 0) / cpus] if cpus else []
    counts += [resources.get("GPU", 0) / gpus] if gpus else []
    return max(1, int(min(counts, default=1)))


def run_partitions(
    partitions: Sequence[Partition],
    collect: Callable[..., Iterator[Any]],
    decider: Callable[..., Any],
    scorers: Any,  # noqa: ANN401
    workers: Workers,
) -> Generator[tuple[Partition, dict[str, Any] | str]]:
    """Collect and decide on partitions; yield each with its counts, or the reason of its failure.

    Each partition is collected in a task of its own, which waits for websites most of the time and
    reserves no CPU. Then it goes to the next process that is free to decide. Ray repeats a task
    that died and starts such a process again, if need be when another machine has room; what it was
    deciding on goes to another one. The caller holds a few numbers per partition that is under way.

    Parameters
    ----------
    partitions : sequence of Partition
    collect : callable
        From a partition to an iterator over its sites.
    decider : callable
        From the scorers to an object with a method ``decide(partition, *sites)``.
    scorers : object
        Copied to each node once.
    workers : Workers

    Raises
    ------
    ClusterError
        The scorers cannot be loaded on a worker.
    """
    work = _Work(partitions, collect, decider, scorers, workers)
    try:
        while work.hand_out():
            ended = work.wait()
            if ended is not None:
                work.hand_out()  # before the caller continues
                yield ended
    finally:
        work.end()


@dataclass(eq=False)
class _Job:
    """A partition that is under way.

    Attributes
    ----------
    partition : Partition
    sites : list of ObjectRef
        That were collected.
    n_losses : int
        How often the process died that was deciding on it.
    """

    partition: Partition
    sites: list[Any] = field(default_factory=list)
    n_losses: int = 0


class _Work:
    """Partitions that wait, are collected, and are decided on; parameters of `run_partitions`."""

    def __init__(
        self,
        partitions: Sequence[Partition],
        collect: Callable[..., Iterator[Any]],
        decider: Callable[..., Any],
        scorers: Any,  # noqa: ANN401
        workers: Workers,
    ) -> None:
        import ray

        def sites_of(partition: Partition) -> Iterator[Any]:
            yield from collect(partition)
            yield None

        self._workers = workers
        self._patience: float | None = _PATIENCE
        self._shared = ray.put(scorers)
        self._collect = ray.remote(num_cpus=0, max_retries=_RETRIES, scheduling_strategy="SPREAD")(
            sites_of
        )
        actor_class = ray.remote(_Actor).options(
            num_cpus=workers.cpus, num_gpus=workers.gpus, max_restarts=-1
        )
        self._actors = [actor_class.remote(decider, workers.cpus) for _ in range(workers.n)]
        self._remaining = deque(partitions)
        self._collected: deque[_Job] = deque()
        self._free: deque[Any] = deque()  # actors
        # calls that have not ended
        self._tasks: dict[Any, _Job] = {}
        self._decisions: dict[Any, tuple[_Job, Any]] = {}
        self._starts: dict[Any, Any] = {}
        for actor in self._actors:
            self._await_start(actor)

    def _await_start(self, actor: Any) -> None:  # noqa: ANN401
        self._starts[actor.start.options(max_task_retries=-1).remote()] = actor

    def hand_out(self) -> bool:
        """Give work to all that are free; return whether there is any left to wait for."""
        while self._free and self._collected:
            job, actor = self._collected.popleft(), self._free.popleft()
            done = actor.decide.remote([self._shared], job.partition, *job.sites)
            self._decisions[done] = job, actor
        most_ahead = self._workers.n * self._workers.ahead
        while self._remaining and len(self._tasks) + len(self._collected) < most_ahead:
            job = _Job(self._remaining.popleft())
            # with two values or more, Ray stores one by one what a generator yields
            collect = self._collect.options(num_returns=len(job.partition.sites) + 1)
            *job.sites, end = collect.remote(job.partition)
            self._tasks[end] = job
        return bool(self._tasks or self._collected or self._decisions)

    def wait(self) -> tuple[Partition, dict[str, Any] | str] | None:
        """Wait for a call; return the partition that has ended with it, if one has."""
        import ray

        calls = [*self._tasks, *self._decisions, *self._starts]
        while not (ended := ray.wait(calls, num_returns=1, timeout=self._patience)[0]):
            self._warn_of_no_worker()
        (done,) = ended
        if done in self._starts:
            self._note_start(done)
            return None
        if done in self._decisions:
            return self._note_decision(done)
        job, reason = self._tasks.pop(done), _outcome(done)
        if reason is None:
            self._collected.append(job)
            return None
        return job.partition, reason

    def _warn_of_no_worker(self) -> None:
        import ray

        if len(self._starts) == self._workers.n:
            reserved, own = self._workers, ray.cluster_resources()
            warn(
                f"no worker has room yet: each reserves {reserved.cpus:g} CPUs and "
                f"{reserved.gpus:g} GPUs, the cluster has {own.get('CPU', 0):g} and "
                f"{own.get('GPU', 0):g}",
                stacklevel=4,
            )
        self._patience = None

    def _note_start(self, done: Any) -> None:  # noqa: ANN401
        import ray
        from ray.exceptions import RayActorError

        actor = self._starts.pop(done)
        try:
            ray.get(done)
        except RayActorError as error:
            raise ClusterError(f"A worker does not start: {_reason(error)}") from error
        self._free.append(actor)

    def _note_decision(self, done: Any) -> tuple[Partition, dict[str, Any] | str] | None:  # noqa: ANN401
        from ray.exceptions import RayActorError

        job, actor = self._decisions.pop(done)
        try:
            outcome = _outcome(done)
        except RayActorError as error:
            self._await_start(actor)
            job.n_losses += 1
            if job.n_losses <= _RETRIES:
                self._collected.append(job)
                return None
            return job.partition, _reason(error)
        self._free.append(actor)
        return job.partition, outcome

    def end(self) -> None:
        """End all processes and tasks."""
        import ray

        for task in self._tasks:
            ray.cancel(task, force=True)
        for actor in self._actors:
            ray.kill(actor)


def _outcome(done: Any) -> Any:  # noqa: ANN401
    """Return the value of a call, or the reason of its failure; raise if its process died."""
    import ray
    from ray.exceptions import RayActorError, RayError

    try:
        return ray.get(done)
    except RayActorError:
        raise
    except RayError as error:
        cause = getattr(error, "cause", None) or error  # what was raised in the call
        if isinstance(cause, ClusterError):
            raise cause from error
        return _reason(cause)


class _Actor:
    """A process of the cluster that decides."""

    def __init__(self, make_decider: Callable[..., Any], cpus: float) -> None:
        # threads for the CPUs that it reserves, not for all that the machine has
        os.environ["PYTHON_CPU_COUNT"] = str(max(1, int(cpus)))
        self._make_decider = make_decider
        self._decider: Any = None

    def start(self) -> None:
        """Do nothing, once the process has started."""

    def decide(self, shared: list[Any], partition: Partition, *sites: Any) -> dict[str, Any]:  # noqa: ANN401
        """Decide with scorers that are loaded at the first call, also of a restarted process."""
        import ray

        if self._decider is None:
            try:
                self._decider = self._make_decider(ray.get(shared[0]))
            except Exception as error:
                raise ClusterError(f"Scorers cannot be loaded: {one_line(error)}") from error
        return self._decider.decide(partition, *sites)


def _reason(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    last = " ".join(lines[-1].split()) if lines else ""
    return f"{type(error).__name__}: {last}"[:300]
