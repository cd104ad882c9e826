"""Which classes a distance confuses."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from similarity_lab.evaluation.measures import (
    DistanceSource,
    Labels,
    Vectors,
    as_between,
    checked_labels,
)
from similarity_lab.evaluation.verification import distance_auc


def confused_classes(
    vectors: Vectors,
    labels: Labels,
    classes: Sequence[str],
    distance: DistanceSource = "cosine",
) -> pd.DataFrame:
    """Rank pairs of classes by how badly distance tells them apart.

    Returns
    -------
    DataFrame
        ``class_a, class_b, auc, mean_within, mean_between``, worst first. `auc` is the chance that
        two images of `class_a` are closer than one of `class_a` and one of `class_b`.
    """
    labels = checked_labels(vectors, labels)
    everything = as_between(distance)(vectors, vectors)
    rows = []
    for a in range(len(classes)):
        of_a = np.flatnonzero(labels == a)
        if len(of_a) < 2:
            continue
        block = everything[np.ix_(of_a, of_a)]
        within = block[np.triu_indices(len(of_a), k=1)]
        for b in range(len(classes)):
            between = everything[np.ix_(of_a, np.flatnonzero(labels == b))].ravel()
            if a != b and between.size:
                auc = distance_auc(within, between)
                rows.append((classes[a], classes[b], auc, within.mean(), between.mean()))
    columns = ["class_a", "class_b", "auc", "mean_within", "mean_between"]
    return pd.DataFrame(rows, columns=columns).sort_values("auc", ignore_index=True, kind="stable")
