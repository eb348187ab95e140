"""The domains of `domains.py`: data, split into tasks, and a learner."""

import csv
import dataclasses
import json

import keras
import numpy as np
import tensorflow as tf

import kerasmeta as km

Spec = km.episodes.EpisodeSpec


@dataclasses.dataclass
class Domain:
    """One row of the table."""

    title: str
    task: str
    learner: keras.Model
    train: tf.data.Dataset
    test: tf.data.Dataset
    steps: int
    ways: int = 5
    unit: str = ""
    scale: float = 1.0
    digits: int = 2
    floor_backbone: keras.Model | None = None
    floor_test: tf.data.Dataset | None = None
    rows: tuple | None = None
    pooled_epochs: int = 20

    def __post_init__(self):
        self.floor_test = self.floor_test or self.test
        self.is_classes = self.rows is None
        self.learner_name = type(self.learner).__name__


def proto_net(backbone, steps, rate=2e-3):
    learner = km.learners.ProtoNet(backbone)
    learner.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(rate, steps)
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner


def maml(network, steps, rate, inner_steps=5, loss="mse"):
    learner = km.learners.MAML(
        network, inner_learning_rate=rate, inner_steps=inner_steps
    )
    learner.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(1e-3, steps)
        ),
        loss,
    )
    return learner


def omniglot(folder, episodes):
    with np.load(folder / "omniglot/omniglot_background_28_u8.npz") as data:
        x, y = data["images"][..., None], data["char_id"]
        train = data["alphabet"] < 25
    make = km.episodes.episodes_from_arrays
    return Domain(
        "Omniglot, images",
        "5-way 1-shot, unseen alphabets",
        proto_net(km.backbones.conv4((28, 28, 1)), 800),
        make(x[train], y[train], Spec(20, 1, 5), 1, class_rotations=True),
        make(x[~train], y[~train], Spec(5, 1, 15), 4, 1, episodes),
        steps=800,
    )


def clinc150_texts(folder):
    """Return texts, intents, which are of held-out topics; and of no intent."""
    with open(folder / "clinc150/data_full.json", encoding="utf-8") as file:
        data = json.load(file)
    with open(folder / "clinc150/domains.json", encoding="utf-8") as file:
        domains = json.load(file)
    held_out = {
        intent for name in sorted(domains)[-3:] for intent in domains[name]
    }
    texts, intents = np.array(data["train"] + data["val"] + data["test"]).T
    out_of_scope = [text for text, _ in data["oos_test"]]
    return texts, intents, np.isin(intents, list(held_out)), out_of_scope


def clinc150(folder, episodes):
    texts, intents, test, _ = clinc150_texts(folder)
    make = km.episodes.episodes_from_text
    tf_idf = keras.layers.TextVectorization(output_mode="tf_idf")
    tf_idf.adapt(texts)
    words = keras.Input((tf_idf.vocabulary_size(),))
    frozen = {"seed": 1, "num_episodes": episodes}
    spec = Spec(5, 1, 15)
    backbone = text_backbone(inverse_frequencies(n_grams(texts[~test])))
    return Domain(
        "CLINC150, text",
        "5-way 1-shot, unseen topics",
        proto_net(backbone, 800, 5e-3),
        make(
            texts[~test], intents[~test], Spec(20, 1, 5), 2, vectorizer=n_grams
        ),
        make(texts[test], intents[test], spec, vectorizer=n_grams, **frozen),
        steps=800,
        floor_backbone=keras.Model(
            words, keras.layers.UnitNormalization()(words)
        ),
        floor_test=make(
            texts[test], intents[test], spec, vectorizer=tf_idf, **frozen
        ),
    )


def n_grams(texts, buckets=4096):
    """Return how often each piece of a word occurs, `[n, buckets]`."""
    counts = km.layers.HashedNGrams(buckets)(tf.constant(texts))
    return tf.cast(tf.minimum(counts, 255), "uint8")


def inverse_frequencies(counts):
    """Return a weight for each bucket: how few of the texts it occurs in."""
    texts = np.count_nonzero(counts, axis=0)
    return np.log((1 + len(counts)) / (1 + texts)).astype("float32")


def text_backbone(weights):
    """Bags of n-grams whose weights are learned, from those of tf-idf on."""
    counts = keras.Input(weights.shape)
    logs = keras.ops.log(keras.ops.maximum(counts, 1))
    bags = keras.ops.where(counts > 0, 1 + logs, 0)
    bags = keras.layers.Dropout(0.2)(bags)
    diagonal = keras.layers.EinsumDense("bi,i->bi", len(weights))
    bags = keras.layers.UnitNormalization()(diagonal(bags))
    diagonal.set_weights([weights])
    return keras.Model(counts, 2.6 * bags)


def heard_elsewhere(log_mel, seed):
    """Shift a recording in time and pitch, and change its loudness."""
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    shift = tf.random.stateless_uniform([], seeds[0], 0, 9, "int32")
    pitch = tf.random.stateless_uniform([], seeds[1], -2, 3, "int32")
    gain = tf.random.stateless_uniform([], seeds[2], -0.3, 0.3)
    shifted = tf.roll(log_mel, [shift, pitch], axis=[0, 1])
    return shifted + gain


def fsdd_waves(folder):
    """Return waveforms, labels (digit and speaker), and who is held out."""
    with np.load(folder / "fsdd/fsdd_wave_8k_i16.npz") as data:
        ends = data["offsets"]
        waves = np.split(data["samples"], ends[1:-1])
        speaker = data["speaker"]
        labels = data["digit"] + 10 * speaker
    return waves, labels, speaker >= 4


def log_mel():
    """Return a function from waveforms `[n, length]` to scaled energies."""
    layer = km.layers.LogMel(
        8000, frame_length=256, frame_step=128, fft_length=512, mel_bands=40
    )
    return lambda waves: (layer(waves)[..., None] + 8) / 4


def fsdd(folder, episodes):
    waves, labels, test = fsdd_waves(folder)

    def make(part, *args, **options):
        chosen = [wave for wave, keep in zip(waves, part) if keep]
        return km.episodes.episodes_from_waveforms(
            chosen,
            labels[part],
            *args,
            length=8320,
            transform=log_mel(),
            **options,
        )

    train = make(
        ~test,
        Spec(10, 1, 5),
        1,
        augment_support=heard_elsewhere,
        augment_query=heard_elsewhere,
    )
    frames = train.element_spec[0]["support_x"].shape[2:]
    return Domain(
        "Spoken digits, audio",
        "5-way 1-shot, unseen speakers",
        proto_net(km.backbones.conv4(tuple(frames), filters=32), 1200),
        train,
        make(test, Spec(5, 1, 15), 4, 1, episodes),
        steps=1200,
    )


def leaves100(folder, episodes):
    with np.load(folder / "leaves100/leaves100_features.npz") as data:
        parts = [data[name] for name in ("margin", "shape", "texture")]
    x = np.concatenate(parts, axis=-1).reshape(1600, -1)
    y = np.repeat(np.arange(100), 16)
    whole = np.isfinite(x).all(axis=1)
    x, y = x[whole], y[whole]
    splits = km.episodes.split_classes(y, {"train": 70, "test": 30})
    train, test = splits["train"], splits["test"]
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    make = km.episodes.episodes_from_arrays
    return Domain(
        "Leaves, table of 192 features",
        "5-way 1-shot, unseen species",
        proto_net(km.backbones.mlp((192,), 64, units=(256,)), 1000, 1e-3),
        make(x[train], y[train], Spec(20, 1, 5), 4),
        make(x[test], y[test], Spec(5, 1, 10), 4, 1, episodes),
        steps=1000,
    )


def uci_small(folder, episodes):
    with np.load(folder / "uci_small/uci_small.npz") as data:
        names = sorted({key.rsplit("__", 1)[0] for key in data})
        tables = {}
        for name in names:
            x, y = data[f"{name}__X"], data[f"{name}__y"]
            spread = x.std(axis=0)
            x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
            # As large as one another, whatever the number of columns.
            tables[name] = x / np.sqrt(x.shape[1]), y
    order = np.random.default_rng(0).permutation(len(names))
    spec = Spec(2, 5, 10, within_groups=True, small_classes="drop")
    make = km.episodes.episodes_from_tables
    train = {names[i]: tables[names[i]] for i in order[10:]}
    test = {names[i]: tables[names[i]] for i in order[:10]}
    width = max(x.shape[1] for x, _ in tables.values())
    # Columns of unrelated tables have nothing in common for deeper layers.
    network = km.backbones.mlp((width,), 2, units=())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Domain(
        "39 UCI tables",
        "2-way 5-shot, unseen tables",
        maml(network, 1500, 2.0, inner_steps=10, loss=loss),
        make(train, spec, 16, width=width),
        make(test, spec, 16, 1, episodes, width=width),
        steps=1500,
        ways=2,
    )


def regression(frame, target, group, held_out, spec, learner, **kwargs):
    """Return train, test and rows of a table whose groups are tasks."""
    features = kwargs.pop("features")
    episodes = kwargs.pop("episodes")
    columns = frame[features]
    train = ~held_out
    mean, spread = columns[train].mean(), columns[train].std()
    center, scale = frame[target][train].mean(), frame[target][train].std()
    targets = {target: (frame[target] - center) / scale}
    # Far outliers would throw a gradient step off.
    columns = ((columns - mean) / spread).clip(-3, 3)
    frame = frame.assign(**columns, **targets)
    arguments = dict(spec=spec, target=target, group=group, features=features)
    make = km.episodes.episodes_from_table
    rows = frame[train]
    return Domain(
        learner=learner,
        train=make(rows, batch_size=16, **arguments),
        test=make(
            frame[held_out],
            batch_size=16,
            seed=1,
            num_episodes=episodes,
            **arguments,
        ),
        rows=(
            rows[features].to_numpy("float32"),
            rows[target].to_numpy("float32")[:, None],
        ),
        scale=float(scale),
        **kwargs,
    )


def read_csv(path):
    import pandas

    return pandas.read_csv(path)


def aus_fertility(folder, episodes):
    frame = read_csv(folder / "grouped_regression/aus_fertility.csv.gz")
    # "Australia" is the sum of the others, and would give them away.
    frame = frame[frame.Region != "Australia"]
    frame = frame.assign(Age=frame.Age.astype(float))
    return regression(
        frame,
        "Rate",
        ["Region", "Year"],
        frame.Year >= 2008,
        Spec(shots=5, queries=25),
        maml(km.backbones.mlp((1,), 1, units=(40, 40)), 6000, 0.05),
        features=["Age"],
        episodes=episodes,
        title="Births by age, curves",
        task="5 points of a curve, unseen years",
        unit="births per 1,000",
        steps=6000,
    )


def parkinsons(folder, episodes):
    frame = read_csv(folder / "grouped_regression/parkinsons_updrs.csv.gz")
    # The sixteen measures of voice say much the same: one of each kind.
    features = ["test_time", "age", "sex", "HNR", "RPDE", "DFA", "PPE"]
    return regression(
        frame,
        "total_UPDRS",
        "subject#",
        frame["subject#"] > 30,
        Spec(shots=10, queries=40),
        maml(
            km.backbones.mlp((len(features),), 1, units=(64, 64)),
            3000,
            0.05,
            inner_steps=10,
        ),
        features=features,
        episodes=episodes,
        title="Parkinson's voices",
        task="10 recordings, unseen patients",
        unit="UPDRS",
        steps=3000,
    )


def movielens(folder, episodes):
    ratings = read_csv(folder / "movielens_small/ratings.csv")
    movies = genres(folder / "movielens_small/movies.csv")
    held_out = ratings.userId % 5 == 0
    known = ratings[~held_out].groupby("movieId").rating.agg(["sum", "count"])
    center = ratings[~held_out].rating.mean()
    # How well others like it, shrunk to the mean of all where few rated it.
    liked = (known["sum"] + 5 * center) / (known["count"] + 5) - center
    movies = movies.assign(
        liked=liked.reindex(movies.index).fillna(0.0),
        seen=np.log1p(known["count"].reindex(movies.index).fillna(0)) / 6,
    )
    scale = float(ratings[~held_out].rating.std())
    ratings = ratings.assign(rating=(ratings.rating - center) / scale)
    spec = Spec(shots=10, queries=10)
    make = km.episodes.episodes_from_ratings
    rows = ratings[~held_out]
    network = km.backbones.mlp((movies.shape[1],), 1, units=(64, 64))
    return Domain(
        "MovieLens, ratings",
        "10 ratings, unseen users",
        maml(network, 3000, 0.05),
        make(rows, spec, 16, item_features=movies),
        make(ratings[held_out], spec, 16, 1, episodes, item_features=movies),
        steps=3000,
        unit="stars",
        scale=scale,
        digits=3,
        rows=(
            movies.loc[rows.movieId].to_numpy("float32"),
            rows.rating.to_numpy("float32")[:, None],
        ),
        pooled_epochs=3,
    )


def genres(path):
    """Return a table of zeros and ones, movies by genres."""
    import pandas

    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({g for row in rows for g in row["genres"].split("|")})
    table = [[g in row["genres"].split("|") for g in names] for row in rows]
    ids = [int(row["movieId"]) for row in rows]
    return pandas.DataFrame(table, index=ids, columns=names).astype("float32")


DOMAINS = {
    "omniglot": omniglot,
    "clinc150": clinc150,
    "fsdd": fsdd,
    "leaves100": leaves100,
    "uci_small": uci_small,
    "aus_fertility": aus_fertility,
    "parkinsons": parkinsons,
    "movielens": movielens,
}
