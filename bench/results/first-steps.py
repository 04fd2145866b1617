"""./dev results first-steps: runs every command of docs/first-steps.md and writes what it prints into the page, and what
`bitwright demo` prints into README.md. Exits 1 when a command fails or ../shared is absent.

A command stands in an indented block after "$ ", further lines of it after "> "; all lines up to the next command or the end
of the block are what it printed on standard output.

Environment (set by ./dev): BITWRIGHT the program, BITWRIGHT_SHARED the shared folder.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE, README = ROOT / "docs/first-steps.md", ROOT / "README.md"
INDENT = "    "
SCALE = "scale = 0.00392156862745098\n"


def prepare(folder, text):
    """The files that the page's commands name."""
    data = pathlib.Path(os.environ["BITWRIGHT_SHARED"]).resolve() / "data"
    if not data.is_dir():
        sys.exit(f"{data} is not there")
    for source in (data / "onnx/squeezenet1_1.onnx", data / "imagenet200", data / "cifar10",
                   ROOT / "examples/models/fashion_cnn.onnx", pathlib.Path("/usr/share/datasets/fashion-mnist")):
        (folder / source.name).symlink_to(source)
    (folder / "bitwright").symlink_to(os.environ["BITWRIGHT"])
    (folder / "sq.toml").write_text(re.search(rf"(?:^{INDENT}.*= .*\n)+", text, re.M)[0].replace(INDENT, ""))
    for split in ("train", "test"):
        (folder / f"{split}.toml").write_text(f'split = "{split}"\n{SCALE}mean = 0.286\nstd = 0.353\n')
    (folder / "cifar.toml").write_text(f"{SCALE}mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n")


def run(command, folder):
    print("$", command, flush=True)
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"{command}: exit {done.returncode}: {done.stderr}")
    return done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []


def rewritten(lines, folder):
    out, at = [], 0
    while at < len(lines):
        out.append(lines[at])
        at += 1
        if not out[-1].startswith(INDENT + "$ "):
            continue
        command = out[-1][len(INDENT) + 2:]
        while at < len(lines) and lines[at].startswith(INDENT + "> "):
            out.append(lines[at])
            command += "\n" + lines[at][len(INDENT) + 2:]
            at += 1
        out += [(INDENT + line).rstrip() for line in run(command, folder)]
        at = end_of_output(lines, at)
    return out


def end_of_output(lines, at):
    """Empty lines belong to the output where more of the block follows."""
    end = at
    while at < len(lines) and (not lines[at] or lines[at].startswith(INDENT)) and not lines[at].startswith(INDENT + "$ "):
        at += 1
        if lines[at - 1]:
            end = at
    return end


def main():
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prepare(folder, text)
        page = "\n".join(rewritten(text.split("\n"), folder))
        demo = "\n".join(run("bitwright demo", folder))
    PAGE.write_text(page)
    readme = README.read_text()
    README.write_text(re.sub(r"(?s)(```text\n).*?(\n```)", lambda m: m[1] + demo + m[2], readme, count=1))


main()
