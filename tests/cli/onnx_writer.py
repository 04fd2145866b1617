# ONNX models in a few lines of protobuf, without any package: the tests break them in ways that no tool would.
import struct


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while True:
        out += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return out


def field(number, value):
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


def i64(*values):
    return struct.pack(f"<{len(values)}q", *values)


FLOAT, INT64 = 1, 7


def tensor(name, dims, raw=b"", kind=FLOAT, external=None):
    out = b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name)
    if external is None:
        return out + field(9, raw)
    return out + b"".join(field(13, field(1, k) + field(2, str(v))) for k, v in external.items()) + field(14, 1)


def attribute(name, value):
    if isinstance(value, int):
        return field(5, field(1, name) + field(3, value) + field(20, 2))
    return field(5, field(1, name) + b"".join(field(8, v) for v in value) + field(20, 7))


def node(op, inputs, outputs, *attributes, name=None, domain=""):
    return (b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
            + field(3, name or outputs[0]) + field(4, op) + b"".join(attributes) + (field(7, domain) if domain else b""))


def value(name, dims, kind=FLOAT):
    shape = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def model(path, nodes, inputs, outputs, tensors=(), opset=13):
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, t) for t in tensors)
             + b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs))
    with open(path, "wb") as file:
        file.write(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, opset)))
