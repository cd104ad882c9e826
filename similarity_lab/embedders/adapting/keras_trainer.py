"""Fine-tune the last blocks of EfficientNet-Lite in Keras."""

from typing import cast

import numpy as np
import numpy.typing as npt

from similarity_lab.backend import keras
from similarity_lab.embedders.adapting.trainer import (
    LABEL_SMOOTHING,
    LOGIT_SCALE,
    Activations,
    Kernels,
)
from similarity_lab.embedders.keras_models import split_efficientnet_lite
from similarity_lab.embedders.lite import LiteWeights, Weights, torch_name

layers = keras.layers


class KerasTrainer:
    """The last blocks and a cosine classifier, trained by Adam; see `Trainer`."""

    def __init__(self, weights: LiteWeights, blocks: int, classifier: Weights) -> None:
        self._back = split_efficientnet_lite(weights, blocks).back
        for layer in self._back.layers:
            layer.trainable = not isinstance(layer, layers.BatchNormalization)
        self._n_classes = classifier.shape[1]
        inputs = keras.Input(self._back.input_shape[1:])
        unit_vectors = layers.UnitNormalization()(self._back(inputs, training=False))
        cosines = layers.Dense(
            self._n_classes, use_bias=False, kernel_constraint=keras.constraints.UnitNorm(axis=0)
        )
        self._model = keras.Model(inputs, layers.Rescaling(LOGIT_SCALE)(cosines(unit_vectors)))
        cosines.set_weights([classifier])
        self._model.compile(
            keras.optimizers.Adam(0.0),  # `step` sets the rate
            keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        )

    def step(self, batch: Activations, labels: npt.NDArray[np.intp], learning_rate: float) -> float:
        """Train on one batch; return its loss."""
        self._model.optimizer.learning_rate = learning_rate
        targets = np.eye(self._n_classes, dtype=np.float32)[labels]
        return float(cast(float, self._model.train_on_batch(batch.astype(np.float32), targets)))

    def kernels(self) -> Kernels:
        """Return the kernels as trained so far."""
        kernels = {}
        for layer in self._back.layers:
            if isinstance(layer, layers.DepthwiseConv2D):
                order = (2, 3, 0, 1)
            elif isinstance(layer, layers.Conv2D):
                order = (3, 2, 0, 1)
            else:
                continue
            kernels[torch_name(layer.name) + ".weight"] = layer.get_weights()[0].transpose(order)
        return kernels
