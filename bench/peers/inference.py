"""bench/peers/inference.py: int8 latency of Bitwright beside ONNX Runtime, OpenVINO and LiteRT, measured in one run.

    ./dev peers [NETWORK...] [--rounds N] [--seconds S] [--threads T] [--json OUT] [--layers]

Every contender of a network and batch is a process of its own, all on the same T processors, which keeps its network loaded and
warm. In each round each gets one burst of S seconds, one after the other (who is first changes), with a pause in which spinning
threads go to sleep; a contender's figure in a round is the median of its burst. Printed: the medians over rounds, and of the ratio
of the best peer (float or int8; by its median) to ours its median and range. Peers get the same quantized file
where their format allows, ONNX Runtime also what its own quantize_dynamic makes, and the float file, with their best settings
(worker.py).
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import lines  # noqa: E402
import networks  # noqa: E402

PAUSE = 0.1  # seconds: ONNX Runtime's threads spin for some milliseconds after a run
HERE = pathlib.Path(__file__).parent


class Contender:
    """A process that has its network loaded and warm, and answers each line SECONDS by one of JSON: a burst."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        while line and not line.startswith("{"):  # what a library prints
            line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: " + (self.process.stderr.read().strip() or "no reason given").splitlines()[-1])
        return json.loads(line)

    def burst(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self.answer()["median_ms"]

    def close(self):
        self.process.kill()
        self.process.communicate()


def peer(engine, model, batch, args, length):
    return Contender(engine, [sys.executable, HERE / "worker.py", engine, model, batch, args.threads, length])


def ours(name, model, batch, args, length, target):
    command = [networks.PROGRAM, "bench", model, "--bursts", "--quiet", "--target", target, "--batch", batch, "--threads", args.threads]
    return Contender(name, command + (["--length", length] if length else []))


def start(make, notes):
    """The contender, or None with the reason in `notes`: a peer that cannot run a file is not the best peer."""
    try:
        return make()
    except Exception as error:
        notes.append(str(error))
        return None


def contenders(name, batch, args, work, notes):
    network = networks.NETWORKS[name]
    exact, small = networks.float_file(name, work), networks.quantized_file(name, work)
    found = [start(lambda: ours("bitwright int8", small, batch, args, network.length, "integer"), notes),
             start(lambda: ours("bitwright float", exact, batch, args, network.length, "float"), notes)]
    files = [("onnxruntime float", exact), ("onnxruntime int8", small), ("openvino float", exact), ("openvino bf16", exact),
             ("openvino int8", small)]
    if "dynamic" in network.quantize:
        files.append(("onnxruntime int8 (its own quantize_dynamic)", networks.onnxruntime_dynamic(name, work)))
    if network.lite:
        files.append(("litert int8", networks.DATA / network.lite))
    for engine, file in files:
        found.append(start(lambda: peer(engine, file, batch, args, network.length or 1), notes))
    return [c for c in found if c]


def pin(threads):
    """All contenders, which inherit it: each has as many processors as threads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def measure(name, batch, args, work):
    notes, rounds = [], []
    with contextlib.ExitStack() as stack:
        competing = contenders(name, batch, args, work, notes)
        for c in competing:
            stack.callback(c.close)
        if competing[0].name != "bitwright int8":
            raise RuntimeError(notes[0])
        integer_share = 100 * competing[0].ready["integer_share"]
        for i in range(args.rounds):
            times = {}
            for c in competing[i % len(competing):] + competing[:i % len(competing)]:  # each comes first once
                times[c.name] = c.burst(args.seconds)
                time.sleep(PAUSE)
            rounds.append(times)
    return judged(name, batch, args.threads, rounds, integer_share, notes)


def judged(name, batch, threads, rounds, integer_share, notes):
    medians = {k: statistics.median(t[k] for t in rounds) for k in rounds[0]}
    best = min((v, k) for k, v in medians.items() if not k.startswith("bitwright"))[1]
    ratios = [t[best] / t["bitwright int8"] for t in rounds]
    return {"network": name, "batch": batch, "rounds": rounds, "threads": threads, "median_ms": medians, "best_peer": best,
            "ratio": statistics.median(ratios), "ratio_least": min(ratios), "ratio_most": max(ratios),
            "integer_share": integer_share, "notes": notes}


def show(result):
    times = ", ".join(f"{k} {v:.3g}" for k, v in sorted(result["median_ms"].items(), key=lambda item: item[1]))
    print(f"{result['network']:16} batch {result['batch']}: ratio {result['ratio']:.2f} "
          f"({result['ratio_least']:.2f} to {result['ratio_most']:.2f}) against {result['best_peer']}; ms: {times}; "
          f"{result['integer_share']:.1f} % in integers", *result["notes"], sep="\n    ", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(networks.NETWORKS))
    parser.add_argument("--batches", type=lambda text: [int(part) for part in text.split(",")], help="instead of each network's own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, help="folder for the files made (default: a fresh one)")
    parser.add_argument("--layers", action="store_true", help="each layer beside the peers' profiles instead (layers.py)")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
    work.mkdir(parents=True, exist_ok=True)
    pin(args.threads)
    if args.layers:
        import layers
        for name in args.networks:
            layers.show(name, args, work)
        return
    results = []
    for name in args.networks:
        for batch in args.batches or networks.NETWORKS[name].batches:
            results.append(measure(name, batch, args, work))
            show(results[-1])
    if args.json:
        args.json.write_text(json.dumps({"cpus": os.cpu_count(), "cpu": lines.cpu(), "results": results}, indent=1))


if __name__ == "__main__":
    main()
