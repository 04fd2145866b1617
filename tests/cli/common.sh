# What the scripts of this folder share. Each is called as SCRIPT BITWRIGHT SOURCE and works in a folder of its own.
# Every refusal is one line on standard error, exit 1 (2 for usage), and leaves no file behind.
# shellcheck shell=bash
set -uo pipefail
program=$1 source=$2 here=$2/tests/cli
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mlp=$source/examples/models/fashion_mlp.onnx cnn=$source/examples/models/fashion_cnn.onnx
failed=0
export XDG_CACHE_HOME=$work/cache  # of measured kernels: not what this machine measured once
export PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}allocator_may_return_null=1"  # absurd sizes are ours to refuse

complain() { printf '%s\n' "$*"; failed=1; }

# expect STATUS 'STANDARD ERROR' ARGUMENTS...
expect() {
  local status=$1 message=$2 got
  shift 2
  "$program" "$@" >out.txt 2>err.txt
  got=$?
  [ "$got" = "$status" ] && [ "$(cat err.txt)" = "$message" ] ||
    complain "bitwright $*"$'\n'"  wanted $status: $message"$'\n'"  got    $got: $(cat err.txt)"
}

# refuses STATUS 'PATTERN' ARGUMENTS...: one line that matches the pattern (grep -E) after "bitwright: "
refuses() {
  local status=$1 pattern=$2 got
  shift 2
  "$program" "$@" >out.txt 2>err.txt
  got=$?
  [ "$got" = "$status" ] && [ "$(wc -l <err.txt)" = 1 ] && grep -qE -- "^bitwright: $pattern" err.txt ||
    complain "bitwright $*"$'\n'"  wanted $status: $pattern"$'\n'"  got    $got: $(cat err.txt)"
}

# shows 'TEXT' ARGUMENTS...: exit 0 and the text among the output
shows() {
  local text=$1
  shift
  "$program" "$@" >out.txt 2>err.txt || { complain "bitwright $*: exit $?: $(cat err.txt)"; return; }
  grep -qF -- "$text" out.txt || complain "bitwright $*: no '$text' in:"$'\n'"$(cat out.txt)"
}

# leaves FILE...: nothing else is in the folder (out.txt and err.txt are the scripts' own)
leaves() {
  local left
  left=$(find . -mindepth 1 -not -name out.txt -not -name err.txt -printf '%P\n' | sort | grep -vxF "$(printf '%s\n' "$@")" || true)
  [ -z "$left" ] || complain "files left behind: $left"
}

# Four 28x28 pictures as idx files: NAME-images-idx3-ubyte and NAME-labels-idx1-ubyte
pictures() {  # pictures NAME SIDE LABEL...
  python3 - "$@" <<'PY'
import struct, sys
name, side, labels = sys.argv[1], int(sys.argv[2]), bytes(map(int, sys.argv[3:]))
def idx(path, dims, data):
    open(path, "wb").write(struct.pack(">BBBB", 0, 0, 8, len(dims)) + b"".join(struct.pack(">I", d) for d in dims) + data)
n = len(labels)
idx(f"{name}-images-idx3-ubyte", (n, side, side), bytes(i % 251 for i in range(n * side * side)))
idx(f"{name}-labels-idx1-ubyte", (n,), labels)
PY
}
