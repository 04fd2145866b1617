"""bench/peers/layers.py: one int8 network layer by layer beside the profiles of ONNX Runtime and OpenVINO (engine.md, B4).

    ./dev peers --layers [NETWORK...] [--seconds S] [--threads T]

A row is a convolution or product of the file; what an engine computes in the same step (rectifiers, sums, tables) counts there,
everything else in the last row. Engines name their steps after the file's nodes or the values that these give; what cannot be found by either
has a dash. Profiling costs each engine something: figures are for where time goes, not for who is faster (that is ./dev peers).
"""
import collections
import json
import pathlib
import re
import statistics
import time

import lines
import networks
import numpy as np
import onnx
import worker

LINEAR = ("Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger")


def linear_nodes(model):
    """Name of each layer: all names by which an engine may call its step."""
    graph = onnx.load(model).graph
    readers = collections.defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    found = {}
    for node in graph.node:
        if node.op_type in LINEAR:
            names, value = {node.name, node.output[0]}, node.output[0]
            while len(readers[value]) == 1:  # what is fused may carry the name of its last part
                follower = readers[value][0]
                if follower.op_type in LINEAR or follower.op_type == "DequantizeLinear":
                    break
                value = follower.output[0]
                names |= {follower.name, value}
            found[node.name or node.output[0]] = names - {""}
    return found


def inputs_for(ports, length):
    """(name, type, shape) of each input: values that every network here takes, batch 1."""
    rng = np.random.default_rng(0)
    return {name: worker.random_input(name, dtype, worker.extents(shape, 1, length), rng) for name, dtype, shape in ports}


def ours(model, settings, length):
    command = ["bench", model, "--layers", "--threads", settings.threads, "--seconds", settings.seconds]
    document, _ = lines.bitwright(*command, *(["--length", length] if length else []))
    return [(step["step"], step["us"]) for step in document["bench"][0]["layers"]]


def repeat(run, seconds):
    end = time.perf_counter() + seconds
    runs = 0
    while time.perf_counter() < end or runs < 10:
        run()
        runs += 1
    return runs


def onnxruntime_steps(model, settings, length, work):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.log_severity_level = 3
    options.enable_profiling = True
    options.profile_file_prefix = str(work / "onnxruntime")
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8}
    feed = inputs_for([(p.name, types[p.type], p.shape) for p in session.get_inputs()], length)
    repeat(lambda: session.run(None, feed), settings.seconds)
    events = json.loads(pathlib.Path(session.end_profiling()).read_text())
    times = collections.defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[event["name"].removesuffix("_kernel_time")].append(event["dur"])
    return [(name, statistics.median(values)) for name, values in times.items()]


def openvino_steps(model, settings, length, _):
    import openvino
    core = openvino.Core()
    network = core.read_model(model)
    ports = [(p.get_any_name(), p.get_element_type().to_dtype(), [d.get_length() if d.is_static else -1 for d in p.get_partial_shape()])
             for p in network.inputs]
    feed = inputs_for(ports, length)
    network.reshape({name: value.shape for name, value in feed.items()})
    compiled = core.compile_model(network, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": settings.threads, "PERF_COUNT": True})
    request = compiled.create_infer_request()
    times = collections.defaultdict(list)

    def run():
        request.infer(feed)
        for step in request.get_profiling_info():
            if step.status == step.Status.EXECUTED:
                times[step.node_name].append(step.real_time.total_seconds() * 1e6)

    repeat(run, settings.seconds)
    return [(name, statistics.median(values)) for name, values in times.items()]


def by_layer(steps, layers):
    """Microseconds per layer; under None what belongs to none."""
    us = collections.defaultdict(float)
    for name, took in steps:
        plain = re.sub(r"(_token_\d+|/WithoutBiases|/fq_.*)$", "", name)  # what ONNX Runtime and OpenVINO add to names
        names_in_it = {plain, *re.split("[ ',]", plain)}
        us[next((layer for layer, names in layers.items() if names & names_in_it), None)] += took
    return us


def show(name, settings, work):
    network = networks.NETWORKS[name]
    model, length = networks.quantized_file(name, work), network.length
    layers = linear_nodes(model)
    engines = {"bitwright": by_layer(ours(model, settings, length), layers)}
    for engine, steps in (("onnxruntime", onnxruntime_steps), ("openvino", openvino_steps)):
        try:
            engines[engine] = by_layer(steps(model, settings, length or 1, work), layers)
        except Exception as error:
            print(f"{name}: {engine} cannot run it: {error}")
    print(f"{name}, batch 1, {settings.threads} threads, microseconds per layer")
    print(f"{'layer':44}", *(f"{engine:>12}" for engine in engines))
    for layer in [*layers, None]:
        times = [us.get(layer) for us in engines.values()]
        print(f"{layer or '(everything else)':44.44}", *(f"{t:12.1f}" if t is not None else f"{'-':>12}" for t in times))
    print(f"{'all':44}", *(f"{sum(us.values()):12.1f}" for us in engines.values()), flush=True)
