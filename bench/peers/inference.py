"""bench/peers/inference.py: int8 latency of Bitwright beside ONNX Runtime, OpenVINO and LiteRT, measured in one run.

    ./dev peers [NETWORK...] [--rounds N] [--seconds S] [--threads T] [--json OUT]

Every contender of a network and batch is a process of its own. In each round each gets one burst of S seconds, one after the
other, with a pause in which spinning threads go to sleep; a contender's figure in a round is the median of its burst, and the
ratio of that round is the best peer's (float or int8) by ours. Printed: the median over rounds of both, and the range of the
ratio. Peers get the same quantized file where their format allows, and their float file with their best settings (worker.py).
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

import networks

PAUSE = 0.1  # seconds: ONNX Runtime's threads spin for some milliseconds after a run
HERE = pathlib.Path(__file__).parent


class Peer:
    """A worker.py that keeps its network loaded between bursts."""

    def __init__(self, engine, model, batch, args, length):
        self.name = engine
        command = [sys.executable, HERE / "worker.py", engine, model, batch, args.threads, length]
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        while (line := self.process.stdout.readline()).strip() != "ready":
            if not line:
                raise RuntimeError((self.process.stderr.read().strip() or "no reason given").splitlines()[-1])

    def burst(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return statistics.median(json.loads(self.process.stdout.readline()))

    def close(self):
        self.process.kill()
        self.process.communicate()


class Ours:
    """`bitwright bench`, started anew for every burst."""

    def __init__(self, name, model, batch, args, length, target):
        self.name = name
        self.command = [networks.PROGRAM, "bench", str(model), "--json", "--quiet", "--target", target, "--batch", str(batch),
                        "--threads", str(args.threads)]
        if length:
            self.command += ["--length", str(length)]
        self.integer_share = None
        self.burst(0.05)

    def burst(self, seconds):
        done = subprocess.run([*self.command, "--seconds", str(seconds)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        measured = json.loads(done.stdout)["bench"][0]
        self.integer_share = 100 * measured["integer_share"]
        return measured["median_ms"]

    def close(self):
        pass


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
    found = [start(lambda: Ours("bitwright int8", small, batch, args, network.length, "integer"), notes),
             start(lambda: Ours("bitwright float", exact, batch, args, network.length, "float"), notes)]
    files = [("onnxruntime float", exact), ("onnxruntime int8", small), ("openvino float", exact), ("openvino bf16", exact),
             ("openvino int8", small)]
    if network.lite:
        files.append(("litert int8", networks.DATA / network.lite))
    for engine, file in files:
        found.append(start(lambda: Peer(engine, file, batch, args, network.length or 1), notes))
    return [c for c in found if c]


def measure(name, batch, args, work):
    notes, rounds = [], []
    with contextlib.ExitStack() as stack:
        competing = contenders(name, batch, args, work, notes)
        for c in competing:
            stack.callback(c.close)
        for _ in range(args.rounds):
            times = {}
            for c in competing:
                times[c.name] = c.burst(args.seconds)
                time.sleep(PAUSE)
            rounds.append(times)
    ratios = [min(v for k, v in t.items() if not k.startswith("bitwright")) / t["bitwright int8"] for t in rounds]
    medians = {k: statistics.median(t[k] for t in rounds) for k in rounds[0]}
    best = min((v, k) for k, v in medians.items() if not k.startswith("bitwright"))[1]
    return {"network": name, "batch": batch, "threads": args.threads, "median_ms": medians, "best_peer": best,
            "ratio": statistics.median(ratios), "ratio_least": min(ratios), "ratio_most": max(ratios),
            "integer_share": competing[0].integer_share, "notes": notes}


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
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
    work.mkdir(parents=True, exist_ok=True)
    results = []
    for name in args.networks:
        for batch in args.batches or networks.NETWORKS[name].batches:
            results.append(measure(name, batch, args, work))
            show(results[-1])
    if args.json:
        args.json.write_text(json.dumps({"cpus": os.cpu_count(), "results": results}, indent=1))


main()
