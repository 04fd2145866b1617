"""Small random-weight graphs of ResNeXt, GoogLeNet, InceptionV3, ShuffleNetV2 and a vision transformer (mission.md A2.22)
with the operators of the published networks as exporters write them: batch normalisation unfolded, dropout kept, fewer
channels, fewer blocks, smaller pictures. The first dimension of input and output is the symbol N.

    python make_zoo.py NAME OUT.onnx     (needs the packages onnx and numpy; float.py calls build())
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A graph in the making: op() adds a node and returns its output's name."""

    def __init__(self, name, opset, size):
        self.name, self.opset, self.size = name, opset, size
        self.rng = np.random.default_rng(sum(name.encode()))
        self.nodes, self.constants, self.channels = [], [], {"input": 3}

    def const(self, array):
        array = np.asarray(array)
        self.constants.append(numpy_helper.from_array(array, f"w{len(self.constants)}"))
        return self.constants[-1].name

    def normal(self, shape, std):
        return self.const((self.rng.standard_normal(shape) * std).astype(np.float32))

    def op(self, kind, *inputs, outputs=1, **attributes):
        made = [f"{kind}_{len(self.nodes)}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=made[0], **attributes))
        for name in made:
            self.channels[name] = self.channels.get(inputs[0]) if inputs else None
        return made[0] if outputs == 1 else made

    def axes(self, kind, x, axes, **attributes):
        """Squeeze, Unsqueeze: the axes are an input since opset 13; ReduceMean: since 18."""
        since = 18 if kind == "ReduceMean" else 13
        if self.opset >= since:
            return self.op(kind, x, self.const(np.array(axes, np.int64)), **attributes)
        return self.op(kind, x, axes=axes, **attributes)

    def conv(self, x, cout, k, stride=1, pad=None, groups=1, bias=False):
        kh, kw = (k, k) if isinstance(k, int) else k
        ph, pw = (kh // 2, kw // 2) if pad is None else (pad, pad) if isinstance(pad, int) else pad
        cin = self.channels[x]
        w = self.normal((cout, cin // groups, kh, kw), (2 / (cin // groups * kh * kw)) ** 0.5)
        y = self.op("Conv", x, w, *([self.normal(cout, 0.05)] if bias else []), kernel_shape=[kh, kw],
                    pads=[ph, pw, ph, pw], strides=[stride, stride], group=groups, dilations=[1, 1])
        self.channels[y] = cout
        return y

    def batch_norm(self, x, epsilon=1e-5):
        c = self.channels[x]
        uniform = lambda low, high: self.const(self.rng.uniform(low, high, c).astype(np.float32))
        y = self.op("BatchNormalization", x, uniform(0.7, 1.3), self.normal(c, 0.1), self.normal(c, 0.1), uniform(0.6, 1.4),
                    epsilon=epsilon)
        return y

    def conv_bn(self, x, *args, epsilon=1e-5, relu=True, **kwargs):
        y = self.batch_norm(self.conv(x, *args, **kwargs), epsilon)
        return self.op("Relu", y) if relu else y

    def concat(self, *parts, axis=1):
        y = self.op("Concat", *parts, axis=axis)
        self.channels[y] = sum(self.channels[p] for p in parts)
        return y

    def linear(self, x, cin, cout):
        return self.op("Gemm", x, self.normal((cout, cin), cin ** -0.5), self.normal(cout, 0.05), transB=1)

    def model(self, result, classes):
        value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, self.name, [value("input", ["N", 3, self.size, self.size])],
                                  [value(result, ["N", classes])], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=7)
        onnx.checker.check_model(model, full_check=True)
        return model


def resnext():
    """ResNeXt-50 32x4d: bottlenecks with grouped 3x3 convolutions (here 8 groups), residual additions."""
    n = Net("resnext", 13, 64)
    x = n.conv_bn("input", 32, 7, stride=2)
    x = n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for stage, blocks in enumerate((2, 2, 2)):
        width, cout = 32 << stage, 64 << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = n.conv_bn(x, width, 1)
            y = n.conv_bn(y, width, 3, stride=stride, groups=8)
            y = n.conv_bn(y, cout, 1, relu=False)
            short = x if n.channels[x] == cout and stride == 1 else n.conv_bn(x, cout, 1, stride=stride, relu=False)
            x = n.op("Relu", n.op("Add", y, short))
    x = n.op("Flatten", n.op("GlobalAveragePool", x), axis=1)
    return n.model(n.linear(x, 256, 100), 100)


def googlenet():
    """GoogLeNet as its authors gave it: local response normalisation, ceil-mode pooling, biases, Dropout, opset 9."""
    n = Net("googlenet", 9, 64)
    relu = lambda x: n.op("Relu", x)
    conv = lambda x, *args, **kwargs: relu(n.conv(x, *args, bias=True, **kwargs))
    # ceil_mode exists from opset 10; Caffe's rounding up is written as padding at the end
    pool = lambda x: n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])
    lrn = lambda x: n.op("LRN", x, size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def inception(x, c1, c3r, c3, c5r, c5, pooled):
        parts = [conv(x, c1, 1), conv(conv(x, c3r, 1), c3, 3), conv(conv(x, c5r, 1), c5, 5),
                 conv(n.op("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4), pooled, 1)]
        return n.concat(*parts)

    x = lrn(pool(conv("input", 16, 7, stride=2)))
    x = pool(lrn(conv(conv(x, 16, 1), 48, 3)))
    x = inception(x, 16, 24, 32, 4, 8, 8)
    x = inception(x, 32, 32, 48, 8, 24, 16)
    x = inception(pool(x), 48, 24, 52, 4, 12, 16)
    x = inception(x, 64, 40, 80, 8, 32, 32)
    c = n.channels[x]
    x = n.op("AveragePool", x, kernel_shape=[4, 4], strides=[1, 1])
    x = n.op("Reshape", n.op("Dropout", x, ratio=0.4), n.const(np.array([-1, c], np.int64)))
    return n.model(n.op("Softmax", n.linear(x, c, 100), axis=1), 100)


def inception_v3():
    """Inception V3 as torchvision exports it: input transformed per channel, factorised 1x7, 7x1, 1x3, 3x1 convolutions,
    average pools that count the padding and that do not, epsilon 0.001, opset 13."""
    n = Net("inception_v3", 13, 95)

    def cbr(x, *args, **kwargs):
        return n.conv_bn(x, *args, epsilon=1e-3, **kwargs)

    def average(x, count):
        return n.op("AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4, count_include_pad=count, ceil_mode=0)

    def pool(x):
        return n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=0)

    def block_a(x, pooled):
        return n.concat(cbr(x, 16, 1), cbr(cbr(x, 12, 1), 16, 5), cbr(cbr(cbr(x, 16, 1), 24, 3), 24, 3),
                        cbr(average(x, 1), pooled, 1))

    def block_b(x):
        return n.concat(cbr(x, 48, 3, stride=2, pad=0), cbr(cbr(cbr(x, 16, 1), 24, 3), 24, 3, stride=2, pad=0), pool(x))

    def block_c(x, c7):
        b7 = cbr(cbr(cbr(x, c7, 1), c7, (1, 7)), 48, (7, 1))
        d7 = cbr(cbr(cbr(cbr(cbr(x, c7, 1), c7, (7, 1)), c7, (1, 7)), c7, (7, 1)), 48, (1, 7))
        return n.concat(cbr(x, 48, 1), b7, d7, cbr(average(x, 0), 48, 1))

    def block_d(x):
        b7 = cbr(cbr(cbr(cbr(x, 48, 1), 48, (1, 7)), 48, (7, 1)), 48, 3, stride=2, pad=0)
        return n.concat(cbr(cbr(x, 48, 1), 80, 3, stride=2, pad=0), b7, pool(x))

    def block_e(x):
        y, z = cbr(x, 64, 1), cbr(cbr(x, 72, 1), 64, 3)
        split = lambda v: n.concat(cbr(v, 64, (1, 3)), cbr(v, 64, (3, 1)))
        return n.concat(cbr(x, 80, 1), split(y), split(z), cbr(average(x, 1), 48, 1))

    channels = []
    for c, (scale, shift) in enumerate(((0.458, -0.03), (0.448, -0.088), (0.45, -0.188))):
        v = n.axes("Unsqueeze", n.op("Gather", "input", n.const(np.array(c, np.int64)), axis=1), [1])
        v = n.op("Add", n.op("Mul", v, n.const(np.float32(scale))), n.const(np.float32(shift)))
        n.channels[v] = 1
        channels.append(v)
    x = cbr(cbr(cbr(n.concat(*channels), 8, 3, stride=2, pad=0), 8, 3, pad=0), 16, 3)
    x = pool(cbr(cbr(pool(x), 20, 1), 48, 3, pad=0))
    x = block_b(block_a(block_a(x, 8), 16))
    x = block_d(block_c(block_c(x, 32), 40))
    x = block_e(x)
    c = n.channels[x]
    x = n.op("Dropout", n.op("GlobalAveragePool", x), n.const(np.float32(0.5)))
    return n.model(n.linear(n.op("Flatten", x, axis=1), c, 100), 100)


def shufflenet_v2():
    """ShuffleNet V2 1.0x as torchvision exports it with a dynamic batch: channel split, depthwise convolutions without
    activation, channel shuffle by Reshape and Transpose with the batch read from Shape, opset 11."""
    n = Net("shufflenet_v2", 11, 64)

    def shuffle(x, size):
        c = n.channels[x]
        batch = n.axes("Unsqueeze", n.op("Gather", n.op("Shape", x), n.const(np.array(0, np.int64)), axis=0), [0])
        shape = lambda *rest: n.op("Concat", batch, *[n.const(np.array([v], np.int64)) for v in rest], axis=0)
        y = n.op("Transpose", n.op("Reshape", x, shape(2, c // 2, size, size)), perm=[0, 2, 1, 3, 4])
        y = n.op("Reshape", y, shape(-1, size, size))
        n.channels[y] = c
        return y

    def depthwise(x, stride=1):
        return n.conv_bn(x, n.channels[x], 3, stride=stride, groups=n.channels[x], relu=False)

    def unit(x, size):
        half = n.channels[x] // 2
        left, right = n.op("Split", x, outputs=2, axis=1, split=[half, half])
        n.channels[left] = n.channels[right] = half
        return shuffle(n.concat(left, n.conv_bn(depthwise(n.conv_bn(right, half, 1)), half, 1)), size)

    def unit_down(x, cout, size):
        left = n.conv_bn(depthwise(x, 2), cout // 2, 1)
        right = n.conv_bn(depthwise(n.conv_bn(x, cout // 2, 1), 2), cout // 2, 1)
        return shuffle(n.concat(left, right), size)

    x = n.op("MaxPool", n.conv_bn("input", 24, 3, stride=2), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for cout, size, units in ((48, 8, 2), (96, 4, 2), (192, 2, 1)):
        x = unit_down(x, cout, size)
        for _ in range(units):
            x = unit(x, size)
    x = n.axes("ReduceMean", n.conv_bn(x, 256, 1), [2, 3], keepdims=0)
    return n.model(n.linear(x, 256, 100), 100)


def vision_transformer():
    """A vision transformer as PyTorch exports it before LayerNormalization and Gelu were operators (opset 14): both, and
    the attention, written as small operators; class token, learned positions."""
    n, width, heads, patch = Net("vision_transformer", 14, 32), 64, 4, 8
    tokens, scalar = (32 // patch) ** 2, lambda v: n.const(np.float32(v))

    def norm(x):
        d = n.op("Sub", x, n.op("ReduceMean", x, axes=[-1]))
        variance = n.op("ReduceMean", n.op("Pow", d, scalar(2)), axes=[-1])
        y = n.op("Div", d, n.op("Sqrt", n.op("Add", variance, scalar(1e-6))))
        gamma = n.const(n.rng.uniform(0.7, 1.3, width).astype(np.float32))
        return n.op("Add", n.op("Mul", y, gamma), n.normal(width, 0.1))

    def dense(x, cin, cout):
        return n.op("Add", n.normal(cout, 0.05), n.op("MatMul", x, n.normal((cin, cout), cin ** -0.5)))

    def attention(x):
        qkv = n.op("Reshape", dense(x, width, 3 * width), n.const(np.array([0, -1, 3, heads, width // heads], np.int64)))
        qkv = n.op("Transpose", qkv, perm=[2, 0, 3, 1, 4])
        q, k, v = (n.op("Gather", qkv, n.const(np.array(i, np.int64)), axis=0) for i in range(3))
        root = scalar((width // heads) ** -0.25)
        scores = n.op("MatMul", n.op("Mul", q, root), n.op("Mul", n.op("Transpose", k, perm=[0, 1, 3, 2]), root))
        y = n.op("Transpose", n.op("MatMul", n.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        y = n.op("Reshape", y, n.const(np.array([0, -1, width], np.int64)))
        return dense(y, width, width)

    def gelu(x):
        return n.op("Mul", n.op("Mul", x, n.op("Add", n.op("Erf", n.op("Div", x, scalar(2 ** 0.5))), scalar(1))), scalar(0.5))

    x = n.conv("input", width, patch, stride=patch, pad=0, bias=True)
    x = n.op("Transpose", n.op("Reshape", x, n.const(np.array([0, width, tokens], np.int64))), perm=[0, 2, 1])
    batch = n.axes("Unsqueeze", n.op("Gather", n.op("Shape", x), n.const(np.array(0, np.int64)), axis=0), [0])
    shape = n.op("Concat", batch, n.const(np.array([1, width], np.int64)), axis=0)
    token = n.op("Expand", n.normal((1, 1, width), 0.5), shape)
    x = n.op("Add", n.op("Concat", token, x, axis=1), n.normal((1, tokens + 1, width), 0.3))
    for _ in range(2):
        x = n.op("Add", x, attention(norm(x)))
        x = n.op("Add", x, dense(gelu(dense(norm(x), width, 4 * width)), 4 * width, width))
    x = n.op("Gather", norm(x), n.const(np.array(0, np.int64)), axis=1)
    return n.model(n.linear(x, width, 100), 100)


NETWORKS = {f.__name__: f for f in (resnext, googlenet, inception_v3, shufflenet_v2, vision_transformer)}


def build(name, path):
    onnx.save(NETWORKS[name](), str(path))


if __name__ == "__main__":
    build(sys.argv[1], sys.argv[2])
