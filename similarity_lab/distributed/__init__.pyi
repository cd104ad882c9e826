from .pages import write_pages
from .run import rank
from .tables import ClusterRanking, RunStatus, merge_vectors, read_status

__all__ = [
    "ClusterRanking", "RunStatus", "merge_vectors", "rank", "read_status", "write_pages",
]  # fmt: skip
