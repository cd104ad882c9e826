import numpy as np
import pytest
import tensorflow as tf

from similarity_lab.backend import keras
from similarity_lab.siamese import ContrastiveLoss, TripletSemiHardLoss, make_loss
from similarity_lab.siamese.losses import FITTING_HEADS


def unit_vectors(n, dimension=3, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def contrastive_by_hand(is_same, distances, margin):
    losses = [
        0.5 * d**2 if same else 0.5 * max(margin - d, 0) ** 2
        for same, d in zip(is_same, distances, strict=True)
    ]
    return np.mean(losses)


def triplet_by_hand(labels, vectors, margin):
    def d(i, j):
        return float(((vectors[i].astype(float) - vectors[j]) ** 2).sum())

    losses = []
    for anchor in range(len(labels)):
        negatives = [d(anchor, j) for j in range(len(labels)) if labels[j] != labels[anchor]]
        for positive in range(len(labels)):
            if positive == anchor or labels[positive] != labels[anchor] or not negatives:
                continue
            farther = [negative for negative in negatives if negative > d(anchor, positive)]
            negative = min(farther) if farther else max(negatives)
            losses.append(max(d(anchor, positive) - negative + margin, 0))
    return np.mean(losses) if losses else 0.0


def gradient(loss, y_true, y_pred):
    variable = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        value = loss(y_true, variable)
    return float(value), tape.gradient(value, variable).numpy()


@pytest.mark.parametrize("margin", [0.3, 1.0])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_contrastive_loss_equals_brute_force(margin, shape):
    rng = np.random.default_rng(1)
    is_same, distances = rng.integers(0, 2, 50), rng.random(50, np.float32) * 2
    loss = ContrastiveLoss(margin)(is_same.reshape(shape), distances.reshape(-1, 1))
    assert float(loss) == pytest.approx(contrastive_by_hand(is_same, distances, margin), rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.2, 1.5])
def test_triplet_loss_equals_brute_force(seed, margin):
    labels = np.random.default_rng(seed).integers(0, 5, 14)
    vectors = unit_vectors(14, seed=seed)
    expected = triplet_by_hand(labels, vectors, margin)
    for y_true in (labels, labels[:, None]):
        loss = TripletSemiHardLoss(margin)(y_true, vectors)
        assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_losses_of_a_perfect_embedding_are_0():
    is_same, distances = np.float32([[1], [0], [0]]), np.float32([[0], [1], [2]])
    value, slope = gradient(ContrastiveLoss(1.0), is_same, distances)
    assert value == 0 and not slope.any()
    corners = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2]]
    value, slope = gradient(TripletSemiHardLoss(0.2), np.array([0, 0, 1, 1, 2]), corners)
    assert value == 0 and not slope.any()


def test_losses_of_other_embeddings_have_a_gradient():
    is_same, distances = np.float32([[1], [0]]), np.float32([[0.5], [0.5]])
    _, slope = gradient(ContrastiveLoss(1.0), is_same, distances)
    np.testing.assert_allclose(slope, [[0.25], [-0.25]])
    _, slope = gradient(TripletSemiHardLoss(), np.array([0, 1, 0, 1]), unit_vectors(4))
    assert np.isfinite(slope).all() and np.abs(slope).max() > 1e-3


def test_triplet_gradient_of_equal_vectors_is_finite():
    value, slope = gradient(
        TripletSemiHardLoss(), np.array([0, 0, 1, 1]), np.ones((4, 3), np.float32)
    )
    assert value == pytest.approx(0.2) and np.isfinite(slope).all()


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [7]])
def test_triplet_loss_without_triplets_is_0(labels):
    value, slope = gradient(TripletSemiHardLoss(), np.array(labels), unit_vectors(len(labels)))
    assert value == 0 and not slope.any()


def test_triplet_loss_ignores_anchors_without_a_partner():
    labels, vectors = np.array([0, 0, 1]), unit_vectors(3)
    value = float(TripletSemiHardLoss(1.0)(labels, vectors))
    assert value == pytest.approx(triplet_by_hand(labels, vectors, 1.0), rel=1e-5)


@pytest.mark.parametrize("kind", [ContrastiveLoss, TripletSemiHardLoss])
def test_losses_compile_and_serialise(kind):
    loss = keras.losses.deserialize(keras.losses.serialize(kind(margin=0.7)))
    assert type(loss) is kind and loss.margin == 0.7
    y_true, y_pred = np.array([0, 1, 0, 1]), unit_vectors(4, 1 if kind is ContrastiveLoss else 3)
    compiled = tf.function(loss, jit_compile=True)
    assert float(compiled(y_true, y_pred)) == pytest.approx(float(loss(y_true, y_pred)), rel=1e-5)


def test_triplet_loss_trains_on_batches_of_any_size():
    """Batches of unknown and uneven size, as Keras trains them."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((5,))
    x = keras.layers.Dense(3)(pixels)
    tower = keras.Model(pixels, keras.layers.UnitNormalization()(x))
    tower.compile(keras.optimizers.Adam(0.05), TripletSemiHardLoss())
    labels = np.arange(30) % 3
    vectors = np.random.default_rng(0).normal(size=(30, 5)) + 2 * np.eye(5)[labels]
    history = tower.fit(vectors, labels, batch_size=16, epochs=10, verbose=0).history["loss"]
    assert history[-1] < 0.7 * history[0]


@pytest.mark.parametrize("kind", [ContrastiveLoss, TripletSemiHardLoss])
@pytest.mark.parametrize("margin", [0, -1, float("nan"), float("inf"), "wide", None])
def test_losses_refuse_a_margin(kind, margin):
    with pytest.raises(ValueError, match="margin must be a number above 0"):
        kind(margin=margin)


def test_make_loss():
    assert isinstance(make_loss("binary-crossentropy", head="sigmoid"), keras.losses.Loss)
    assert make_loss("contrastive", head="distance").margin == 1.0
    assert make_loss("triplet", head=None, margin=0.4).margin == 0.4


@pytest.mark.parametrize("head", ["sigmoid", "batchnorm-sigmoid", "distance", None])
@pytest.mark.parametrize("loss", FITTING_HEADS)
def test_make_loss_refuses_heads_that_do_not_fit(loss, head):
    if head in FITTING_HEADS[loss]:
        make_loss(loss, head=head)
    else:
        with pytest.raises(ValueError, match=f"loss '{loss}' does not fit head .* it needs"):
            make_loss(loss, head=head)


def test_make_loss_refuses():
    with pytest.raises(ValueError, match="Unknown loss 'hinge'.*contrastive, triplet"):
        make_loss("hinge", head="sigmoid")
    with pytest.raises(ValueError, match="no margin"):
        make_loss("binary-crossentropy", head="sigmoid", margin=1.0)
