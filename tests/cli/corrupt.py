# corrupt.py BITWRIGHT MODEL COUNT: the model cut off and with flipped bits, COUNT of each. Whatever comes of it, the program
# ends with 0 or 1 (2: nothing to quantize), never by a signal; with one line where it refuses; and leaves no other file.
import os, random, subprocess, sys, tempfile

program, source, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
whole = open(source, "rb").read()
rng = random.Random(7)
EDGE = 4000  # bytes at both ends, where the structure of the file is; weights lie between
COMMANDS = (["inspect", "in.onnx"], ["quantize", "in.onnx", "-o", "out.onnx", "--mode", "weight-only", "--quiet"])


def cut():
    at = rng.choice([rng.randrange(EDGE), rng.randrange(len(whole)), rng.randrange(len(whole) - EDGE, len(whole))])
    return f"cut off at {at}", whole[:at]


def flip():
    data, places = bytearray(whole), []
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.choice([rng.randrange(EDGE), rng.randrange(len(whole)), rng.randrange(len(whole) - EDGE, len(whole))])
        bit = rng.randrange(8)
        data[at] ^= 1 << bit
        places.append(f"{at}.{bit}")
    return "flipped " + " ".join(places), bytes(data)


def problem(args):
    try:
        done = subprocess.run([program, *args], capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "does not end"
    lines = [l for l in done.stderr.decode(errors="replace").split("\n")[:-1] if not l.startswith("note: ")]
    left = sorted(set(os.listdir(".")) - {"in.onnx", "out.onnx"})
    if done.returncode == 0 and not lines and not left:
        return None
    if done.returncode in (1, 2) and len(lines) == 1 and lines[0].startswith("bitwright: ") and not left and not os.path.exists("out.onnx"):
        return None
    return f"exit {done.returncode}, {lines}, left {left}"


os.chdir(tempfile.mkdtemp(dir="."))
bad = 0
for i in range(2 * count):
    label, data = cut() if i % 2 else flip()
    open("in.onnx", "wb").write(data)
    for args in COMMANDS:
        wrong = problem(args)
        if os.path.exists("out.onnx"):
            os.remove("out.onnx")
        if wrong:
            bad += 1
            print(f"{os.path.basename(source)} {label}: bitwright {' '.join(args)}: {wrong}")
os.remove("in.onnx")
os.rmdir(os.getcwd())
sys.exit(bad > 0)
