"""./dev results engine: measures every line of the issue "The integer engine is the fastest there is on a CPU" anew, with the
command behind each, and writes docs/results/engine.md. Exits 1 when a line is unmet or ../shared is absent.

    ./dev results engine [--only SECTION...] [--networks NAME...] [--rounds N] [--seconds S]

--only measures some sections (--list names them) and leaves the others as they were measured last; what was measured is kept in
build/results/engine.json with its commit. --networks: of the sections that measure networks, only these.

Runs in the peers' Python (onnxruntime, openvino, ai-edge-litert, onnx); bench/engine/ has one module per part.
"""
import argparse
import datetime
import json
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench/peers"), str(ROOT / "bench/engine")]
import lines  # noqa: E402
import calibration  # noqa: E402
import exact  # noqa: E402
import inference  # noqa: E402
import latency  # noqa: E402
import peak  # noqa: E402
import program  # noqa: E402

KEPT = ROOT / "build/results/engine.json"
DOCUMENT = ROOT / "docs/results/engine.md"

# name: (heading, what the lines mean, function(Setting, Lines))
SECTIONS = {
    "latency": ("Latency, batch 1", latency.MEANING, latency.batch_one),
    "batch8": ("Latency, batch 8", latency.MEANING, latency.batch_eight),
    "amx": ("AMX", "On a machine that has it.", latency.amx),
    "peak": ("Share of the machine's int8 peak", peak.MEANING, peak.whole),
    "layers": ("Share of the peak: products and convolutions", peak.MEANING_LAYERS, peak.layers),
    "microkernels": ("Share of the peak: microkernels", peak.MEANING_MICRO, peak.microkernels),
    "exact": ("The same integers as ONNX Runtime", exact.MEANING, exact.exact),
    "bits": ("The same bits on every instruction set", exact.MEANING_BITS, exact.same_bits),
    "calibration": ("Calibration", calibration.MEANING, calibration.onnxruntime),
    "nncf": ("Calibration against NNCF", calibration.MEANING_NNCF, calibration.nncf),
    "compile": ("Compile", program.MEANING_COMPILE, program.compile_time),
    "cold": ("Cold start", program.MEANING_COLD, program.cold_start),
    "memory": ("Memory", program.MEANING_MEMORY, program.memory),
}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--list", action="store_true", help="name the sections")
    parser.add_argument("--networks", nargs="+", help="of those that are measured")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one burst")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, help="folder for the files made (default: a fresh one)")
    return parser.parse_args()


def kept():
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def keep(name, measured, settings):
    """New lines take the place of those with the same case; with --networks the other cases stay."""
    sections = kept()
    cases = {line.case for line in measured.all}
    old = [line for line in sections.get(name, {}).get("lines", []) if settings.networks and line[0] not in cases]
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
    sections[name] = {"commit": lines.commit(), "time": now, "threads": settings.threads, "lines": old + [list(line) for line in measured.all]}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(sections, indent=1))


def document(sections):
    flat = [lines.Line(*line) for name in SECTIONS if name in sections for line in sections[name]["lines"]]
    unmet = [line for line in flat if line.met is False]
    commits = sorted({sections[name]["commit"] for name in sections})
    text = ["# The engine", "", f"Written by `./dev results engine` on {os.cpu_count()} cores of {lines.cpu()}, measured at commit "
            f"{' and '.join(commits)}. {sum(line.met is True for line in flat)} lines are met, {len(unmet)} are not."]
    if unmet:
        text += ["", "Not met:", "", *(f"* {line.case}: required {line.required}; measured {line.measured}" for line in unmet)]
    for name, (heading, meaning, _) in SECTIONS.items():
        if name not in sections:
            text += ["", f"## {heading}", "", "Not measured yet."]
            continue
        section = sections[name]
        mine = [lines.Line(*line) for line in section["lines"]]
        commands = sorted({line.command for line in mine if line.command})
        text += ["", f"## {heading}", "", meaning, f"Measured at {section['commit']}, {section['time']} UTC, {section['threads']} threads.",
                 "", *lines.table(mine), "", *(f"    {command}" for command in commands)]
    return "\n".join(text).rstrip() + "\n"


def main():
    settings = options()
    if settings.list:
        print(*(f"{name:14} {heading}" for name, (heading, *_) in SECTIONS.items()), sep="\n")
        return 0
    lines.need_shared()
    settings.work = settings.work or pathlib.Path(tempfile.mkdtemp(prefix="engine-"))
    settings.work.mkdir(parents=True, exist_ok=True)
    inference.pin(settings.threads)
    unmet = 0
    for name in settings.only:
        measured = lines.Lines()
        SECTIONS[name][2](settings, measured)
        keep(name, measured, settings)
        unmet += measured.unmet()
    DOCUMENT.write_text(document(kept()))
    return 1 if unmet else 0


sys.exit(main())
