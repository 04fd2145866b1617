"""./dev results interchange: quantized files between this program and ONNX Runtime, both ways, in every style; written to
docs/results/interchange.md. Exits 1 when a line is unmet or ../shared is absent.

Written here: QDQ, QOperator and dynamic files are loaded by ONNX Runtime and give its classes. Read here: files made by
onnxruntime.quantization fold without a node left over, run in integers and give the classes that ONNX Runtime gives.
Environment as for main-job.py. Inputs come from our own readers (an identity network and `evaluate --outputs`), so that only
arithmetic is compared.
"""
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

PROGRAM = os.environ["BITWRIGHT"]
DATA = pathlib.Path(os.environ["BITWRIGHT_SHARED"]) / "data"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="interchange-"))
LINES = []  # (case, required, measured, met)
RECORDS = 1000  # of CIFAR-10's test records

CIFAR = "scale = 0.00392156862745098\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n"
MOBILENET = "resize = 256\ncrop = 224\nscale = 0.00784313725490196\nmean = [1, 1, 1]\nlabel_offset = 1\n"
SQUEEZENET = "resize = 256\ncrop = 224\nchannels = \"bgr\"\nmean = [104, 117, 123]\n"
Network = collections.namedtuple("Network", "file calibration data select options shape observer")
NETWORKS = {
    "ResNet-20": Network("cifar10/resnet20_cifar10.onnx", f"cifar10:{DATA}/cifar10/train.bin", f"cifar10:{DATA}/cifar10/test.bin",
                         f"0:{RECORDS}", CIFAR, (3, 32, 32), "minmax"),
    "SqueezeNet": Network("onnx/squeezenet1_1.onnx", f"images:{DATA}/imagenet200", f"images:{DATA}/imagenet200", "0:200", SQUEEZENET,
                          (3, 224, 224), "minmax"),
    "MobileNetV2": Network("onnx/mobilenet_v2.onnx", f"images:{DATA}/imagenet200", f"images:{DATA}/imagenet200", "0:200", MOBILENET,
                           (3, 224, 224), "auto"),
}


def program(*args):
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    return done


def line(case, required, measured, met):
    LINES.append((case, required, measured, met))
    print(f"{'met ' if met else 'UNMET'} | {case} | required {required} | measured {measured}", flush=True)


def options_of(name):
    path = WORK / f"{name}.toml"
    path.write_text(NETWORKS[name].options)
    return path


def inputs_of(name):
    path = WORK / f"{name}.npz"
    if not path.exists():
        ports = [helper.make_tensor_value_info(v, TensorProto.FLOAT, ["N", *NETWORKS[name].shape]) for v in "xy"]
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ports[:1], ports[1:])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), WORK / "identity.onnx")
        program("evaluate", WORK / "identity.onnx", "--data", NETWORKS[name].data, "--select", NETWORKS[name].select, "--data-options",
                options_of(name), "--outputs", path)
    return np.load(path)["y"]


def theirs(model, x):
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 3
    session_options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(model), session_options, providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    return np.concatenate([session.run(None, {port.name: x[i:i + 1]})[0].reshape(1, -1).argmax(-1) for i in range(len(x))])


def compared(case, name, model, share_needed=99, agreement_needed=99.5):
    n = NETWORKS[name]
    where = ["--data", n.data, "--select", n.select, "--data-options", options_of(name)]
    program("evaluate", model, *where, "--predictions", WORK / "classes.txt", "--batch", 1)
    ours = np.loadtxt(WORK / "classes.txt", dtype=np.int64)
    other = theirs(model, inputs_of(name))
    agreement = 100 * np.mean(ours == other)
    document = json.loads(program("compare", model, "--data", n.data, "--select", "0:1", "--data-options", options_of(name), "--json").stdout)
    share = 100 * document["models"][-1]["integer_share"]
    left = [l for l in program("inspect", model).stderr.splitlines() if "Linear" in l or "Integer" in l]
    line(case, f"top-1 agreement at least {agreement_needed} %, {share_needed} % of multiply-adds in integers, nothing left unfolded",
         f"{agreement:.2f} % of {len(ours)}, {share:.1f} % in integers, {len(left)} nodes left",
         agreement >= agreement_needed and share >= share_needed and not left)


def operators(model):
    counts = collections.Counter(n.op_type for n in onnx.load(model, load_external_data=False).graph.node)
    return ", ".join(f"{n} {op}" for op, n in sorted(counts.items()) if op.startswith(("QLinear", "QGemm", "Quantize", "Dequantize", "Dynamic")) or
                     op.endswith("Integer"))


def written(name):
    n, source = NETWORKS[name], DATA / NETWORKS[name].file
    for style in ("qdq", "qoperator"):
        out = WORK / f"{name}.{style}.onnx"
        program("quantize", source, "-o", out, "--style", style, "--data", n.calibration, "--select", "0:128", "--data-options",
                options_of(name), "--observer", n.observer)
        compared(f"{name} written as {style} ({operators(out)})", name, out)
    out = WORK / f"{name}.dynamic.onnx"
    program("quantize", source, "-o", out, "--mode", "dynamic", "--operators", "Conv", "--operators", "Gemm", "--operators", "MatMul")
    compared(f"{name} written as dynamic ({operators(out)})", name, out, agreement_needed=99)


class Reader(CalibrationDataReader):
    def __init__(self, model, x):
        port = onnxruntime.InferenceSession(str(model)).get_inputs()[0].name
        self.at = iter({port: x[i:i + 1]} for i in range(len(x)))

    def get_next(self):
        return next(self.at, None)


# Not Softmax: of an opset 11 file (SqueezeNet) their tool writes one along the wrong axis, whose codes overflow.
QUANTIZED = ["Add", "AveragePool", "Clip", "Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "MatMul", "MaxPool", "Mul", "Relu", "Reshape"]


def read(name):
    source, x = DATA / NETWORKS[name].file, inputs_of(name)[:64]
    kinds = {"u8 x s8 per channel": (QuantType.QUInt8, QuantType.QInt8, True), "u8 x u8": (QuantType.QUInt8, QuantType.QUInt8, False),
             "s8 x s8 per channel": (QuantType.QInt8, QuantType.QInt8, True)}
    for kind, (activations, weights, per_channel) in kinds.items():
        out = WORK / "theirs.onnx"
        quantize_static(str(source), str(out), Reader(source, x), quant_format=QuantFormat.QOperator, per_channel=per_channel,
                        activation_type=activations, weight_type=weights, op_types_to_quantize=QUANTIZED)
        compared(f"{name} by quantize_static, QOperator, {kind}", name, out)
    quantize_dynamic(str(source), str(WORK / "theirs.onnx"), weight_type=QuantType.QUInt8)
    compared(f"{name} by quantize_dynamic", name, WORK / "theirs.onnx", agreement_needed=99)


def attempt(case, f, *args):
    try:
        f(*args)
    except Exception as error:  # a line that cannot be measured is unmet, and says why
        line(case, "", f"not measured: {str(error)[:300]}", False)


def main():
    if not DATA.is_dir():
        sys.exit(f"{DATA} is absent: nothing can be measured")
    for name in sys.argv[1:] or NETWORKS:
        attempt(f"{name} written", written, name)
        attempt(f"{name} read", read, name)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    text = ["# Quantized files to and from ONNX Runtime", "",
            f"Written by `./dev results interchange` from commit {commit}, ONNX Runtime {onnxruntime.__version__}.", "",
            "| case | required | measured | met |", "|---|---|---|---|"]
    text += [f"| {case} | {required} | {measured} | {'yes' if met else '**no**'} |" for case, required, measured, met in LINES]
    if not sys.argv[1:]:
        pathlib.Path("docs/results/interchange.md").write_text("\n".join(text) + "\n")
    sys.exit(0 if all(met for *_, met in LINES) else 1)


main()
