"""What the programs of `./dev results` share: a line is a case, what is required of it, what was measured, whether that meets
it, and the command behind it.

Environment (set by ./dev): BITWRIGHT the program, BITWRIGHT_SHARED the shared folder, BITWRIGHT_CACHE for downloads.
"""
import collections
import json
import os
import pathlib
import subprocess
import sys

PROGRAM = os.environ["BITWRIGHT"]
DATA = pathlib.Path(os.environ["BITWRIGHT_SHARED"]) / "data"
CACHE = pathlib.Path(os.environ["BITWRIGHT_CACHE"])

Line = collections.namedtuple("Line", "case required measured met command")


class Lines:
    """Collects lines and prints each as it comes."""

    def __init__(self):
        self.all = []

    def add(self, case, required, measured, met, command=""):
        """met: None for what does not apply to this machine."""
        self.all.append(Line(case, required, measured, None if met is None else bool(met), command))
        print(f"{'met  ' if met else 'n. a.' if met is None else 'UNMET'} | {case} | required {required} | measured {measured}", flush=True)

    def attempt(self, case, required, measure):
        """A line that cannot be measured is unmet, and says why."""
        try:
            measure()
        except Exception as error:
            self.add(case, required, f"not measured: {error}", False)

    def unmet(self):
        return sum(line.met is False for line in self.all)


def table(lines):
    word = {True: "yes", False: "**no**", None: "does not apply"}
    return ["| case | required | measured | met |", "|---|---|---|---|"] + [
        f"| {line.case} | {line.required} | {line.measured} | {word[line.met]} |" for line in lines]


def shown(command, work=None):
    """As a person would type it."""
    text = " ".join(map(str, command)).replace(PROGRAM, "bitwright")
    for path, name in ((work, ""), (DATA, "../shared/data/"), (CACHE, ".cache/")):
        text = text.replace(f"{path}/", name) if path else text
    return text.replace(str(DATA), "../shared/data")


def bitwright(*args, work=None):
    """bitwright ARGS --json: the document, and the command."""
    done = subprocess.run([PROGRAM, *map(str, args), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1])
    return json.loads(done.stdout), shown(["bitwright", *args], work)


def commit():
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()


def cpu():
    return next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")


def need_shared():
    if not DATA.is_dir():
        sys.exit(f"{DATA} is absent: nothing can be measured")
