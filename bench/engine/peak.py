"""Shares of the machine's int8 peak: whole networks, single products and convolutions, microkernels."""
import json
import os
import statistics
import subprocess

import networks
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import lines as common

MEANING = ("Multiply-adds per second of a run by what all threads together reach in a stream of the best multiply instruction alone: the "
           "most that `bitwright bench` measured in any of the processes. In brackets the range over processes.")
MEANING_LAYERS = ("The same of single steps (`bench --layers`): products of n x n x n codes, codes in and codes out; all 3x3 "
                  "convolutions of ResNet-50 together.")
MEANING_MICRO = ("One thread, all operands in the L1 cache, results checked against the reference before. `loop` is the multiply loop: what a long K takes "
                 "more than a short one; `whole` a small product with the way from sums to codes, which at such K bounds it.")

NETWORKS = (("resnet50", 1, 77), ("resnet50", 8, 80), ("mobilenet_v2", 1, 40))
PRODUCTS, PRODUCT_SHARE = (512, 768, 1024, 2048), 92
CONVOLUTION_SHARE, MICRO_SHARE = 85, 97


def spread(values):
    return f"{statistics.median(values):.1f} % ({min(values):.1f} ... {max(values):.1f})"


def peak_of(rounds):
    """The machine's: what else runs on it can only take from a measurement."""
    return max(r["machine"]["macs_per_second"] for r in rounds)


def bench(model, settings, *more):
    """The first entry of `bitwright bench`, once per round, and the command."""
    command = ["bench", model, "--threads", settings.threads, "--seconds", settings.seconds, *more]
    rounds = [common.bitwright(*command, work=settings.work) for _ in range(settings.rounds)]
    return [document["bench"][0] for document, _ in rounds], rounds[0][1]


def network(name, batch, required, settings, lines):
    rounds, command = bench(networks.quantized_file(name, settings.work), settings, "--batch", batch)
    peak = peak_of(rounds)
    shares = [100 * r["peak_share"] * r["machine"]["macs_per_second"] / peak for r in rounds]
    ms = statistics.median(r["median_ms"] for r in rounds)
    lines.add(f"{name}, batch {batch}", f"at least {required} % of the peak",
              f"{spread(shares)}, {ms:.3g} ms; the peak is {peak / 1e9:.0f} G multiply-adds/s ({rounds[0]['machine']['isa']})",
              statistics.median(shares) >= required, command)


def networks_of(settings):
    return [entry for entry in NETWORKS if not settings.networks or entry[0] in settings.networks]


def product_file(n, settings):
    """[N, n] x [n, n], quantized with what normal numbers need."""
    made = settings.work / f"gemm_{n}.int8.onnx"
    if made.exists():
        return made
    rng = np.random.default_rng(n)
    weights = numpy_helper.from_array((rng.standard_normal((n, n)) / n ** 0.5).astype(np.float32), "w")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", n]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], name="product")], "gemm", ports[:1], ports[1:], [weights])
    source = settings.work / f"gemm_{n}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), source)
    np.savez(settings.work / f"gemm_{n}.npz", x=rng.standard_normal((64, n)).astype(np.float32))
    networks.run(networks.PROGRAM, "quantize", source, "-o", made, "--data", f"npz:{settings.work}/gemm_{n}.npz", "--quiet")
    return made


def step_share(rounds, chosen):
    """% of the peak of the chosen steps together, per round."""
    shares = []
    for r in rounds:
        steps = [layer for layer in r["layers"] if chosen(layer["step"])]
        macs, us = sum(s["macs"] for s in steps), sum(s["us"] for s in steps)
        shares.append(100 * macs / (us * 1e-6) / peak_of(rounds))
    return shares


def product(n, settings, lines):
    rounds, command = bench(product_file(n, settings), settings, "--batch", n, "--layers")
    shares = step_share(rounds, lambda step: "product" in step)
    lines.add(f"product {n} x {n} x {n}", f"at least {PRODUCT_SHARE} % of the peak", spread(shares),
              statistics.median(shares) >= PRODUCT_SHARE, command)


def convolutions(settings, lines):
    model = networks.quantized_file("resnet50", settings.work)
    rounds, command = bench(model, settings, "--layers")
    square = {node.name for node in onnx.load(model).graph.node if node.op_type == "Conv" and
              list(next(a for a in node.attribute if a.name == "kernel_shape").ints) == [3, 3]}
    shares = step_share(rounds, lambda step: any(f"'{name}'" in step for name in square))
    lines.add(f"{len(square)} 3x3 convolutions of resnet50", f"at least {CONVOLUTION_SHARE} % of the peak", spread(shares),
              statistics.median(shares) >= CONVOLUTION_SHARE, command)


def microkernel_shares(settings):
    """Name of the instruction set's L1 cases: % of the peak, per round. The peak is the most that any process measured."""
    program = os.environ["BITWRIGHT_BENCH"]
    command = [program, "--benchmark_filter=B2_", "--benchmark_format=json", "--benchmark_min_time=0.005"]
    rounds = []
    for _ in range(settings.rounds):
        document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for case in document["benchmarks"]:
            if case.get("error_occurred"):
                raise RuntimeError(f"{case['name']}: {case['error_message']}")
        rounds.append({case["name"].removesuffix("/manual_time"): case for case in document["benchmarks"] if "of_peak" in case})
    shares = {}
    for name in rounds[0]:
        kernel = name.split("/")[1]
        peak = max(case["MAC/s"] / case["of_peak"] for cases in rounds for other, case in cases.items() if other.split("/")[1] == kernel)
        shares[name] = [100 * cases[name]["MAC/s"] / peak for cases in rounds]
    return shares


def whole(settings, lines):
    for name, batch, required in networks_of(settings):
        lines.attempt(f"{name}, batch {batch}", f"at least {required} % of the peak",
                      lambda: network(name, batch, required, settings, lines))


def layers(settings, lines):
    for n in PRODUCTS:
        lines.attempt(f"product {n} x {n} x {n}", f"at least {PRODUCT_SHARE} % of the peak", lambda: product(n, settings, lines))
    lines.attempt("3x3 convolutions of resnet50", f"at least {CONVOLUTION_SHARE} % of the peak", lambda: convolutions(settings, lines))


def microkernels(settings, lines):
    required = f"at least {MICRO_SHARE} % of the peak"

    def measure():
        shares = microkernel_shares(settings)
        if not shares:
            raise RuntimeError("no microbenchmark knows the peak of this machine")
        for name, values in shares.items():
            whole_case, three_instructions = "_whole/" in name, "_avx2/" in name
            judged = not whole_case and not three_instructions
            wanted = required if judged else "none: codes included" if whole_case else "none: its peak leaves out two instructions of three"
            measured = f"{max(values):.1f} % (from {min(values):.1f}, median {statistics.median(values):.1f})"
            lines.add(name, wanted, measured, max(values) >= MICRO_SHARE if judged else None, "./dev bench B2_")

    lines.attempt("microkernels", required, measure)
