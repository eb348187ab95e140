"""Train learners on one replica and on two, and compare; run by tests.

`python replicas_script.py mirrored|workers NAME...` prints `equal` at its end.
With `workers` it is one of two processes that `TF_CONFIG` tells of each other.
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

# Programs find what lies beside them, and this lies a folder above.
sys.path.append(str(pathlib.Path(__file__).parents[1]))

from two_replicas import two_replicas  # noqa: E402

STRATEGY = two_replicas(sys.argv[1])

import kerasmeta as km  # noqa: E402
from kerasmeta.learners.replicas import ReplicaShare  # noqa: E402

L = km.learners
Y = np.repeat(np.arange(8), 10)
X = np.random.default_rng(0).normal(size=(80, 6, 6, 1)).astype("float32")
X += np.random.default_rng(1).normal(size=(8, 6, 6, 1))[Y]


def network(units=3, norm=None, convolve=False, dropout=0.0):
    layers = [keras.Input((6, 6, 1))]
    if convolve:
        layers.append(keras.layers.Conv2D(3, 3, activation="relu"))
    layers += [keras.layers.Flatten(), keras.layers.Dense(8)]
    if norm == "layer":
        layers.append(keras.layers.LayerNormalization())
    elif norm is not None:
        layers.append(
            keras.layers.BatchNormalization(
                momentum=0.8, synchronized=norm == "synchronized"
            )
        )
    layers.append(keras.layers.Activation("softplus"))
    if dropout:
        layers.append(keras.layers.Dropout(dropout, seed=3))
    return keras.Sequential([*layers, keras.layers.Dense(units)])


def with_frozen_norm():
    """A backbone whose BatchNormalization keeps to its moving statistics."""
    backbone = network(5, "batch")
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return backbone


def gradient(build, *arguments, steps=2, **options):
    net = network(*arguments)
    return build(net, 0.05, inner_steps=steps, **options)


def imaml():
    return L.IMAML(
        network(), inner_learning_rate=0.1, inner_steps=3, regularization=2.0
    )


def reptile():
    net = network(3, "batch", False, 0.3)
    return L.Reptile(
        net,
        inner_learning_rate=0.05,
        inner_steps=3,
        inner_batch_size=2,
        batch_norm="moving",
        seed=5,
    )


def ridge(net):
    return L.R2D2(net, ways=3)


IMAGES = {
    "maml": lambda: gradient(L.MAML),
    "maml_first_order": lambda: gradient(L.MAML, first_order=True),
    "maml_convolutions": lambda: gradient(
        L.MAML, 3, "batch", True, 0.3, batch_norm="moving"
    ),
    "maml_inductive": lambda: gradient(
        L.MAML, 3, "batch", False, 0.3, batch_norm="inductive"
    ),
    "maml_plus_plus": lambda: gradient(
        L.MAMLPlusPlus,
        3,
        "batch",
        batch_norm="moving",
        second_order_after=1,
        multi_step_loss_steps=2,
    ),
    "meta_sgd": lambda: gradient(L.MetaSGD),
    "reptile": reptile,
    "imaml": imaml,
    "abml": lambda: gradient(L.ABML, samples=2, from_logits=True, seed=1),
    "proto_maml": lambda: L.ProtoMAML(
        network(5), ways=3, inner_learning_rate=0.05, inner_steps=2
    ),
    "proto_net": lambda: L.ProtoNet(network(5, "layer"), ways=3),
    "proto_net_frozen_norm": lambda: L.ProtoNet(with_frozen_norm(), ways=3),
    "proto_net_synchronized": lambda: L.ProtoNet(
        network(5, "synchronized"), ways=3
    ),
    "r2d2": lambda: ridge(network(5)),
    "r2d2_synchronized": lambda: ridge(network(5, "synchronized", True)),
    "matching": lambda: L.MatchingNetworks(network(5), ways=3),
    "sum_of_losses": lambda: L.ProtoNet(network(5), ways=3),
    "feat": lambda: L.FEAT(
        network(4), ways=3, dropout=0.0, attention_dropout=0.0
    ),
    "baseline": lambda: L.Baseline(network(5), ways=3, steps=3),
    "soft_k_means": lambda: L.SoftKMeans(network(5), ways=3),
    "tim": lambda: L.TIM(network(5), ways=3, steps=3),
    "recurrent": lambda: L.RecurrentNetwork(network(5), ways=3, units=6),
    "mann": lambda: L.MANN(
        network(5), ways=3, units=6, slots=4, slot_size=3, heads=1
    ),
    "snail": lambda: L.SNAIL(
        network(5), ways=3, support_size=6, filters=4, key_sizes=(4, 4, 4)
    ),
    "transformer": lambda: L.InContextTransformer(
        network(5), ways=3, width=8, heads=2, hidden_units=8
    ),
}
CURVES = {
    "conditional_neural_process": lambda: L.ConditionalNeuralProcess(width=8),
    "neural_process": lambda: L.NeuralProcess(width=8, latent_size=3, seed=2),
    "attentive_neural_process": lambda: L.AttentiveNeuralProcess(
        width=8, latent_size=3, heads=2, seed=2
    ),
}


def loss_of(name):
    if name in CURVES:
        return km.losses.GaussianNegativeLogLikelihood()
    reduction = "sum" if name == "sum_of_losses" else "sum_over_batch_size"
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=reduction
    )


def metrics_of(name):
    if name in CURVES:
        return [km.metrics.GaussianMeanSquaredError()]
    return ["accuracy"]


def episodes_of(name, num_episodes):
    if name in CURVES:
        sinusoid = km.tasks.Sinusoid(shots=5, queries=6)
        return sinusoid.episodes(batch_size=4, num_episodes=num_episodes)
    sizes = (3, 2, 4) if num_episodes == 11 else ((2, 3), (1, 2), (1, 4))
    spec = km.episodes.EpisodeSpec(*sizes)
    return km.episodes.episodes_from_arrays(
        X, Y, spec, 4, num_episodes=num_episodes
    )


def train(strategy, name, num_episodes):
    """Return weights, the history and what evaluation says."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        learner = {**IMAGES, **CURVES}[name]()
        learner.compile(
            keras.optimizers.SGD(0.05 if name != "sum_of_losses" else 0.001),
            loss_of(name),
            metrics=metrics_of(name),
            jit_compile=False,
        )
    episodes = episodes_of(name, num_episodes)
    history = learner.fit(episodes, verbose=0).history
    logs = learner.evaluate(episodes, return_dict=True, verbose=0)
    assert any(key.endswith("_ci95") for key in logs)
    predictions = learner.predict(episodes, verbose=0) if name == "maml" else []
    return {
        "weights": learner.get_weights(),
        "history": history,
        "logs": logs,
        "predictions": predictions,
    }


def compare(name, num_episodes):
    one = train(tf.distribute.get_strategy(), name, num_episodes)
    both = train(STRATEGY, name, num_episodes)
    # Of a sum Keras logs a mean over replicas, which uneven ones distort.
    for part in ["weights"] if name == "sum_of_losses" else one:
        pairs = zip(
            tf.nest.flatten(one[part]),
            tf.nest.flatten(both[part]),
            strict=True,
        )
        tolerance = 1e-6 if part == "logs" else 1e-5
        for a, b in pairs:
            np.testing.assert_allclose(
                a, b, rtol=tolerance, atol=tolerance, err_msg=f"{name} {part}"
            )


def check_noise():
    """Replicas draw noise of their own, and keep their seeds the same."""
    with STRATEGY.scope():
        learner = L.ProtoNet(network(5, dropout=0.5), ways=3)
    dropout = learner.backbone.layers[-2]

    @tf.function
    def draw():
        def on_replica():
            tasks = tf.zeros([2, 1])
            with ReplicaShare(tasks).own_state(learner):
                return dropout(tf.ones([1, 50]), training=True)

        return STRATEGY.run(on_replica)

    seeds = dropout.seed_generator.state.value
    before = [v.numpy() for v in seeds.values]
    masks = [STRATEGY.experimental_local_results(draw()) for _ in range(2)]
    masks = np.reshape(masks, [4, 50])
    assert len(np.unique(masks, axis=0)) == 4, masks
    after = [v.numpy() for v in seeds.values]
    np.testing.assert_array_equal(after, np.add(before, [0, 2]))


def check_constants():
    """What nothing assigns stays exactly what it is, on uneven replicas."""
    values = np.random.default_rng(0).normal(size=1000)
    values[0] = np.inf
    with STRATEGY.scope():
        norm = keras.layers.BatchNormalization(dtype="bfloat16")
        learner = L.ProtoNet(keras.Sequential([keras.Input((1000,)), norm]))
    norm.moving_mean.assign(values)
    before = norm.moving_mean.numpy()

    @tf.function
    def step():
        def on_replica():
            context = tf.distribute.get_replica_context()
            count = 1 + context.replica_id_in_sync_group
            with ReplicaShare([], count).own_state(learner):
                norm.moving_variance.assign(norm.moving_variance * 4)

        STRATEGY.run(on_replica)

    step()
    np.testing.assert_array_equal(norm.moving_mean.numpy(), before)
    np.testing.assert_allclose(
        norm.moving_variance.numpy().astype("float32"), 4.0, rtol=0.01
    )


def check_metrics():
    """Metrics that look at axes see those of queries, not of tasks."""
    values = []
    for strategy in (tf.distribute.get_strategy(), STRATEGY):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            learner = L.MAML(km.backbones.mlp((1,), 1, units=(4,)))
            learner.compile(loss="mse", metrics=[keras.metrics.R2Score()])
        episodes = km.tasks.Sinusoid(shots=5).episodes(2, num_episodes=4)
        values.append(learner.evaluate(episodes, verbose=0))
    np.testing.assert_allclose(*values, rtol=1e-5)


def check_error():
    """Nobody synchronizes statistics with a replica without tasks."""
    try:
        train(STRATEGY, "proto_net_synchronized", 9)
    except tf.errors.InvalidArgumentError as error:
        assert "each replica needs a task" in str(error)
    else:
        raise AssertionError("no error")


def check_jit():
    """XLA compiles a program of one device, and learners say so."""
    for name in ("maml", "proto_net"):
        with STRATEGY.scope():
            learner = IMAGES[name]()
            learner.compile("sgd", loss_of(name), jit_compile=True)
        for use in (learner.fit, learner.evaluate):
            try:
                use(episodes_of(name, 4), verbose=0)
            except ValueError as error:
                assert "jit_compile=True with 2 replicas" in str(error)
            else:
                raise AssertionError("no error")


def check_accumulation():
    """Keras' accumulation fails while it is traced, and learners say so."""
    for scale in (
        lambda optimizer: optimizer,
        keras.optimizers.LossScaleOptimizer,
    ):
        with STRATEGY.scope():
            learner = IMAGES["maml"]()
            optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
            learner.compile(scale(optimizer), loss_of("maml"))
        try:
            learner.fit(episodes_of("maml", 4), verbose=0)
        except ValueError as error:
            assert "accumulation_steps=2 with 2 replicas" in str(error)
        else:
            raise AssertionError("no error")


CHECKS = {
    "noise": check_noise,
    "constants": check_constants,
    "metrics": check_metrics,
    "error": check_error,
    "jit": check_jit,
    "accumulation": check_accumulation,
}


def main():
    names = sys.argv[2:]
    for name in [name for name in names if name in CHECKS]:
        CHECKS[name]()
    for name in [n for n in names if n not in CHECKS]:
        # The last of 3 batches of 4 is uneven; of 9, it leaves nothing for one
        # of the replicas, which those that synchronize statistics must have.
        is_synchronized = name.endswith("synchronized")
        place = [*IMAGES, *CURVES].index(name)
        num_episodes = 11 if is_synchronized or place % 2 else 9
        compare(name, num_episodes)
        print("same:", name, num_episodes, flush=True)
    print("equal")


if __name__ == "__main__":
    main()
