import numpy as np
import pytest

from similarity_lab.evaluation import confused_classes

VECTORS = np.array(
    [[1, 0, 0], [1, 0.1, 0], [1, 0.05, 0.02], [1, 0, 0.1], [0, 0, 1], [0, 0.1, 1]], np.float32
)
LABELS = np.array([0, 0, 1, 1, 2, 2])


def test_confused_classes_are_sorted_by_auc():
    table = confused_classes(VECTORS, LABELS, ["a", "b", "c"])
    assert {table.class_a[0], table.class_b[0]} == {"a", "b"}
    assert table.auc.is_monotonic_increasing and len(table) == 6
    assert (table[table.class_b == "c"].auc == 1).all()


def test_confused_classes_with_labels_of_another_length():
    with pytest.raises(ValueError, match="labels"):
        confused_classes(VECTORS, LABELS[:3], ["a", "b", "c"])
