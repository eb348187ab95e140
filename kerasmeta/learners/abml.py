"""Amortized Bayesian meta-learning."""

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.learners.adapted_learner import adapt_learner
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.mean_over_tasks import mean_over_tasks
from kerasmeta.learners.normal_weights import draw_weights
from kerasmeta.learners.normal_weights import normal_divergence
from kerasmeta.learners.several_predictions import mean_of_losses
from kerasmeta.learners.several_predictions import mean_prediction
from kerasmeta.learners.several_predictions import prediction_at
from kerasmeta.ops.seeded_noise import seed_of_task
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class ABML(GradientLearner):
    """Amortized Bayesian meta-learning: adapt a distribution over weights.

    Use it to know how sure a prediction is. What adapts are the mean `m` and
    the logarithm of the standard deviation `s` of a normal distribution
    `q = N(m, s^2)` over each weight of the network. It starts from the prior
    `p = N(m_0, s_0^2)`, which is what the outer loop learns. With `S` support
    examples and `Q` queries, an inner step follows the gradient of

    `E_q[L(support; w)] + kl_weight * KL(q || p) / S`

    and the outer loss, with the adapted `q`, is the evidence bound of the
    whole task,

    `E_q[L(query; w)] + (S * E_q[L(support; w)] + kl_weight * KL(q || p)) / Q`,

    where `L` is the mean negative log-likelihood of an example: the compiled
    loss, which for `"mse"` means a normal likelihood of variance 1/2.
    Expectations are means over `samples` draws `w = m + s * noise`, which
    gradients go through. A prediction is the mean of those of the draws;
    `predict_samples` returns each. In `evaluate` the loss is that of the mean
    alone. The paper's hyper-prior, whose share vanishes with the number of
    tasks, is left to weight decay of the outer optimizer.

    In `fit` every task and step draws its own noise; elsewhere it is always
    the same, so that predicting twice gives the same. XLA is refused: with
    `jit_compile=True`, Keras warns and trains without.

    Why not LLAMA or PLATIPUS? LLAMA's Laplace approximation needs the curvature
    of each network, and PLATIPUS adapts draws from the prior to points, with
    an inference step of its own in training. Here it takes one more number a
    weight, for any network, and the adapted posterior is explicit.

    Reference: Ravi and Beatson, 2019, "Amortized Bayesian Meta-Learning",
    ICLR.

    Args:
        network: Built `keras.Model`, as for `MAML`.
        inner_learning_rate: Positive number, the rate of gradient descent in
            the inner loop.
        inner_steps: Number of gradient steps on the support set.
        samples: Number of draws of the weights, in training and prediction.
        initial_deviation: Positive number, the standard deviation of all
            weights at the beginning. With much noise it learns much more
            slowly.
        kl_weight: Number of at least 0, what the divergence from the prior
            weighs. Below 1 the posterior is free to be sharper.
        from_logits: Whether the network returns logits. Then probabilities are
            averaged, of a softmax or, with a single output, of a sigmoid, and
            predictions are logits again (log-probabilities, or log-odds).
            Otherwise outputs are averaged.
        seed: Integer, or `None` for noise in `fit` that differs from run to
            run, unless `keras.utils.set_random_seed` was called.
        **kwargs: Other arguments of `MAML`, `name` and `dtype`.

    Raises:
        ValueError: If the network is not built or an argument is unsuitable;
            from `compile`, if `from_logits` is not that of the loss.

    Example:

    >>> learner = km.learners.ABML(km.backbones.mlp((1,), 1), samples=3)
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> state = learner.adapt(tf.constant([[0.0]]), tf.constant([[1.0]]))
    >>> query_x = tf.constant([[0.0], [4.0]])
    >>> learner.predict_samples(state, query_x, samples=20).shape
    TensorShape([20, 2, 1])
    """

    _log_deviations = None

    def __init__(
        self,
        network,
        inner_learning_rate=0.01,
        inner_steps=1,
        samples=5,
        initial_deviation=0.01,
        kl_weight=1.0,
        from_logits=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(network, inner_learning_rate, inner_steps, **kwargs)
        self.samples = check_positive_int("samples", samples)
        self.initial_deviation = check_positive_number(
            "initial_deviation", initial_deviation
        )
        self.kl_weight = kl_weight and check_positive_number(
            "kl_weight", kl_weight
        )
        self.from_logits = bool(from_logits)
        self.seed = seed
        if seed is not None:
            check_positive_int("seed", seed, minimum=0)
        self.noise_generator = keras.random.SeedGenerator(self.seed)
        initializer = keras.initializers.Constant(np.log(initial_deviation))
        self._log_deviations = [
            self.add_weight(
                shape=variable.shape,
                initializer=initializer,
                dtype=variable.dtype,
                name=f"{variable.name}_log_deviation",
            )
            for variable in self.fast_variables()
        ]
        self._keeps_samples = False
        # What XLA makes of the outer gradient is right, but seconds a step
        # where the plain graph takes hundredths of one.
        self.supports_jit = False

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        for loss in tf.nest.flatten([self.loss, self.inner_loss]):
            _check_logits(loss, self.from_logits)

    def initial_fast_weights(
        self, support_x=None, support_y=None, support_mask=None
    ):
        # The base looks at the shapes before there are deviations.
        logs = self._log_deviations or self.fast_variables()
        means = super().initial_fast_weights()
        return [*means, *(tf.convert_to_tensor(v) for v in logs)]

    def forward(self, fast_weights, buffers, x, training=False, step=0):
        # Outputs are those of all draws, [samples, ...].
        draws = self.samples
        return self._sample(fast_weights, buffers, x, training, step, draws)

    def _sample(self, fast_weights, buffers, x, training, step, samples):
        seed = buffers.get("noise", [self.seed or 0, 0])
        results = []
        for weights in draw_weights(fast_weights, seed, step, samples):
            results.append(super().forward(weights, buffers, x, training))
        outputs, after, losses = zip(*results)
        outputs = tf.nest.map_structure(lambda *t: tf.stack(t), *outputs)
        after = tf.nest.map_structure(_mean_or_first, *after)
        if "noise" in buffers:
            after["noise"] = buffers["noise"]
        if losses[0] is None:
            return outputs, after, None
        return outputs, after, tf.reduce_mean(tf.stack(losses))

    def _forward(self, weights, buffers, x, training, mask, *args):
        # Of an inner step: what `_predict_each` does is without divergence.
        outputs, buffers, losses = super()._forward(
            weights, buffers, x, training, mask, *args
        )
        penalty = self._divergence(weights) / tf.maximum(_count(x, mask), 1)
        losses = penalty if losses is None else losses + penalty
        return outputs, buffers, losses

    def _divergence(self, weights):
        """Return the weighted divergence from the prior, or zero."""
        if not self.kl_weight:
            return 0.0
        prior = self.initial_fast_weights()
        return self.kl_weight * normal_divergence(weights, prior)

    def _support_loss(self, y, y_pred, mask):
        losses = [
            super(ABML, self)._support_loss(
                y, prediction_at(y_pred, i, axis=0), mask
            )
            for i in range(self.samples)
        ]
        return tf.reduce_mean(tf.stack(losses))

    def predict_samples(self, state, query_x, samples=None):
        """Predict the queries of one task with each draw of the weights.

        Args:
            state: What `adapt` returned.
            query_x: Query examples, `[Q, ...]`, or a nest.
            samples: Number of draws, or `None` for that of the learner.

        Returns:
            Outputs of the network, `[samples, Q, ...]`.
        """
        if samples is not None:
            check_positive_int("samples", samples)
        return self._predict_each(state, query_x, samples=samples)[0]

    def _predict(self, state, query_x, training, query_mask=None):
        outputs, buffers, losses = self._predict_each(
            state, query_x, training, query_mask
        )
        return self._average(outputs, 0), buffers, losses

    def _predict_each(self, state, x, training=False, mask=None, samples=None):
        use = False if self.batch_norm == "inductive" else None
        weights, buffers = state["fast_weights"], state["buffers"]
        step = self.steps_for(training)
        samples = samples or self.samples
        with self._policy(mask, use):
            return self._sample(weights, buffers, x, training, step, samples)

    def _average(self, outputs, axis):
        return mean_prediction(outputs, axis, self.from_logits)

    @mean_over_tasks
    def solve(self, episodes, training=False):
        query_pred = super().solve(episodes, training)
        if training:
            self.noise_generator.next()
        return query_pred

    def solve_task(self, task, training):
        if not training:
            return super().solve_task(task, training)
        buffers = self._network_state.seeds_of_task(task["task"])
        buffers["noise"] = self._noise_of_task(task["task"])
        mask = task.get("support_mask")
        state = self._adapt(
            task["support_x"], task["support_y"], mask, buffers, training
        )
        query_pred, buffers, losses = self._predict_each(
            state, task["query_x"], training, task.get("query_mask")
        )
        del buffers["noise"]
        if self.batch_norm == "inductive":
            buffers = self._network_state.blend_statistics(buffers)
        if not self._keeps_samples:
            query_pred = self._average(query_pred, 0)
        bound = self._support_bound(state, task)
        return {
            "query_pred": query_pred,
            "buffers": buffers,
            "losses": bound if losses is None else bound + losses,
        }

    def _support_bound(self, state, task):
        """Return what the bound has besides the query loss, a query."""
        x, mask = task["support_x"], task.get("support_mask")
        outputs, _, _ = self._predict_each(state, x, True, mask)
        loss = self._support_loss(task["support_y"], outputs, mask)
        bound = loss * _count(x, mask)
        bound += self._divergence(state["fast_weights"])
        queries = _count(task["query_x"], task.get("query_mask"))
        return tf.math.divide_no_nan(bound, queries)

    def _noise_of_task(self, task):
        return seed_of_task(self.noise_generator.state.value, task)

    def seeds_of_task(self, task):
        noise = {id(self.noise_generator.state): self._noise_of_task(task)}
        return {**super().seeds_of_task(task), **noise}

    @mean_over_tasks
    def meta_loss(self, episodes, query_y, sample_weight=None, training=True):
        if not training:
            return super().meta_loss(episodes, query_y, sample_weight, training)
        self._keeps_samples = True
        try:
            samples = self(episodes, training=True)  # (T, samples, Q, ...)
        finally:
            self._keeps_samples = False
        shares = np.full(self.samples, 1 / self.samples)
        loss = mean_of_losses(
            self, episodes, query_y, sample_weight, samples, shares
        )
        return loss, self._average(samples, 1)

    def adapted_model(self, support_x, support_y, support_mask=None):
        return adapt_learner(self, support_x, support_y, support_mask)

    def get_config(self):
        return {
            **super().get_config(),
            "samples": self.samples,
            "initial_deviation": self.initial_deviation,
            "kl_weight": self.kl_weight,
            "from_logits": self.from_logits,
            "seed": self.seed,
        }


def _check_logits(loss, from_logits):
    if getattr(loss, "from_logits", from_logits) != from_logits:
        raise ValueError(
            "Learner and loss must agree on whether the network returns "
            "logits: the learner averages probabilities. "
            f"Received: from_logits={from_logits} for ABML, "
            f"{loss.from_logits} for loss={loss!r}. "
            f"Make it with `from_logits={loss.from_logits}`"
        )


def _count(x, mask):
    """Return the number of real examples."""
    dtype = keras.config.floatx()
    if mask is not None:
        return tf.reduce_sum(tf.cast(mask, dtype))
    return tf.cast(tf.shape(tf.nest.flatten(x)[0])[0], dtype)


def _mean_or_first(*tensors):
    # Statistics are averaged over draws; seeds advance as for one.
    is_float = tensors[0].dtype.is_floating
    return tf.reduce_mean(tf.stack(tensors), 0) if is_float else tensors[0]
