"""Quantizing ResNet-50 end to end: against ONNX Runtime's quantize_static with 32 images, against NNCF with 300."""
import os
import statistics
import subprocess
import sys

import networks
import numpy as np

import lines as common

MEANING = ("ResNet-50 from file to file, whole processes in turns: ours with every observer (`--observer auto`), ONNX Runtime's `quantize_static` with its "
           "min-max calibrator, per channel, QDQ. Both read the same pixels; of theirs only the call counts, not the imports. "
           "Memory: the peak resident set.")
MEANING_NNCF = ("The same with 300 images against `nncf.quantize` of the ONNX model with its defaults, and `onnx.save`; NNCF in a process of its own.")
SHARE, MORE_MB = 1 / 3, 150

THEIRS = """
import sys, time, numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
source, out, pixels = sys.argv[1:4]
class Reader(CalibrationDataReader):
    def __init__(self):
        x = np.load(pixels)["input"]
        self.at = iter({"input": x[i:i + 1]} for i in range(len(x)))
    def get_next(self):
        return next(self.at, None)
begin = time.perf_counter()
quantize_static(source, out, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax)
print(time.perf_counter() - begin)
"""

NNCF = """
import sys, time, numpy as np, onnx, nncf
source, out, pixels = sys.argv[1:4]
begin = time.perf_counter()
x = np.load(pixels)["input"]
model = onnx.load(source)
data = nncf.Dataset([x[i:i + 1] for i in range(len(x))], lambda item: {"input": item})
onnx.save(nncf.quantize(model, data, subset_size=len(x)), out)
print(time.perf_counter() - begin)
"""


def pixels(count, settings):
    """Photographs as the network takes them, in one file: decoding is no part of this comparison."""
    made = settings.work / f"pixels_{count}.npz"
    if not made.exists():
        from PIL import Image
        photographs = sorted((common.DATA / "imagenet200").glob("*.JPEG"))
        images = []
        for i in range(count):
            image = Image.open(photographs[i % len(photographs)]).convert("RGB").resize((224, 224))
            if i >= len(photographs):
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            images.append((np.asarray(image, np.float32) / 255 - np.float32([.485, .456, .406])) / np.float32([.229, .224, .225]))
        np.savez(made, input=np.stack(images).astype(np.float32).transpose(0, 3, 1, 2).copy())
    return made


def peak_mb(command):
    """Seconds of a whole process and its peak resident set in MB."""
    script = ("import resource,subprocess,sys,time;b=time.perf_counter();subprocess.run(sys.argv[1:],check=True,stdout=-3);"
              "print(time.perf_counter()-b,resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", script, *map(str, command)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    seconds, kilobytes = done.stdout.split()
    return float(seconds), int(kilobytes) / 1024


def ours(source, data, count, settings):
    command = [networks.PROGRAM, "quantize", source, "-o", settings.work / "resnet50.calibrated.onnx", "--data", f"npz:{data}",
               "--calibrate", count, "--observer", "auto", "--threads", settings.threads, "-q"]
    return peak_mb(command), common.shown(command, settings.work)


def theirs(python, script, source, data, settings):
    done = subprocess.run([python, "-c", script, source, settings.work / "resnet50.theirs.onnx", data], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout.split()[-1])


def turns(python, script, count, rounds, settings):
    """(seconds, MB) of ours and seconds of theirs, in turns; the command of ours."""
    source, data = networks.float_file("resnet50", settings.work), pixels(count, settings)
    pairs, command = [], ""
    for _ in range(rounds):
        mine, command = ours(source, data, count, settings)
        pairs.append((mine, theirs(python, script, source, data, settings)))
    return pairs, command


def told(pairs):
    ratio = statistics.median(mine[0] / other for mine, other in pairs)
    return ratio, (f"{ratio:.2f} of it (ours {', '.join(f'{mine[0]:.2f}' for mine, _ in pairs)} s, theirs "
                   f"{', '.join(f'{other:.2f}' for _, other in pairs)} s)")


def onnxruntime(settings, lines):
    required = "at most a third of the time"

    def measure():
        pairs, command = turns(sys.executable, THEIRS, 32, min(3, settings.rounds), settings)
        ratio, text = told(pairs)
        lines.add("resnet50, 32 images, against ONNX Runtime", required, text, ratio <= SHARE, command)
        file_mb = os.path.getsize(networks.float_file("resnet50", settings.work)) / 2 ** 20
        peak = max(mine[1] for mine, _ in pairs)
        lines.add("resnet50, 32 images, peak memory", f"at most the float model's {file_mb:.0f} MB and {MORE_MB}", f"{peak:.0f} MB",
                  peak <= file_mb + MORE_MB, command)

    lines.attempt("resnet50, 32 images, against ONNX Runtime", required, measure)


def nncf(settings, lines):
    required = "at most a third of the time"

    def measure():
        pairs, command = turns(common.CACHE / "nncf/bin/python", NNCF, 300, 1, settings)  # ./dev made it
        ratio, text = told(pairs)
        lines.add("resnet50, 300 images, against NNCF", required, text, ratio <= SHARE, command)

    lines.attempt("resnet50, 300 images, against NNCF", required, measure)
