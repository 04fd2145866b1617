"""What a Program costs besides running: compiling, the first result of a new process, memory."""
import json
import os
import pathlib
import statistics
import subprocess
import time

import networks

import lines as common
from peak import bench

MEANING_COMPILE = "Packing, planning and proving, once the file is read (`compile_ms` of `bench --json`), the median over processes."
MEANING_COLD = ("From starting the program to its first result (`bench --bursts` says when): reading the file, compiling, one run. The "
                "median over processes, in brackets the range; then the same with the network's file put out of the page cache before.")
MEANING_MEMORY = ("Memory of the process after some runs (/proc/PID/status): anonymous memory and the mapped file of the network, less the input, which is the caller's, and what the program takes with a "
                  "network of 100 kB; against packed weights and arena. The largest live set is what the buffers in use "
                  "during one step take, at most over the steps.")

COMPILE_MS, COLD_MS, MEMORY, ARENA = 150, 50, 1.1, 1.05
NETWORKS = ("resnet50", "mobilenet_v2")


def chosen(settings, names):
    return [name for name in names if not settings.networks or name in settings.networks]


def spread(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f} ... {max(values):.1f})"


def compile_time(settings, lines):
    for name in chosen(settings, ("resnet50", "mobilenet_v2", "efficientnet_b0")):
        required = f"under {COMPILE_MS} ms" if name == "resnet50" else "none"

        def measure():
            rounds, command = bench(networks.quantized_file(name, settings.work), settings)
            times = [r["compile_ms"] for r in rounds]
            lines.add(f"{name}, compiled", required, f"{spread(times)} ms",
                      statistics.median(times) < COMPILE_MS if name == "resnet50" else None, command)

        lines.attempt(f"{name}, compiled", required, measure)


class Process:
    """`bitwright bench --bursts`: alive from its first result on."""

    def __init__(self, model, settings):
        self.command = [networks.PROGRAM, "bench", str(model), "--bursts", "--quiet", "--threads", str(settings.threads)]
        begin = time.perf_counter()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())
        self.first_ms = 1e3 * (time.perf_counter() - begin)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def burst(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def resident(self, model):
        """Bytes of anonymous memory and of the model's pages."""
        total, counts = 0, False
        for line in open(f"/proc/{self.process.pid}/smaps"):
            word = line.split()
            if "-" in word[0] and not word[0].endswith(":"):  # a mapping: addresses, ..., file
                counts = len(word) < 6 or word[5].startswith("[") or os.path.realpath(word[5]) == os.path.realpath(model)
            elif word[0] == "Rss:" and counts:
                total += 1024 * int(word[1])
        return total


def forget(path):
    """Puts a file's pages out of the cache."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def first_results(model, settings, before=lambda: None):
    times = []
    for _ in range(settings.rounds):
        before()
        with Process(model, settings) as process:
            times.append(process.first_ms)
    return times


def cold_start(settings, lines):
    for name in chosen(settings, ("mobilenet_v2", "resnet50")):
        required = f"under {COLD_MS} ms" if name == "mobilenet_v2" else "none"

        def measure():
            model = networks.quantized_file(name, settings.work)
            first_results(model, settings)  # the program's own pages
            times = first_results(model, settings)
            uncached = first_results(model, settings, lambda: forget(model))
            lines.add(f"{name}, first result", required, f"{spread(times)} ms; file not cached: {spread(uncached)} ms",
                      statistics.median(times) < COLD_MS if name == "mobilenet_v2" else None,
                      common.shown(["bitwright", "bench", model, "--bursts", "--threads", settings.threads], settings.work))

        lines.attempt(f"{name}, first result", required, measure)


def memory_of(model, settings):
    with Process(model, settings) as process:
        process.burst(0.2)
        return process.resident(model) - process.ready["input_bytes"], process.ready


def memory(settings, lines):
    tiny = pathlib.Path(__file__).parents[2] / "examples/models/fashion_mlp.onnx"
    for name in chosen(settings, NETWORKS):
        def measure():
            model = networks.quantized_file(name, settings.work)
            base, own = memory_of(tiny, settings)
            base -= own["weight_bytes"] + own["arena_bytes"]
            used, ready = memory_of(model, settings)
            least = ready["weight_bytes"] + ready["arena_bytes"]
            ratio = (used - base) / least
            command = common.shown(["bitwright", "bench", model, "--bursts", "--threads", settings.threads], settings.work)
            lines.add(f"{name}, memory while running", f"at most {MEMORY} times packed weights and arena",
                      f"{ratio:.2f} times: {(used - base) / 1e6:.1f} MB, weights {ready['weight_bytes'] / 1e6:.1f} and arena {ready['arena_bytes'] / 1e6:.1f}; "
                      f"the program without a network {base / 1e6:.1f}", ratio <= MEMORY, command)
            arena(name, model, settings, lines)

        lines.attempt(f"{name}, memory", f"at most {MEMORY} times packed weights and arena", measure)


def arena(name, model, settings, lines):
    document, command = common.bitwright("bench", model, "--seconds", 0, "--threads", settings.threads, work=settings.work)
    entry = document["bench"][0]
    ratio = entry["arena_bytes"] / entry["live_bytes"]
    lines.add(f"{name}, arena", f"at most {ARENA} times the largest live set",
              f"{ratio:.3f} times: {entry['arena_bytes']} bytes, live {entry['live_bytes']}", ratio <= ARENA, command)
