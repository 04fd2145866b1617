# branches.onnx: y = c ? x W : x - W, with the int8 codes of W in the outer graph and a DequantizeLinear in each branch
from onnx_writer import f32, field, model, node, tensor, value

BOOL, INT8 = 9, 3


def branch(key, op):
    nodes = [node("DequantizeLinear", ["codes", "scale"], [f"w_{op}"]), node(op, ["x", f"w_{op}"], [f"y_{op}"])]
    graph = b"".join(field(1, n) for n in nodes) + field(2, key) + field(12, value(f"y_{op}", [2, 2]))
    return field(5, field(1, key) + field(6, graph) + field(20, 5))


model("branches.onnx", [node("If", ["c"], ["y"], branch("then_branch", "MatMul"), branch("else_branch", "Sub"))],
      [value("c", [], BOOL), value("x", [2, 2])], [value("y", [2, 2])],
      [tensor("codes", [2, 2], bytes([1, 2, 3, 250]), INT8), tensor("scale", [], f32(0.5))])
