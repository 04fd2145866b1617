"""The integers of every layer beside ONNX Runtime's fused ones, for files that our program writes with the profile `ort`."""
import collections
import json
import os
import shutil
import subprocess

import networks
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import lines as common

MEANING = ("Each element of the codes that both engines compute between two layers, from the same photographs, is compared. ONNX Runtime gives all of them in one "
           "run, fused (QLinearConv and its like), as further outputs of the file; ours is asked for each, decoded, by the part of the file that leads to it.")
NETWORKS = ("resnet20", "resnet18", "resnet50", "mobilenet_v2", "squeezenet", "efficientnet_b0", "fastestdet", "yunet")
SHARE = 99.99
RECORDS = 4


Place = collections.namedtuple("Place", "codes decoded scale zero")


def places(graph):
    """The codes between layers, and the DequantizeLinear that reads each."""
    constants = {t.name: t for t in graph.initializer}
    readers = {node.input[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    made = [node.output[0] for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] not in constants]
    return [Place(codes, readers[codes].output[0], *(numpy_helper.to_array(constants[name]) for name in readers[codes].input[1:3]))
            for codes in made if codes in readers]


def with_outputs(model, names):
    """The same network that gives these codes besides."""
    traced = onnx.ModelProto()
    traced.CopyFrom(model)
    zeros = {node.output[0]: node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    types = {t.name: t.data_type for t in model.graph.initializer}
    traced.graph.output.extend(helper.make_tensor_value_info(name, types[zeros[name]], None) for name in names)
    return traced


def part(model, name):
    """What leads from the inputs to one value."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.node[:], cut.graph.output[:], cut.graph.initializer[:]
    makers = {output: node for node in model.graph.node for output in node.output}
    needed, waiting = set(), [name]
    while waiting:
        value = waiting.pop()
        if value not in needed:
            needed.add(value)
            waiting += makers[value].input if value in makers else []
    cut.graph.node.extend(node for node in model.graph.node if node.output[0] in needed)
    cut.graph.initializer.extend(t for t in model.graph.initializer if t.name in needed)
    cut.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return cut


def inputs_of(name, model, settings):
    """Photographs as our reader prepares them for this network, by an identity network; the input's name, the batch it takes."""
    port = model.graph.input[0]
    shape = [d.dim_value for d in port.type.tensor_type.shape.dim]
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape[1:]]), helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "K"])]
    graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "identity", ports[:1], ports[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), settings.work / "identity.onnx")
    wanted = networks.NETWORKS[name].quantize[:4]  # --data and its options
    common.bitwright("evaluate", settings.work / "identity.onnx", *wanted, "--select", f"first {RECORDS}", "--outputs", settings.work / "pixels.npz")
    return port.name, np.load(settings.work / "pixels.npz")["y"].reshape(-1, *shape[1:]), shape[0] or RECORDS


def theirs(model, names, port, x, batch):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(with_outputs(model, names).SerializeToString(), options, providers=["CPUExecutionProvider"])
    parts = [session.run(names, {port: x[i:i + batch]}) for i in range(0, len(x), batch)]
    return [np.concatenate([p[k] for p in parts]) for k in range(len(parts[0]))]


def ours(model, name, data, batch, settings):
    onnx.save(part(model, name), settings.work / "part.onnx")
    values = settings.work / "part.npz"
    _, shown = common.bitwright("evaluate", settings.work / "part.onnx", "--data", f"npz:{data}", "--batch", batch, "--outputs", values,
                                work=settings.work)
    return np.load(values)[name], shown


def compare(name, settings, lines):
    model = onnx.load(networks.quantized_file(name, settings.work))
    layers, (port, x, batch) = places(model.graph), inputs_of(name, model, settings)
    data = settings.work / f"{name}.exact.npz"
    np.savez(data, **{port: x})
    same = total = 0
    first = ""
    for place, codes in zip(layers, theirs(model, [place.codes for place in layers], port, x, batch)):
        got, shown = ours(model, place.decoded, data, batch, settings)
        equal = int(np.sum(got == (codes.astype(np.float32) - np.float32(place.zero)) * place.scale))
        if equal < codes.size and not first:
            first = f", first {codes.size - equal} in {place.codes}"
        same, total = same + equal, total + codes.size
    share = 100 * same / total
    lines.add(f"{name}, codes of {len(layers)} layers", f"at least {SHARE} % equal", f"{share:.5f} %: {total - same} of {total} differ{first}",
              share >= SHARE, shown)


def exact(settings, lines):
    for name in NETWORKS:
        if not settings.networks or name in settings.networks:
            lines.attempt(f"{name}, codes", f"at least {SHARE} % equal", lambda: compare(name, settings, lines))


MEANING_BITS = ("Whole networks, quantized on noise, on every instruction set of this machine, with 1, 2 and 3 threads, alone and in a batch of 8: all outputs "
                "have the same bits (float steps in our own loops). The reference computes one record once.")
BITS = ("resnet18", "resnet50", "efficientnet_b0", "mobilenet_v2", "minilm_1x128")


def same_bits(settings, lines):
    """By the microbenchmark that checks it before it times compiling (bench/api/exactness_bench.cpp)."""
    for name in BITS:
        if settings.networks and name not in settings.networks:
            continue

        def measure():
            folder = settings.work / f"bits_{name}"
            folder.mkdir(exist_ok=True)
            shutil.copy(networks.float_file(name, settings.work), folder / f"this_{networks.stem(name)}.onnx")
            program = os.environ["BITWRIGHT_BENCH"].replace("bench_kernels", "bench_api")
            command = [program, "--benchmark_filter=B9_exact.*/this_", "--benchmark_format=json", "--benchmark_min_time=0.001"]
            done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "BITWRIGHT_NETWORKS": str(folder)})
            if done.returncode != 0:
                raise RuntimeError((done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1])
            [case] = json.loads(done.stdout)["benchmarks"]
            bad = case.get("error_message")
            lines.add(f"{networks.stem(name)}, bits", "equal", bad or f"equal: {case['label']}", not bad, f"BITWRIGHT_NETWORKS={folder.name} ./dev bench B9_exact")

        lines.attempt(f"{networks.stem(name)}, bits", "equal", measure)
