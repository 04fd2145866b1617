#!/usr/bin/env python3
"""Trains the two small networks of `./dev demo` on Fashion-MNIST and writes them as ONNX.

    python3 -m venv /tmp/train && /tmp/train/bin/pip install jax==0.10.2 optax==0.2.8 onnx==1.19.0 onnxruntime==1.31.1
    /tmp/train/bin/python examples/models/train_fashion_cnn.py cnn examples/models/fashion_cnn.onnx
    /tmp/train/bin/python examples/models/train_fashion_cnn.py mlp examples/models/fashion_mlp.onnx

Needs the Debian package dataset-fashion-mnist. A stand-in until `bitwright train` exists; the program never uses it.
BatchNormalization stays a node of its own, so that folding it is visible.
"""
import argparse
import functools
import gzip
import os
import time

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import optax
from onnx import TensorProto, helper, numpy_helper

MEAN, STD = 0.2860, 0.3530
CHANNELS = (1, 16, 32, 64, 64)
WIDTHS = (784, 128, 64, 10)


def read_idx(path):
    """idx.gz: two zero bytes, type, rank, big-endian sizes, bytes."""
    with gzip.open(path) as f:
        data = f.read()
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def read_split(folder, split):
    x = read_idx(os.path.join(folder, split + "-images-idx3-ubyte.gz")).astype(np.float32)
    y = read_idx(os.path.join(folder, split + "-labels-idx1-ubyte.gz")).astype(np.int32)
    return ((x / 255 - MEAN) / STD)[:, None], y


# ---- the networks, as dictionaries of arrays under the names they get in the file

def he_normal(key, shape):
    return jax.random.normal(key, shape) * np.sqrt(2 / np.prod(shape[1:]))


def init_cnn(key):
    params, stats = {}, {}
    for i, (cin, cout) in enumerate(zip(CHANNELS, CHANNELS[1:]), 1):
        key, sub = jax.random.split(key)
        params[f"conv{i}.weight"] = he_normal(sub, (cout, cin, 3, 3))
        params[f"bn{i}.weight"], params[f"bn{i}.bias"] = jnp.ones(cout), jnp.zeros(cout)
        stats[f"bn{i}.running_mean"], stats[f"bn{i}.running_var"] = jnp.zeros(cout), jnp.ones(cout)
    params["fc.weight"] = he_normal(key, (10, CHANNELS[-1])) * 0.5
    params["fc.bias"] = jnp.zeros(10)
    return params, stats


def batch_norm(x, params, stats, name, train):
    mean, var = stats[f"{name}.running_mean"], stats[f"{name}.running_var"]
    if train:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        stats = {f"{name}.running_mean": 0.9 * stats[f"{name}.running_mean"] + 0.1 * mean,
                 f"{name}.running_var": 0.9 * stats[f"{name}.running_var"] + 0.1 * var}
    shape = (1, -1, 1, 1)
    scale = params[f"{name}.weight"] / jnp.sqrt(var + 1e-5)
    return (x - mean.reshape(shape)) * scale.reshape(shape) + params[f"{name}.bias"].reshape(shape), stats


def apply_cnn(params, stats, x, train):
    updated = dict(stats)
    for i in range(1, len(CHANNELS)):
        x = jax.lax.conv_general_dilated(x, params[f"conv{i}.weight"], (1, 1), "SAME",
                                         dimension_numbers=("NCHW", "OIHW", "NCHW"))
        x, moved = batch_norm(x, params, stats, f"bn{i}", train)
        updated.update({k: v for k, v in moved.items() if k.startswith(f"bn{i}.")})
        x = jax.nn.relu(x)
        if i < len(CHANNELS) - 1:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return x.mean((2, 3)) @ params["fc.weight"].T + params["fc.bias"], updated


def init_mlp(key):
    params = {}
    for i, (cin, cout) in enumerate(zip(WIDTHS, WIDTHS[1:]), 1):
        key, sub = jax.random.split(key)
        params[f"nn{i}.weight"], params[f"nn{i}.bias"] = he_normal(sub, (cout, cin)), jnp.zeros(cout)
    return params, {}


def apply_mlp(params, stats, x, train):
    del train
    x = x.reshape(len(x), -1)
    for i in range(1, len(WIDTHS)):
        x = x @ params[f"nn{i}.weight"].T + params[f"nn{i}.bias"]
        x = jax.nn.relu(x) if i + 1 < len(WIDTHS) else x
    return x, stats


# ---- training: AdamW, warm-up and cosine; for the CNN random flips and shifts by at most two pixels

def augment(x, rng):
    flip = rng.random(len(x)) < 0.5
    x = np.where(flip[:, None, None, None], x[..., ::-1], x)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=-MEAN / STD)
    dy, dx = rng.integers(0, 5, (2, len(x)))
    rows = dy[:, None, None] + np.arange(28)[None, :, None]
    cols = dx[:, None, None] + np.arange(28)[None, None, :]
    return padded[np.arange(len(x))[:, None, None], 0, rows, cols][:, None]


def train(init, apply, change, x, y, epochs, batch, peak, seed):
    params, stats = init(jax.random.key(seed))
    steps = epochs * (len(x) // batch)
    optimizer = optax.adamw(optax.warmup_cosine_decay_schedule(0, peak, steps // 20, steps), weight_decay=1e-2)
    state = optimizer.init(params)

    @jax.jit
    def step(params, stats, state, x, y):
        def loss(params):
            logits, moved = apply(params, stats, x, True)
            smooth = optax.smooth_labels(jax.nn.one_hot(y, 10), 0.05)
            return optax.softmax_cross_entropy(logits, smooth).mean(), moved
        (value, moved), grads = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), moved, state, value

    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        start, total, order = time.time(), 0.0, rng.permutation(len(x))
        for at in range(0, len(x) - batch + 1, batch):
            pick = order[at:at + batch]
            params, stats, state, value = step(params, stats, state, change(x[pick], rng), y[pick])
            total += float(value) * batch / len(x)
        print(f"epoch {epoch + 1}/{epochs}: loss {total:.4f}, {time.time() - start:.0f} s", flush=True)
    return {k: np.asarray(v) for k, v in {**params, **stats}.items()}


# ---- the files

def cnn_nodes():
    nodes, x = [], "x"
    for i in range(1, len(CHANNELS)):
        bn = [f"bn{i}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        nodes += [helper.make_node("Conv", [x, f"conv{i}.weight"], [f"conv{i}"], f"conv{i}", kernel_shape=[3, 3],
                                   pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1], group=1),
                  helper.make_node("BatchNormalization", [f"conv{i}", *bn], [f"bn{i}"], f"bn{i}", epsilon=1e-5),
                  helper.make_node("Relu", [f"bn{i}"], [f"relu{i}"], f"relu{i}")]
        x = f"relu{i}"
        if i < len(CHANNELS) - 1:
            nodes.append(helper.make_node("MaxPool", [x], [f"pool{i}"], f"pool{i}", kernel_shape=[2, 2], strides=[2, 2]))
            x = f"pool{i}"
    return nodes + [helper.make_node("GlobalAveragePool", [x], ["gap"], "gap"),
                    helper.make_node("Flatten", ["gap"], ["flat"], "flat", axis=1),
                    helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1)]


def mlp_nodes():
    gemm = functools.partial(helper.make_node, "Gemm", transB=1)
    return [helper.make_node("Flatten", ["x"], ["flat"], "flat", axis=1),
            gemm(["flat", "nn1.weight", "nn1.bias"], ["nn1"], "nn1"), helper.make_node("Relu", ["nn1"], ["relu"], "relu"),
            gemm(["relu", "nn2.weight", "nn2.bias"], ["nn2"], "nn2"), helper.make_node("Relu", ["nn2"], ["relu_1"], "relu_1"),
            gemm(["relu_1", "nn3.weight", "nn3.bias"], ["nn3"], "nn3")]


def write(path, name, nodes, weights):
    value = functools.partial(helper.make_tensor_value_info, elem_type=TensorProto.FLOAT)
    graph = helper.make_graph(nodes, name, [value("x", shape=["N", 1, 28, 28])],
                              [value(nodes[-1].output[0], shape=["N", 10])],
                              [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7,
                              producer_name="bitwright examples/models/train_fashion_cnn.py")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def evaluate(path, x, y):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    hits = sum(int((session.run(None, {"x": x[i:i + 500]})[0].argmax(1) == y[i:i + 500]).sum())
               for i in range(0, len(x), 500))
    print(f"{path}: {os.path.getsize(path)} bytes, Accuracy: {hits}/{len(x)} ({100 * hits / len(x):.2f} %) in ONNX Runtime")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=("cnn", "mlp"))
    parser.add_argument("output")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    x, y = read_split(args.data, "train")
    init, apply, change, nodes, peak = {"cnn": (init_cnn, apply_cnn, augment, cnn_nodes, 6e-3),
                                        "mlp": (init_mlp, apply_mlp, lambda x, _: x, mlp_nodes, 1e-3)}[args.network]
    weights = train(init, apply, change, x, y, args.epochs, 128, peak, args.seed)
    write(args.output, "fashion_" + args.network, nodes(), weights)
    evaluate(args.output, *read_split(args.data, "t10k"))


if __name__ == "__main__":
    main()
