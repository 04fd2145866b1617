"""Referee for Resize: cases with ONNX Runtime's results, one per line, as tests/ops/resize_test.cpp reads them.

    resize.py SEED COUNT > tests/ops/resize_cases.txt

The committed file is a part of `resize.py 13 8000`: the small cases that coordinates in double get wrong, a few of each kind,
and one of each kind that they get right.


A line: mode, coordinates, nearest_mode, exclude_outside, antialias, policy, "scales" or "sizes", two numbers of them (hexadecimal
floats), height and width of x[1,1,h,w] with x[i] = i * 37 % 101, roi (four numbers), height and width of y, y.
"""
import random
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]
NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
SCALES = [1 / 3, 0.6, 0.7, 1.7, 0.5, 2, 3, 0.1, 0.9, 1.1, 4 / 3, 2.5, 1.2, 2 / 3, 0.4, 1.5, 1.0]


def case(rng):
    mode = rng.choice(["nearest", "nearest", "linear", "cubic"])
    coordinates = rng.choice(COORDINATES + (["tf_half_pixel_for_nn"] if mode == "nearest" else []))
    antialias = int(mode != "nearest" and coordinates != "tf_crop_and_resize" and rng.random() < 0.2)
    exclude = int(mode == "cubic" and rng.random() < 0.3)
    shape = [rng.randint(1, 15), rng.randint(1, 15)]
    by_size = rng.random() < 0.4
    policy = rng.choice(["not_larger", "not_smaller"]) if by_size and rng.random() < 0.3 else "stretch"
    if by_size:
        numbers = [rng.randint(1, 24), rng.randint(1, 24)]
    else:
        numbers = [np.float32(rng.choice(SCALES) if rng.random() < 0.7 else rng.uniform(0.1, 3)) for _ in shape]
    roi = [round(rng.uniform(-0.2, 0.4), 2), round(rng.uniform(-0.2, 0.4), 2), round(rng.uniform(0.6, 1.2), 2), round(rng.uniform(0.6, 1.2), 2)]
    return mode, coordinates, rng.choice(NEAREST), exclude, antialias, policy, by_size, numbers, shape, roi


def answer(c):
    mode, coordinates, nearest, exclude, antialias, policy, by_size, numbers, shape, roi = c
    attributes = dict(mode=mode, coordinate_transformation_mode=coordinates, exclude_outside=exclude, antialias=antialias,
                      keep_aspect_ratio_policy=policy, axes=[2, 3], extrapolation_value=-7.0)
    if mode == "nearest":
        attributes["nearest_mode"] = nearest
    constants = [helper.make_tensor("roi", TensorProto.FLOAT, [4], roi),
                 helper.make_tensor("sizes", TensorProto.INT64, [2], numbers) if by_size
                 else helper.make_tensor("scales", TensorProto.FLOAT, [2], numbers)]
    node = helper.make_node("Resize", ["x", "roi", "", "sizes"] if by_size else ["x", "roi", "scales"], ["y"], **attributes)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1] + shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = (np.arange(shape[0] * shape[1]) * 37 % 101).astype(np.float32).reshape([1, 1] + shape)
    return session.run(None, {"x": x})[0]


def main():
    ort.set_default_logger_severity(4)
    rng = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        c = case(rng)
        try:
            y = answer(c)
        except Exception:  # an output of no elements, a combination that ONNX Runtime refuses
            continue
        mode, coordinates, nearest, exclude, antialias, policy, by_size, numbers, shape, roi = c
        if y.size > 400 or y.size == 0:
            continue
        number = "%d" if mode == "nearest" else "%.9g"
        print(mode, coordinates, nearest, exclude, antialias, policy, "sizes" if by_size else "scales",
              *[float(n).hex() for n in numbers], *shape, *roi, *y.shape[2:], *[number % v for v in y.ravel()])


main()
