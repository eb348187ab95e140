"""The server, over loopback."""

import concurrent.futures
import contextlib
import json
import threading
import time

import httpx
import keras
import numpy as np
import pytest
import tensorflow as tf
import uvicorn

import kerasmeta as km
from kerasmeta.serving import Limits
from kerasmeta.serving import make_app

LIMITS = Limits(max_users=20, max_examples=30, max_bytes=20_000)
SUPPORT = {"support_x": [[0.0, 1.0], [2.0, 3.0]], "support_y": [0, 1]}
EPISODES = {
    "support_x": tf.zeros([1, 4, 2]),
    "support_y": tf.zeros([1, 4], "int32"),
    "query_x": tf.zeros([1, 4, 2]),
}
QUERY = {"query_x": [[0.5, 1.5]]}


@contextlib.contextmanager
def serving(folder, limits=LIMITS):
    """Serve in a thread, and give a client."""
    config = uvicorn.Config(
        make_app(folder, limits), host="127.0.0.1", port=0, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=60
        ) as client:
            yield client
    finally:
        # A thread that goes on would keep Python from ending.
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """The SavedModel of a gradient learner, whose state is its weights."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("maml")
    learner = km.learners.MAML(
        km.backbones.mlp((1,), 1, units=(8,)),
        inner_learning_rate=0.05,
        inner_steps=1,
        inner_loss="mse",
    )
    learner.export(folder, km.tasks.Sinusoid(5, 6).episodes(1))
    return folder


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """The SavedModel of a learner of classes."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("proto_net")
    learner = km.learners.ProtoNet(km.backbones.mlp((2,), 4, units=()))
    learner.export(folder, EPISODES)
    return folder


@pytest.fixture(scope="module")
def client(classes):
    with serving(classes) as client:
        yield client


def adapt(client, support):
    response = client.post("/adapt", json=support)
    assert response.status_code == 200, response.text
    return response.json()["user"]


def predict(client, user, query):
    response = client.post("/predict_query", json={"user": user, **query})
    assert response.status_code == 200, response.text
    return np.array(response.json()["predictions"], "float32")


def test_users_at_once_get_what_direct_calls_give(curves):
    family = km.tasks.Sinusoid(5, 6).episodes(1, num_episodes=16)
    tasks = [{k: t[0].numpy() for k, t in x.items()} for x, _ in family]
    model = tf.saved_model.load(str(curves))
    # Where one fails, the others wait no longer.
    barrier = threading.Barrier(len(tasks), timeout=60)

    def ask(client, task):
        support = {k: task[k].tolist() for k in ("support_x", "support_y")}
        barrier.wait()
        user = adapt(client, support)
        barrier.wait()  # All are there before one is asked for.
        parts = np.split(task["query_x"], 3)
        answers = [
            predict(client, user, {"query_x": part.tolist()}) for part in parts
        ]
        return user, np.concatenate(answers)

    with serving(curves) as client:
        with concurrent.futures.ThreadPoolExecutor(len(tasks)) as pool:
            asked = [pool.submit(ask, client, task) for task in tasks]
            users, answers = zip(*[future.result() for future in asked])
    assert len(set(users)) == len(tasks)
    for task, answer in zip(tasks, answers):
        expected = model.serve(*(task[k] for k in SUPPORT), task["query_x"])
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-6)
    assert np.ptp(answers, axis=0).min() > 0.01, "the tasks are all the same"


def test_no_more_requests_than_that_are_answered_at_once(classes, monkeypatch):
    inside, most = set(), []
    pair = threading.Barrier(2, timeout=60)

    def parse(body):
        inside.add(threading.get_ident())
        pair.wait()  # Both of them are here,
        time.sleep(0.05)  # and there is time for others to come.
        most.append(len(inside))
        pair.wait()
        inside.discard(threading.get_ident())
        return {"user": "nobody"}

    monkeypatch.setattr("kerasmeta.serving.app.parse", parse)
    with serving(classes, Limits(max_requests=2)) as client:
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            asked = [
                pool.submit(client.post, "/forget", json={}) for _ in range(6)
            ]
    assert [future.result().status_code for future in asked] == [404] * 6
    assert most == [2] * 6


def test_says_what_it_takes(client):
    described = client.get("/model").json()
    assert described["adapt"] == {
        "support_x": {"shape": [None, 2], "dtype": "float32"},
        "support_y": {"shape": [None], "dtype": "int32"},
    }
    assert described["predict_query"]["query_x"]["shape"] == [None, 2]
    assert described["limits"]["max_examples"] == 30


BAD_SUPPORT = {
    "wrong shape": ({"support_x": [[1.0], [2.0]]}, "must have shape [null, 2]"),
    "too deep": ({"support_x": [[[1.0] * 2] * 2]}, "Received: [1, 2, 2]"),
    "ragged": ({"support_x": [[1.0, 2.0], [3.0]]}, "must have shape [null, 2]"),
    "strings": ({"support_x": [["a", "b"]] * 2}, "must hold numbers"),
    "booleans": ({"support_x": [[True, 0.0]] * 2}, "Received: ['bool']"),
    "nothing": ({"support_x": [[None, 0.0]] * 2}, "must hold numbers"),
    "no list": ({"support_x": {"a": 1}}, "must have shape"),
    "float labels": ({"support_y": [0.0, 1.0]}, "must hold integers"),
    "large labels": ({"support_y": [0, 2**40]}, "int32 cannot hold"),
    "NaN": ({"support_x": [[float("nan"), 0.0]] * 2}, "NaN or infinity"),
    "overflow": ({"support_x": [[1e300, 0.0]] * 2}, "NaN or infinity"),
    "large number": (
        {"support_x": [[10**400, 0.0]] * 2},
        "float32 cannot hold",
    ),
    "negative label": ({"support_y": [-1, 0]}, "from 0, 30 at most"),
    "too many classes": ({"support_y": [0, 30]}, "from 0, 30 at most"),
    "other number": ({"support_y": [0]}, "as many of each"),
    "too many": (
        {"support_x": [[0.0, 0.0]] * 31, "support_y": [0] * 31},
        "1 to 30 examples",
    ),
    "no examples": ({"support_x": [], "support_y": []}, "must have shape"),
    "more": ({"path": "/etc/passwd"}, "Received: ['path', 'support_x'"),
}


@pytest.mark.parametrize("case", BAD_SUPPORT)
def test_bad_support_sets_are_refused(client, case):
    change, reason = BAD_SUPPORT[case]
    text = json.dumps({**SUPPORT, **change})
    headers = {"Content-Type": "application/json"}
    response = client.post("/adapt", content=text, headers=headers)
    assert response.status_code == 422
    assert reason in response.json()["detail"]


def test_a_model_of_three_classes_takes_no_others(tmp_path):
    network = km.backbones.mlp((2,), 4, units=())
    km.learners.R2D2(network, ways=3).export(tmp_path, EPISODES)
    with serving(tmp_path) as client:
        values = {**SUPPORT, "support_y": [0, 3]}
        response = client.post("/adapt", json=values)
        assert response.status_code == 422
        assert "from 0, 3 at most" in response.json()["detail"]
        assert adapt(client, {**SUPPORT, "support_y": [0, 2]})


@pytest.mark.parametrize(
    "body, kind, status, reason",
    [
        (b"{", "application/json", 400, "must be JSON"),
        (b"\xff", "application/json", 400, "must be JSON"),
        (b"[" * 10_000, "application/json", 400, "must be JSON"),
        (b"9" * 10_000, "application/json", 400, "must be JSON"),
        (b"[]", "application/json", 400, "JSON object, not list"),
        (b"{}", "text/plain", 415, "application/json"),
        (b" " * 20_001, "application/json", 413, "20000 bytes"),
    ],
)
def test_bad_bodies_are_refused(client, body, kind, status, reason):
    for path in ("/adapt", "/predict_query", "/forget"):
        headers = {"Content-Type": kind}
        response = client.post(path, content=body, headers=headers)
        assert response.status_code == status
        assert reason in response.json()["detail"]


def test_a_large_body_is_refused_before_it_has_come(client):
    def endless():
        for _ in range(10):
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    response = client.post("/adapt", content=endless(), headers=headers)
    assert response.status_code == 413


@pytest.mark.parametrize(
    "values, status, reason",
    [
        ({"user": "guess", **QUERY}, 404, "adapt again"),
        ({**QUERY}, 422, "a field `user`"),
        ({"user": 3, **QUERY}, 422, "a field `user`"),
    ],
)
def test_unknown_users_are_refused(client, values, status, reason):
    response = client.post("/predict_query", json=values)
    assert response.status_code == status
    assert reason in response.json()["detail"]


def test_bad_queries_are_refused(client):
    user = adapt(client, SUPPORT)
    for query, reason in (
        ({"query_x": [[1.0]]}, "must have shape [null, 2]"),
        ({"query_x": [[0.0, 0.0]] * 31}, "1 to 30 examples"),
        ({"query_x": [[3e38, 3e38]]}, "Predicting these queries failed"),
        ({}, "must have the fields ['query_x']"),
        ({**QUERY, "prototypes": [[0.0]]}, "must have the fields"),
    ):
        values = {"user": user, **query}
        response = client.post("/predict_query", json=values)
        assert response.status_code == 422
        assert reason in response.json()["detail"]
    assert predict(client, user, QUERY).shape == (1, 2)


def test_what_tensorflow_refuses_is_a_bad_request(tmp_path):
    words = keras.Sequential(
        [
            keras.Input((1,), dtype="int32"),
            keras.layers.Embedding(5, 4),
            keras.layers.Flatten(),
        ]
    )
    numbers = tf.zeros([1, 4, 1], "int32")
    labels = tf.zeros([1, 4], "int32")
    km.learners.ProtoNet(words).export(
        tmp_path,
        {"support_x": numbers, "support_y": labels, "query_x": numbers},
    )
    support = {"support_x": [[0], [5]], "support_y": [0, 1]}
    with serving(tmp_path) as client:
        response = client.post("/adapt", json=support)
        assert response.status_code == 422
        assert "larger than those that it knows" in response.json()["detail"]
        assert adapt(client, {**support, "support_x": [[0], [4]]})


def test_users_that_did_not_ask_for_longest_are_forgotten(classes):
    with serving(classes, Limits(max_users=2)) as client:
        first, second = adapt(client, SUPPORT), adapt(client, SUPPORT)
        predict(client, first, QUERY)
        third = adapt(client, SUPPORT)
        predict(client, first, QUERY)
        predict(client, third, QUERY)
        values = {"user": second, **QUERY}
        assert client.post("/predict_query", json=values).status_code == 404
        assert client.post("/forget", json={"user": first}).status_code == 200
        assert client.post("/forget", json={"user": first}).status_code == 404
        values = {"user": first, **QUERY}
        assert client.post("/predict_query", json=values).status_code == 404
        predict(client, third, QUERY)


def test_states_take_no_more_memory_than_that(curves):
    """Those of MAML have the weights, 25 numbers."""
    support = {"support_x": [[0.0], [1.0]], "support_y": [[0.0], [1.0]]}
    query = {"query_x": [[0.5]]}
    with serving(curves, Limits(max_state_bytes=299)) as client:
        assert client.get("/model").json()["state_bytes"] == 100
        first, second = adapt(client, support), adapt(client, support)
        third = adapt(client, support)
        values = {"user": first, **query}
        assert client.post("/predict_query", json=values).status_code == 404
        predict(client, second, query)
        predict(client, third, query)
        # There is room again.
        client.post("/forget", json={"user": third})
        adapt(client, support)
        predict(client, second, query)
    with pytest.raises(ValueError, match="room for.*takes 100 bytes"):
        make_app(curves, Limits(max_state_bytes=99))


def test_states_that_are_too_large_are_refused(classes):
    with serving(classes, Limits(max_state_bytes=100)) as client:
        assert client.get("/model").json()["state_bytes"] is None
        user = adapt(client, SUPPORT)
        support = {**SUPPORT, "support_y": [0, 99]}
        response = client.post("/adapt", json=support)
        assert response.status_code == 422
        assert "may take 100 bytes" in response.json()["detail"]
        predict(client, user, QUERY)


def test_other_saved_models_are_refused(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(ValueError, match="`learner.export"):
        make_app(tmp_path)


def test_limits_are_checked():
    with pytest.raises(ValueError, match="max_users=0"):
        Limits(max_users=0)
