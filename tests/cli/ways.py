# One small network per operator that can be quantized without calibration data: matmul.onnx, gemm.onnx, conv.onnx, lstm.onnx,
# gru.onnx, rnn.onnx, gather.onnx.
import random

from onnx_writer import FLOAT, INT64, attribute, f32, model, node, tensor, value

rng = random.Random(1)


def weights(name, *dims):
    count = 1
    for d in dims:
        count *= d
    return tensor(name, dims, f32(*[rng.gauss(0, 0.3) for _ in range(count)]))


def one(name, op, *attributes, tensors, x, y, kind=FLOAT, more=()):
    inputs = ["w", "x"] if op == "Gather" else ["x"] + [t for t, _ in tensors]
    model(name + ".onnx", [node(op, inputs, ["y", *more], *attributes, name=name)], [value("x", x, kind)], [value("y", y)],
          [t for _, t in tensors], opset=14)


def with_names(**shapes):
    return [(name, weights(name, *dims)) for name, dims in shapes.items()]


one("matmul", "MatMul", tensors=with_names(w=(64, 16)), x=["N", 64], y=["N", 16])
one("gemm", "Gemm", attribute("transB", 1), tensors=with_names(w=(16, 64), b=(16,)), x=["N", 64], y=["N", 16])
one("conv", "Conv", attribute("kernel_shape", [3, 3]), attribute("pads", [1] * 4), tensors=with_names(w=(8, 4, 3, 3), b=(8,)),
    x=["N", 4, 8, 8], y=["N", 8, 8, 8])
for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    one(op.lower(), op, attribute("hidden_size", 16), tensors=with_names(w=(1, gates * 16, 64), r=(1, gates * 16, 16), b=(1, gates * 32)),
        x=["T", "N", 64], y=["T", 1, "N", 16])
one("gather", "Gather", attribute("axis", 0), tensors=with_names(w=(50, 64)), x=["N", "T"], y=["N", "T", 64], kind=INT64)
