# Writes one broken model per way to be broken into the current folder; bad_models.sh says what each must be answered.
import math
import os

from onnx_writer import FLOAT, INT64, attribute, f32, i64, model, node, tensor, value

x, y, w = value("x", ["N", 4]), value("y", ["N", 2]), tensor("w", [4, 2], f32(*range(1, 9)))


def matmul(path, *tensors, inputs=(x,), outputs=(y,), more=(), made="y", **options):
    model(path, [node("MatMul", ["x", "w"], [made], name="fc"), *more], inputs, outputs, tensors, **options)


def one(path, op, *attributes, extra=(), shape=("N", 4), out=("A", "B"), domain=""):
    inputs = ["x"] + [f"e{i}" for i in range(len(extra))]
    tensors = [tensor(f"e{i}", dims, raw, kind) for i, (dims, raw, kind) in enumerate(extra)]
    model(path, [node(op, inputs, ["y"], *attributes, name="op", domain=domain)], [value("x", shape)], [value("y", out)], tensors)


def conv(path, *attributes, channels=1, weights=f32(*range(9))):
    one(path, "Conv", *attributes, extra=[([1, 1, 3, 3], weights, FLOAT)], shape=[1, channels, 8, 8], out=[1, 1, "h", "w"])


def ints(*values):
    return ([len(values)], i64(*values), INT64)


open("empty.onnx", "wb").close()
with open("text.onnx", "w") as file:
    file.write("this is no model\n")
os.mkdir("folder.onnx")

# graphs
model("cycle.onnx", [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])], [x], [y])
matmul("no_weights.onnx")
matmul("no_maker.onnx", w, made="z")
matmul("made_twice.onnx", w, more=[node("MatMul", ["x", "w"], ["y"], name="again")])
matmul("no_outputs.onnx", w, outputs=())
matmul("control_characters.onnx", w, more=[node("Relu", ["\n\x1b[31mred"], ["z"])])
one("unknown_operator.onnx", "Frobnicate", out=["N", 4])
one("unknown_domain.onnx", "Relu", out=["N", 4], domain="acme.ops")

# shapes that lie
matmul("short_data.onnx", tensor("w", [1000, 1000], f32(1)))
matmul("long_data.onnx", tensor("w", [2, 2], f32(*range(9))))
matmul("wrong_inner.onnx", tensor("w", [3, 2], f32(*range(6))))
matmul("unknown_type.onnx", tensor("w", [4, 2], f32(*range(8)), kind=77))
conv("wrong_channels.onnx", channels=2)
conv("zero_stride.onnx", attribute("strides", [0, 0]))

# absurd dimensions
matmul("negative.onnx", tensor("w", [-4, 2], f32(*range(8))))
matmul("huge.onnx", tensor("w", [1 << 62, 8]))
matmul("overflow.onnx", tensor("w", [1 << 32, 1 << 32]))
matmul("rank.onnx", tensor("w", [1] * 5000, f32(1)))
one("fill.onnx", "Expand", extra=[ints(1 << 40, 1, 4)], out=["A", "B", "C"])
one("tile.onnx", "Tile", extra=[ints(1 << 40, 1 << 20)])
one("tile_wraps.onnx", "Tile", extra=[ints(1 << 62, 4)])
one("pad.onnx", "Pad", extra=[ints(0, 1 << 50, 0, 0)])
one("blocks.onnx", "DepthToSpace", attribute("blocksize", 1 << 32), shape=[1, 4, 2, 2], out=["a", "b", "c", "d"])
one("big_input.onnx", "Relu", shape=[1 << 24, 1 << 24], out=[1 << 24, 1 << 24])
conv("conv_pads.onnx", attribute("pads", [1 << 40, 1, 1, 1]))

# legal, but one run would take gigabytes; legal, but its names are escape sequences
one("gigabytes.onnx", "Resize", attribute("antialias", 0), extra=[([0], b"", FLOAT), ([0], b"", FLOAT), ints(1 << 22, 3, 13, 5)],
    shape=["N", 3, 8, 8], out=["a", "b", "c", "d"])
model("red.onnx", [node("MatMul", ["\x1b[31mred\n", "w"], ["y"], name="a\n\x1b[31mb\x07")], [value("\x1b[31mred\n", ["N", 4])], [y], [w])

# values
matmul("nan.onnx", tensor("w", [4, 2], f32(1, 2, 3, math.nan, 5, 6, 7, 8)))
matmul("inf.onnx", tensor("w", [4, 2], f32(1, 2, 3, math.inf, 5, 6, 7, 8)))

# external data
os.mkdir("sub")
with open("secret.bin", "wb") as file:
    file.write(bytes(32))
os.symlink("../secret.bin", "sub/link.bin")


def external(path, **entries):
    matmul(path, tensor("w", [4, 2], external=entries))


external("sub/escape.onnx", location="../secret.bin")
external("sub/link.onnx", location="link.bin")
external("absolute.onnx", location=os.path.abspath("secret.bin"))
external("gone.onnx", location="gone.bin")
external("beyond.onnx", location="secret.bin", offset=16, length=32)
external("far.onnx", location="secret.bin", offset=(1 << 63) - 8, length=32)
external("before.onnx", location="secret.bin", offset=-8, length=32)
external("words.onnx", location="secret.bin", offset="many")
external("nowhere.onnx", offset=0)
matmul("overlap.onnx", tensor("w", [2, 2], external={"location": "secret.bin", "offset": 8, "length": 16}),
       tensor("v", [4, 2], external={"location": "secret.bin"}))
