"""./dev results float: every float network of ../shared/data, of its make_*.py and of make_zoo.py runs through our program
and through ONNX Runtime on the same random inputs, in several batches and lengths; each is also quantized, exported, read
back and run, and opened in ONNX Runtime. Writes docs/results/float.md; exits 1 when a line is unmet or ../shared is absent.

    ./dev results float [NAME...]    only these networks (and no file is written)

Environment (set by ./dev): BITWRIGHT the program, BITWRIGHT_SHARED the shared folder, BITWRIGHT_CACHE for downloads. Runs in
the referee's Python (onnx 1.19.0, onnxruntime 1.31.1): it judges, the program under test never uses it.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from onnx import numpy_helper

import make_zoo

PROGRAM = os.environ["BITWRIGHT"]
DATA = pathlib.Path(os.environ["BITWRIGHT_SHARED"]) / "data"
CACHE = pathlib.Path(os.environ["BITWRIGHT_CACHE"])
RELATIVE = 1e-4  # float: largest |ours - theirs| over largest |theirs|, per output
SHARE = 99.0     # percent of multiply-adds in integers


# ---- networks: where each comes from, and inputs that fit it

class Network:
    """inputs(rng, i): the arrays of the i-th run, by input name; runs: how many. joined: they differ in the batch alone.
    mode: options of quantize, for static quantization none. length: extents other than the batch, to count multiply-adds."""

    def __init__(self, name, path, inputs, runs, joined=True, mode=(), length=0):
        self.name, self.path, self.inputs, self.runs, self.joined = name, path, inputs, runs, joined
        self.mode, self.length = mode, length


def pictures(name, size, batches, offset=0.0, scale=1.0):
    """Smooth random pictures: noise of several grains, so that convolutions see edges and areas."""
    def make(rng, i):
        x = np.zeros((batches[i % len(batches)], 3, size, size), np.float32)
        for grain in (1, 4, 16):
            small = rng.standard_normal((len(x), 3, -(-size // grain), -(-size // grain))).astype(np.float32)
            x += np.repeat(np.repeat(small, grain, 2), grain, 3)[:, :, :size, :size]
        return {name: x * np.float32(scale / 3 ** 0.5) + np.float32(offset)}
    return make


def sentences(rng, i):
    batch, length = ((1, 7), (3, 16), (2, 40), (1, 128))[i]
    mask = (np.arange(length)[None] < rng.integers(length // 2, length + 1, (batch, 1))).astype(np.int64)
    mask[0] = 1
    return {"input_ids": rng.integers(1000, 30000, (batch, length)), "attention_mask": mask,
            "token_type_ids": np.zeros((batch, length), np.int64)}


def characters(rng, i):
    length, batch = ((1, 1), (16, 3), (50, 2))[i]
    return {"ids": rng.integers(0, 44, (length, batch))}


def normal(**shapes):
    return lambda rng, i: {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def speech_window(rng, i):
    batch = (1, 3)[i]
    return {"input": rng.standard_normal((batch, 576)).astype(np.float32) * np.float32(0.1),
            "state": np.zeros((2, batch, 128), np.float32), "sr": np.array(16000, np.int64)}


def silent_states(name, width, state):
    return lambda rng, i: {name: np.abs(rng.standard_normal((1, 1, width))).astype(np.float32) * np.float32(0.3),
                           state: np.zeros((1, 2, 128, 2), np.float32)}


def minilm():
    model = CACHE / "minilm/minilm.onnx"
    if not model.exists():
        raise RuntimeError("built by ./dev results main-job, which comes first")
    return model


def made(work, name):
    path = work / f"{name}.onnx"
    if name in make_zoo.NETWORKS:
        make_zoo.build(name, path)
    else:
        subprocess.run([sys.executable, str(DATA / "make_cnn.py"), name, str(path)], check=True)
    return path


def networks(work):
    shared = lambda path: lambda: DATA / path
    build = lambda name: lambda: made(work, name)
    some, one = (1, 2, 5), (1,)
    dynamic = ("--mode", "dynamic")
    every = (*dynamic, "--operators", "MatMul", "Conv", "LSTM")  # Conv is dynamic only when named
    return [
        Network("resnet20", shared("cifar10/resnet20_cifar10.onnx"), pictures("input", 32, some), 3),
        Network("resnet32", shared("cifar10/resnet32_cifar10.onnx"), pictures("input", 32, some), 3),
        Network("mobilenet_v2", shared("onnx/mobilenet_v2.onnx"), pictures("t0", 224, some), 3),
        Network("squeezenet1_1", shared("onnx/squeezenet1_1.onnx"), pictures("data_0", 224, one, scale=60), 3),
        Network("FastestDet", shared("onnx/FastestDet.onnx"), pictures("input.1", 352, one, 0.5, 0.25), 3),
        Network("yunet", shared("onnx/yunet_n_320_320.onnx"), pictures("input", 320, one, 128, 50), 3),
        Network("resnet18", build("resnet18"), pictures("input", 224, (1, 3)), 2),
        Network("resnet50", build("resnet50"), pictures("input", 224, (1, 3)), 2),
        Network("efficientnet_b0", build("efficientnet_b0"), pictures("input", 224, (1, 3)), 2),
        Network("resnext", build("resnext"), pictures("input", 64, some), 3),
        Network("googlenet", build("googlenet"), pictures("input", 64, some), 3),
        Network("inception_v3", build("inception_v3"), pictures("input", 95, some), 3),
        Network("shufflenet_v2", build("shufflenet_v2"), pictures("input", 64, some), 3),
        Network("vision_transformer", build("vision_transformer"), pictures("input", 32, some), 3),
        Network("minilm", minilm, sentences, 4, joined=False, length=16),
        Network("minilm", minilm, sentences, 4, joined=False, mode=dynamic, length=16),
        Network("char_lstm", shared("lstm/char_lstm/char_lstm.onnx"), characters, 3, joined=False, mode=dynamic),
        Network("silero_vad", shared("lstm/silero_vad/silero_vad_16k_op15.onnx"), speech_window, 2, joined=False, mode=every),
        Network("dtln_1", shared("lstm/dtln/model_1.onnx"), silent_states("input_2", 257, "input_3"), 3, mode=dynamic),
        Network("dtln_2", shared("lstm/dtln/model_2.onnx"), silent_states("input_4", 512, "input_5"), 3, mode=every),
    ]


# ---- both runtimes

class Failure(Exception):
    pass


def bitwright(*args):
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
    return done.stdout


def write_sets(folder, runs):
    """ONNX test data: one folder test_data_set_I per run, input_K.pb in the order of the network's inputs."""
    for i, arrays in enumerate(runs):
        at = folder / f"test_data_set_{i}"
        at.mkdir(parents=True)
        for k, (name, array) in enumerate(arrays.items()):
            (at / f"input_{k}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def theirs(path, runs):
    """Per run a dictionary of outputs."""
    s = session(path)
    names = [o.name for o in s.get_outputs()]
    return [dict(zip(names, s.run(None, {k: arrays[k] for k in (i.name for i in s.get_inputs())}))) for arrays in runs]


def ours(network, path, folder, target, work):
    """The same from our program. Runs that differ in the batch alone go through one Program, their outputs joined."""
    sets = [folder] if network.joined else sorted(folder.iterdir())
    results = []
    for data in sets:
        file = work / "outputs.npz"
        bitwright("evaluate", path, "--data", f"tensors:{data}", "--target", target, "--batch", 1, "--state", "none",
                  "--outputs", file, "-q")
        with np.load(file) as arrays:
            results.append({name: arrays[name] for name in arrays.files})
    return results


def joined(network, results):
    return results if not network.joined else [{k: np.concatenate([r[k] for r in results]) for k in results[0]}]


# ---- measures over all outputs of all runs

def pairs(ours_, theirs_):
    for a, b in zip(ours_, theirs_):
        if a.keys() != b.keys():
            raise Failure(f"outputs are {list(a)}, ONNX Runtime has {list(b)}")
        for name in b:
            if a[name].shape != b[name].shape or a[name].dtype != b[name].dtype:
                raise Failure(f"output {name} is {a[name].dtype}{a[name].shape}, ONNX Runtime's {b[name].dtype}{b[name].shape}")
            yield a[name].astype(np.float64), b[name].astype(np.float64)


def relative_error(ours_, theirs_):
    return max(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30) for a, b in pairs(ours_, theirs_))


def snr(got, exact):
    """Signal to noise in dB, of the output where it is worst."""
    worst = np.inf
    for a, b in pairs(got, exact):
        noise = np.square(a - b).sum()
        worst = min(worst, np.inf if noise == 0 else 10 * np.log10(np.square(b).sum() / noise))
    return worst


# ---- the lines

LINES = []  # (network, what, required, measured, met)


def line(network, what, required, measured, met):
    LINES.append((network, what, required, measured, met))
    print(f"{'met ' if met else 'UNMET'} | {network} | {what} | required {required} | measured {measured}", flush=True)


def attempt(network, what, required, measure):
    try:
        return measure()
    except (Failure, RuntimeError, subprocess.CalledProcessError, onnxruntime.capi.onnxruntime_pybind11_state.Fail) as e:
        line(network, what, required, f"failed: {e}", False)


def shapes(runs):
    return ", ".join("x".join(map(str, next(iter(arrays.values())).shape)) for arrays in runs)


def judge_float(network, path, runs, folder, work):
    exact = joined(network, theirs(path, runs))
    error = relative_error(ours(network, path, folder, "float", work), exact)
    line(network.name, f"float, {shapes(runs)}", f"{RELATIVE:g}", f"{error:.1e}", error <= RELATIVE)
    return exact


def quantize(network, path, out, work, rng):
    command = ["quantize", path, "-o", out, "-q"]
    if network.mode:
        return bitwright(*command, *network.mode)
    records = [network.inputs(rng, 1) for _ in range(16)]  # of one shape
    np.savez(work / "calibration.npz", **{k: np.concatenate([r[k] for r in records])[:16] for k in records[0]})
    bitwright(*command, "--data", work / "calibration.npz")


def judge_quantized(network, path, exact, runs, folder, work):
    out = work / f"{network.name}.int8.onnx"
    quantize(network, path, out, work, np.random.default_rng(7))
    how = " ".join(network.mode).removeprefix("--mode ") or "static"
    bench = bitwright("bench", out, "--json", "--seconds", "0.01", "--length", network.length, "-q")
    share = 100 * json.loads(bench)["bench"][0]["integer_share"]
    at = f", length {network.length}" if network.length else ""
    line(network.name, f"{how}: multiply-adds in integers{at}", f"{SHARE:g} %", f"{share:.2f} %", share >= SHARE)
    engine = ours(network, out, folder, "integer", work)
    simulated = ours(network, out, folder, "simulated", work)
    equal = all(np.array_equal(a, b) for a, b in pairs(engine, simulated))
    line(network.name, f"{how}: engine against simulation", "equal bits", "equal" if equal else f"{snr(engine, simulated):.1f} dB", equal)
    referee = joined(network, theirs(out, runs))
    between, loss = snr(engine, referee), snr(engine, exact)
    line(network.name, f"{how}: exported file in ONNX Runtime against our engine", "nearer than both are to float",
         f"{between:.1f} dB; engine against float {loss:.1f} dB, ONNX Runtime {snr(referee, exact):.1f} dB", between > loss)


def judge(network, work):
    path = network.path()
    rng = np.random.default_rng(1)
    runs = [network.inputs(rng, i) for i in range(network.runs)]
    folder = work / f"{network.name}.sets"
    shutil.rmtree(folder, ignore_errors=True)
    write_sets(folder, runs)
    exact = attempt(network.name, "float", f"{RELATIVE:g}", lambda: judge_float(network, path, runs, folder, work))
    if exact is not None:
        attempt(network.name, "quantized", "runs", lambda: judge_quantized(network, path, exact, runs, folder, work))


def write_report():
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    text = ["# Every float network, and each of them quantized", "",
            f"Written by `./dev results float` from commit {commit} on {os.cpu_count()} cores of {cpu}.", "",
            "Float: largest absolute difference from ONNX Runtime over its largest absolute output, for the worst output of all",
            "runs; the shapes are those of the first input, all runs of one network but the recurrent ones and MiniLM go through",
            "one Program. Quantized: static with 16 random records, or dynamic as the line says (products of two",
            "activations then stay float, as in ONNX Runtime); the exported file is read back by our program and by ONNX",
            "Runtime. Signal to noise in dB of the worst output.", "", "| network | what | required | measured | met |", "|---|---|---|---|---|"]
    text += ["| " + " | ".join((*cells, "yes" if met else "**no**")) + " |" for *cells, met in LINES]
    text += ["", "Commands, for each network and set of inputs (the networks come from `bench/results/make_zoo.py`, from ../shared/data",
             "and its make_cnn.py and make_minilm.py):", "",
             "    bitwright evaluate NET.onnx --data tensors:SETS --target float --batch 1 --state none --outputs OUT.npz",
             "    bitwright quantize NET.onnx -o NET.int8.onnx --data CALIBRATION.npz        (or --mode dynamic)",
             "    bitwright bench NET.int8.onnx --json",
             "    bitwright evaluate NET.int8.onnx --data tensors:SETS --target integer|simulated --batch 1 --state none --outputs OUT.npz"]
    pathlib.Path("docs/results/float.md").write_text("\n".join(text) + "\n")


def main():
    if not DATA.is_dir():
        sys.exit(f"{DATA} is absent: nothing can be measured")
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="float-") as folder:
        for network in networks(pathlib.Path(folder)):
            if not wanted or network.name in wanted:
                judge(network, pathlib.Path(folder))
    unmet = sum(not met for *_, met in LINES)
    print(f"{len(LINES) - unmet} of {len(LINES)} lines met")
    if not wanted:
        write_report()
    sys.exit(1 if unmet else 0)


main()
