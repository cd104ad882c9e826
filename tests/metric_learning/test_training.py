import numpy as np
import pytest

from similarity_lab.datasets import ImageDataset
from similarity_lab.evaluation import evaluate_retrieval
from similarity_lab.metric_learning import training
from similarity_lab.metric_learning.libraries import apply
from similarity_lab.metric_learning.losses import make_loss
from similarity_lab.metric_learning.towers import feature_head, initialise_head
from similarity_lab.metric_learning.training import (
    BalancedSampler,
    Schedule,
    best_epoch,
    split_validation,
    train_head,
)


def noisy(seed, n=8, classes=6, size=10, spread=0.5):
    rng = np.random.default_rng(seed)
    centres = np.abs(np.random.default_rng(99).normal(0, 1, (classes, size)))
    labels = np.repeat(np.arange(classes), n)
    vectors = np.abs(centres[labels] + rng.normal(0, spread, (len(labels), size)))
    return vectors.astype(np.float32), labels


def trained(schedule, spread=0.5):
    photos, validation = noisy(0, spread=spread), noisy(1, spread=spread)
    head = feature_head("projection", 10, dimension=6, seed=schedule.seed)
    initialise_head(head, photos[0])
    loss = make_loss("multisimilarity")
    return head, train_head(head, loss, photos, validation, schedule, progress=False), validation


def test_sampler_draws_balanced_batches_from_its_seed(capsys):
    vectors, labels = noisy(0, n=3, classes=5)
    schedule = Schedule(classes_per_batch=4, images_per_class=4, steps=3, seed=7)
    sampler, same_sampler = (BalancedSampler(vectors, labels, schedule) for _ in range(2))
    assert len(sampler) == 3 and capsys.readouterr().out == ""
    batches = []
    for batch in range(3):
        values, of = sampler[batch]
        assert np.unique(of, return_counts=True)[1].tolist() == [4] * 4
        assert {row.tobytes() for row in values} <= {row.tobytes() for row in vectors}
        np.testing.assert_array_equal(values, same_sampler[batch][0])
        batches.append(values.tobytes())
    sampler.on_epoch_end()
    assert len({*batches, sampler[0][0].tobytes()}) == 4


def test_sampler_repeats_no_image_of_a_large_class():
    vectors, labels = noisy(0, n=4, classes=3)
    values, _ = BalancedSampler(vectors, labels, Schedule(images_per_class=4))[0]
    assert len(np.unique(values, axis=0)) == 12


def test_train_head_restores_the_best_epoch():
    head, history, (vectors, labels) = trained(Schedule(epochs=6, patience=6, steps=4))
    assert history["epoch"].tolist() == list(range(7)) and np.isnan(history["loss"][0])
    means = evaluate_retrieval(apply(head, vectors), labels, k=[1]).means()
    best = history.loc[best_epoch(history)]
    assert means["recall@1"] == pytest.approx(best["val_recall@1"])
    assert means["map"] == pytest.approx(best["val_map"], abs=1e-6)
    assert best["val_recall@1"] == history["val_recall@1"].max()


def test_train_head_undoes_a_harmful_training():
    head, history, _ = trained(Schedule(epochs=9, patience=2, steps=2, learning_rate=30.0))
    assert best_epoch(history) == 0 and len(history) == 3  # and it stops
    fresh = feature_head("projection", 10, dimension=6)
    initialise_head(fresh, noisy(0)[0])
    for restored, start in zip(head.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(restored, start)


def test_train_head_blends_weights(monkeypatch):
    photos, weights = noisy(0), {}
    for blend in (1.0, 0.5):
        rising = iter(({"val_recall@1": n / 9, "val_map": 0.0}) for n in range(9))
        monkeypatch.setattr(training, "_figures", lambda *_, rising=rising: next(rising))
        head = feature_head("projection", 10, dimension=6)
        schedule = Schedule(epochs=2, steps=3, learning_rate=1e-2, blend=blend)
        start = head.get_weights()
        loss = make_loss("multisimilarity")
        history = train_head(head, loss, photos, photos, schedule, progress=False)
        assert best_epoch(history) == 2
        weights[blend] = head.get_weights()
    for a, b, c in zip(start, weights[1.0], weights[0.5], strict=True):
        np.testing.assert_allclose((a + b) / 2, c, atol=1e-6)


def test_train_head_raises_for_a_loss_that_is_not_finite():
    vectors, labels = noisy(0)
    training = np.full_like(vectors, np.nan), labels
    head = feature_head("projection", 10, dimension=6)
    schedule = Schedule(epochs=1)
    with pytest.raises(ValueError, match="the loss is not finite in epoch 1"):
        train_head(head, make_loss("circle"), training, noisy(1), schedule, progress=False)


def test_split_validation_takes_a_fifth_and_at_least_two():
    counts = [3, 4, 5, 30]
    labels = np.repeat(np.arange(4), counts)
    pixels = np.zeros((len(labels), 4, 4, 3), np.uint8)
    photos = ImageDataset.from_arrays(pixels, labels, list("abcd"))
    train, validation = split_validation(photos, seed=0)
    assert validation.counts.tolist() == [0, 2, 2, 6] and train.counts.tolist() == [3, 2, 3, 24]
    with pytest.raises(ValueError, match="no class has four images"):
        split_validation(photos.of_class("a"), seed=0)
