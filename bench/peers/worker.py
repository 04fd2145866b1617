"""One peer with one network in a process of its own: loads, then answers each line "SECONDS" on standard input with a line of
JSON about the runs in that time, as `bitwright bench --bursts` does. Used by inference.py; `python worker.py ENGINE MODEL BATCH THREADS LENGTH`.

Best settings of each peer: ONNX Runtime with all graph optimisations and spinning threads; OpenVINO with the latency hint and
pinned threads, bf16 where the engine's name says so; LiteRT with XNNPACK, its default. Inputs and outputs are bound once, so
that what Python adds to a run is a few microseconds (the least of the ways to call each).
"""
import json
import re
import statistics
import sys
import time

import numpy as np

RUNS_AT_LEAST = 5


def random_input(name, dtype, shape, rng):
    """What the networks here take: masks are ones, sentence types 0, words below 100, a rate without a shape 16000."""
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(shape).astype(dtype)
    if not len(shape):
        return np.array(16000, dtype)
    return (np.ones(shape) if "mask" in name else np.zeros(shape) if "type" in name else rng.integers(0, 100, shape)).astype(dtype)


def extents(shape, batch, length):
    """Numbers for what is free: a first axis that is named like a batch, or unnamed, is the batch; all others the length."""
    free = lambda i, d: not isinstance(d, int) or d <= 0
    return [(batch if i == 0 else length) if free(i, d) else d for i, d in enumerate(shape)]


def onnxruntime_runner(model, batch, threads, length, rng):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8}
    feed = {}
    for port in session.get_inputs():
        shape = [batch if isinstance(d, str) and re.search(r"(?i)^(n|b|batch.*)$", d) else d for d in port.shape]
        feed[port.name] = random_input(port.name, types[port.type], extents(shape, batch, length), rng)
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
    for port, value in zip(session.get_outputs(), session.run(None, feed)):  # which have the same shape in every run
        binding.bind_ortvalue_output(port.name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
    return lambda: session.run_with_iobinding(binding)


def openvino_runner(model, batch, threads, length, rng, precision):
    import openvino
    core = openvino.Core()
    network = core.read_model(model)
    shapes = {}
    for port in network.inputs:
        shape = [d.get_length() if d.is_static else -1 for d in port.get_partial_shape()]
        named = [str(d) for d in port.get_partial_shape()]
        shapes[port] = [batch if d < 0 and (i == 0 or re.search("(?i)batch", named[i])) else length if d < 0 else d
                        for i, d in enumerate(shape)]
        if len(shape) == 3 and shape[1] < 0:  # a state [layers, batch, width]
            shapes[port][1] = batch
    network.reshape(shapes)
    compiled = core.compile_model(network, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
                                                   "ENABLE_CPU_PINNING": True, "INFERENCE_PRECISION_HINT": precision})
    request = compiled.create_infer_request()
    for port in compiled.inputs:
        value = random_input(port.get_any_name(), port.get_element_type().to_dtype(), tuple(port.get_shape()), rng)
        request.set_tensor(port, openvino.Tensor(np.ascontiguousarray(value)))
    return lambda: request.infer(share_outputs=True)


def litert_runner(model, batch, threads, rng):
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(model_path=model, num_threads=threads)
    port = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(port["index"], [batch, *port["shape"][1:]])
    interpreter.allocate_tensors()
    if np.issubdtype(port["dtype"], np.floating):
        data = random_input("", port["dtype"], [batch, *port["shape"][1:]], rng)
    else:
        data = rng.integers(0, 100, [batch, *port["shape"][1:]]).astype(port["dtype"])
    interpreter.set_tensor(port["index"], data)
    return interpreter.invoke


def runner(engine, model, batch, threads, length):
    rng = np.random.default_rng(0)
    if engine.startswith("onnxruntime"):
        return onnxruntime_runner(model, batch, threads, length, rng)
    if engine.startswith("openvino"):
        return openvino_runner(model, batch, threads, length, rng, "bf16" if "bf16" in engine else "f32")
    return litert_runner(model, batch, threads, rng)


def main():
    engine, model, batch, threads, length = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    run = runner(engine, model, batch, threads, length)
    for _ in range(3):
        run()
    print("{}", flush=True)
    for line in sys.stdin:
        end, times = time.perf_counter() + float(line), []
        while time.perf_counter() < end or len(times) < RUNS_AT_LEAST:
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        print(json.dumps({"median_ms": statistics.median(times), "runs": len(times)}), flush=True)


if __name__ == "__main__":
    main()
