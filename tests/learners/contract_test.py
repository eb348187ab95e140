"""The contract table: one row a learner, each with its own episodes."""

import keras
import numpy as np
import pytest

import kerasmeta as km

CROSSENTROPY = {
    "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "metrics": ["accuracy"],
}
RELATIONS = {
    "loss": km.losses.RelationMeanSquaredError(),
    "metrics": ["accuracy"],
}
REGRESSION = {"loss": "mse", "metrics": ["mse"]}
TRANSDUCTIVE = km.learners.TransductiveLearner
SPEC = km.episodes.EpisodeSpec(ways=3, shots=2, queries=4)


def varied():
    """Images in episodes of different sizes, padded."""
    spec = km.episodes.EpisodeSpec((2, 3), (1, 2), (2, 4), unbalanced=True)
    return images(spec)


def images(spec=SPEC):
    """Noisy copies of one random 8x8 picture a class."""
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 10)
    x = generator.normal(size=(8, 8, 8, 1))[y]
    x += 0.5 * generator.normal(size=x.shape)
    return km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=2, num_episodes=4
    )


def sinusoid():
    family = km.tasks.Sinusoid(shots=5, queries=6)
    return family.episodes(batch_size=2, num_episodes=4).cache()


def conv(num_outputs):
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(num_outputs),
        ]
    )


def maml(network, **kwargs):
    return km.learners.MAML(
        network, inner_learning_rate=0.05, inner_steps=2, **kwargs
    )


def dense(num_outputs=1):
    return km.backbones.mlp((1,), num_outputs, units=(8,))


def with_context():
    """A network that takes a context beside its input."""
    x, context = keras.Input((1,)), keras.Input((3,))
    hidden = keras.layers.Dense(8, "tanh")(
        keras.layers.Concatenate()([x, context])
    )
    return keras.Model([x, context], keras.layers.Dense(1)(hidden))


def flat(num_outputs=8):
    """Where only the head is new: the base is checked with images."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(num_outputs, "softplus"),
        ]
    )


def modulated():
    """Features that a context moves."""
    x, context = keras.Input((8, 8, 1)), keras.Input((3,))
    features = keras.layers.Dense(8)(keras.layers.Flatten()(x))
    film = km.layers.FiLM()([features, context])
    return keras.Model([x, context], keras.layers.Activation("softplus")(film))


def feature_maps():
    network = conv(8)
    return keras.Model(network.inputs, network.layers[-3].output)


def head_row(build, backbone=flat, compile=CROSSENTROPY, **arguments):
    return dict(
        learner=lambda: build(backbone(), ways=3, **arguments),
        episodes=images if issubclass(build, TRANSDUCTIVE) else varied,
        compile=compile,
        permutes_classes=True,
    )


def gradient_row(build, **kwargs):
    return dict(learner=build, episodes=sinusoid, compile=REGRESSION, **kwargs)


def memory_row(build, **arguments):
    """A head that learns what the numbers of classes mean."""
    row = head_row(build, **arguments)
    return {**row, "permutes_classes": False}


def in_order(build, **arguments):
    """One that reads its support set as a sequence, too."""
    row = memory_row(build, **arguments)
    return {**row, "ignores_support_order": False}


def gaussian():
    """What to compile with; new each time, for metrics keep their sums."""
    return {
        "loss": km.losses.GaussianNegativeLogLikelihood(),
        "metrics": [
            km.metrics.GaussianMeanSquaredError(),
            km.metrics.GaussianLogLikelihood(),
        ],
    }


def process_row(build, **arguments):
    return dict(
        learner=lambda: build(**arguments),
        episodes=sinusoid,
        compile=gaussian,
    )


ROWS = {
    "ANIL": dict(
        learner=lambda: km.learners.ANIL(
            conv(3), inner_learning_rate=0.05, inner_steps=2
        ),
        episodes=images,
        compile=CROSSENTROPY,
    ),
    "BOIL": gradient_row(
        lambda: km.learners.BOIL(dense(), inner_learning_rate=0.05)
    ),
    "MetaSGD": gradient_row(
        lambda: km.learners.MetaSGD(dense(), inner_learning_rate=0.05)
    ),
    "MetaCurvature": gradient_row(
        lambda: km.learners.MetaCurvature(dense(), inner_learning_rate=0.05)
    ),
    "MAMLPlusPlus": dict(
        learner=lambda: km.learners.MAMLPlusPlus(
            conv(3), inner_learning_rate=0.05, inner_steps=2
        ),
        episodes=images,
        compile=CROSSENTROPY,
    ),
    "ALFA": gradient_row(
        lambda: km.learners.ALFA(
            dense(), inner_learning_rate=0.05, inner_steps=2
        )
    ),
    "LSTMMetaLearner": gradient_row(
        lambda: km.learners.LSTMMetaLearner(
            dense(), inner_steps=2, first_order=True
        )
    ),
    "CAVIA": gradient_row(lambda: km.learners.CAVIA(with_context())),
    "ProtoMAML-padded": dict(
        learner=lambda: km.learners.ProtoMAML(
            conv(6), ways=3, inner_learning_rate=0.05, inner_steps=2
        ),
        episodes=varied,
        compile=CROSSENTROPY,
    ),
    "LEO": dict(
        learner=lambda: km.learners.LEO(
            conv(6),
            ways=3,
            latent_size=4,
            inner_steps=2,
            finetune_steps=1,
            dropout=0.0,
        ),
        episodes=images,
        compile=CROSSENTROPY,
    ),
    "TransductiveFineTuning": dict(
        learner=lambda: km.learners.TransductiveFineTuning(
            flat(),
            ways=3,
            inner_learning_rate=1e-3,
            inner_steps=1,
        ),
        episodes=images,
        compile=CROSSENTROPY,
        permutes_classes=True,
    ),
    "IMAML": gradient_row(
        lambda: km.learners.IMAML(
            dense(),
            regularization=10.0,
            inner_learning_rate=0.02,
            inner_steps=20,
            unroll=False,
        )
    ),
    "Reptile": dict(
        learner=lambda: km.learners.Reptile(
            conv(3), inner_learning_rate=0.05, inner_steps=3
        ),
        episodes=images,
        compile=CROSSENTROPY,
    ),
    "ABML": gradient_row(
        lambda: km.learners.ABML(dense(), inner_learning_rate=0.05, samples=2)
    ),
    "MAML-loop-recomputed": dict(
        learner=lambda: maml(conv(3), rematerialize=True),
        episodes=images,
        compile=CROSSENTROPY,
    ),
    "MAML-regression": dict(
        learner=lambda: maml(km.backbones.mlp((1,), 1, units=(16,))),
        episodes=sinusoid,
        compile=REGRESSION,
    ),
    "MAML-Adam": dict(
        learner=lambda: km.learners.MAML(
            km.backbones.mlp((1,), 1, units=(16,)),
            inner_steps=2,
            inner_optimizer=km.inner_optimizers.Adam(0.02),
        ),
        episodes=sinusoid,
        compile=REGRESSION,
    ),
    "MAML-padded": dict(
        learner=lambda: maml(conv(3)), episodes=varied, compile=CROSSENTROPY
    ),
    "ProtoNet-padded": dict(
        learner=lambda: km.learners.ProtoNet(conv(8), ways=3),
        episodes=varied,
        compile=CROSSENTROPY,
    ),
    "MAML-transductive": dict(
        learner=lambda: maml(conv(3)), episodes=images, compile=CROSSENTROPY
    ),
    "MAML-inductive": dict(
        learner=lambda: maml(conv(3), batch_norm="inductive"),
        episodes=images,
        compile=CROSSENTROPY,
    ),
    "MAML-moving-first-order": dict(
        learner=lambda: maml(conv(3), batch_norm="moving", first_order=True),
        episodes=images,
        compile=CROSSENTROPY,
    ),
    "ProtoNet": dict(
        learner=lambda: km.learners.ProtoNet(conv(8)),
        episodes=images,
        compile=CROSSENTROPY,
        permutes_classes=True,
    ),
    "SimpleShot": head_row(km.learners.SimpleShot),
    "NearestNeighbour": head_row(km.learners.NearestNeighbour),
    "Baseline": head_row(km.learners.Baseline, steps=5),
    "BaselinePlusPlus": head_row(km.learners.BaselinePlusPlus, steps=5),
    "SoftKMeans": head_row(km.learners.SoftKMeans, distractors=True),
    "BDCSPN": head_row(km.learners.BDCSPN),
    "LaplacianShot": head_row(km.learners.LaplacianShot),
    "TIM": head_row(km.learners.TIM, steps=3),
    "PTMAP": head_row(km.learners.PTMAP, steps=2),
    "MatchingNetworks": head_row(km.learners.MatchingNetworks),
    "MatchingNetworks-context": dict(
        **head_row(
            km.learners.MatchingNetworks,
            full_context_embeddings=True,
            read_steps=2,
        ),
        ignores_support_order=False,
    ),
    "RelationNetwork": head_row(
        km.learners.RelationNetwork, feature_maps, RELATIONS, filters=4
    ),
    "SiameseNetwork": head_row(
        km.learners.SiameseNetwork,
        compile={**RELATIONS, "loss": km.losses.RelationBinaryCrossentropy()},
    ),
    "FEAT": head_row(
        km.learners.FEAT, temperature=1.0, dropout=0.0, attention_dropout=0.0
    ),
    "CNAPS": dict(
        learner=lambda: km.learners.CNAPS(modulated(), flat(3), ways=3),
        episodes=varied,
        compile=CROSSENTROPY,
        permutes_classes=True,
    ),
    "MahalanobisNet": head_row(km.learners.MahalanobisNet),
    "GaussianPrototypes": head_row(
        km.learners.GaussianPrototypes, lambda: flat(9)
    ),
    "MetaOptNet": head_row(km.learners.MetaOptNet),
    "R2D2": head_row(km.learners.R2D2),
    "R2D2-regression": gradient_row(
        lambda: km.learners.R2D2(dense(8), regression=True)
    ),
    "LRD2": head_row(km.learners.LRD2),
    "InContextTransformer": memory_row(
        km.learners.InContextTransformer, width=8, heads=2, hidden_units=8
    ),
    "SNAIL": in_order(
        km.learners.SNAIL, support_size=6, filters=4, key_sizes=(4, 4, 4)
    ),
    "RecurrentNetwork": in_order(km.learners.RecurrentNetwork, units=8),
    "MANN": in_order(
        km.learners.MANN,
        units=8,
        slots=6,
        slot_size=4,
        heads=2,
        shift_labels=True,
    ),
    "MetaNetworks": in_order(
        km.learners.MetaNetworks, units=4, meta_units=3, steps=2
    ),
    "ConditionalNeuralProcess": process_row(
        km.learners.ConditionalNeuralProcess, width=8
    ),
    "NeuralProcess": process_row(
        km.learners.NeuralProcess, width=8, latent_size=3, samples=4
    ),
    "AttentiveNeuralProcess": process_row(
        km.learners.AttentiveNeuralProcess,
        width=8,
        latent_size=3,
        heads=2,
        samples=4,
    ),
    "TransformerNeuralProcess": process_row(
        km.learners.TransformerNeuralProcess, width=8, blocks=2, heads=2
    ),
    "ConvolutionalNeuralProcess": process_row(
        km.learners.ConvolutionalNeuralProcess,
        reach=10.0,
        points_per_unit=2,
        width=4,
        levels=2,
    ),
}
# Learners on a base that other rows check in full keep the rest for `slow`;
# episodes with padding go through all that others go through.
IN_FULL = ("MAML-padded", "ProtoNet-padded")
# One of each family is saved; the others show that they can be made anew.
SAVED = ("ANIL", "CAVIA", "R2D2", "SimpleShot", "Baseline", "SoftKMeans")
SAVED += ("InContextTransformer", "ConditionalNeuralProcess")
COMPILED = ("MAML-transductive", "ProtoNet-padded")


def cases():
    for name in ROWS:
        for check in km.testing.LEARNER_CHECKS:
            is_quick = (
                name in IN_FULL
                or check == "config"
                or (check == "keras_file" and name in SAVED)
            )
            if check == "xla_equals_graph":
                is_quick = name in COMPILED
            marks = () if is_quick else pytest.mark.slow
            yield pytest.param(name, check, marks=marks)


@pytest.mark.parametrize("name, check", list(cases()))
def test_contract(name, check):
    row = dict(ROWS[name])
    build, episodes = row.pop("learner"), row.pop("episodes")
    arguments = row.pop("compile")

    def make_learner():
        learner = build()
        options = arguments() if callable(arguments) else arguments
        learner.compile(optimizer=keras.optimizers.Adam(3e-3), **options)
        return learner

    km.testing.check_learner(make_learner, episodes, [check], **row)
