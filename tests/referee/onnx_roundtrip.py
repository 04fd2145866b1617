"""Referee for the ONNX exporter: every model that we wrote is accepted by onnx.checker and gives ONNX Runtime the outputs
of the original, bit for bit.

    onnx_roundtrip.py PAIRS...     each PAIR is ORIGINAL:WRITTEN

The pairs come from test_io_onnx run with BITWRIGHT_KEEP=1 TEST_TMPDIR=FOLDER/: the shared models and, in FOLDER,
old_forms_NAME.onnx:old_forms_NAME_OPSET.onnx for every operator whose form changed.
"""
import sys

import numpy as np
import onnx
import onnxruntime as ort


def feed_for(session, rng):
    feed = {}
    for i in session.get_inputs():
        # a symbol at the end is a length (512: long enough for any window), elsewhere a batch
        shape = [d if isinstance(d, int) and d > 0 else 512 if k + 1 == len(i.shape) else 1 for k, d in enumerate(i.shape)]
        kind = i.type[len("tensor("):-1]
        if kind in ("float", "float16", "double"):
            dtype = {"float": np.float32, "float16": np.float16, "double": np.float64}[kind]
            feed[i.name] = rng.standard_normal(shape).astype(dtype)
        else:
            feed[i.name] = rng.integers(0, 10, shape).astype(np.bool_ if kind == "bool" else kind)
        if not shape and i.name == "sr":
            feed[i.name] = np.array(16000, dtype=np.int64)
    return feed


def run(path, feed=None):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = feed if feed is not None else feed_for(session, np.random.default_rng(1))
    return [o.name for o in session.get_outputs()], feed, session.run(None, feed)


failed = 0
for pair in sys.argv[1:]:
    original, written = pair.rsplit(":", 1)
    try:
        onnx.checker.check_model(written, full_check=True)
        names, feed, wanted = run(original)
        got_names, _, got = run(written, feed)
        assert names == got_names, f"outputs are {got_names}, wanted {names}"
        for name, a, b in zip(names, wanted, got):
            difference = np.abs(a.astype(np.float64) - b.astype(np.float64)).max() if a.size else 0
            assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), f"{name} differs by {difference}"
        print("equal  ", written)
    except Exception as e:
        failed += 1
        print("FAILED ", written, str(e)[:400])
print(f"{len(sys.argv) - 1 - failed} of {len(sys.argv) - 1}")
sys.exit(1 if failed else 0)
