#!/usr/bin/env bash
# run.sh BUILD SOURCE: cmake --install gives a program that runs and a library that another project finds, links and uses.
set -euo pipefail
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/installed" >"$work/log" 2>&1 || { tail -5 "$work/log"; exit 1; }
"$work/installed/bin/bitwright" inspect "$work/installed/share/bitwright/models/fashion_mlp.onnx" | grep -q '(nn1): Gemm'
cmake -S "$source/examples/library" -B "$work/six" -DCMAKE_PREFIX_PATH="$work/installed" >"$work/log" 2>&1 &&
  cmake --build "$work/six" >>"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
python3 - "$work" <<'PY'
import struct, sys
pixels = bytes(i % 251 for i in range(4 * 784))
open(sys.argv[1] + "/x-images-idx3-ubyte", "wb").write(struct.pack(">BBBBIII", 0, 0, 8, 3, 4, 28, 28) + pixels)
open(sys.argv[1] + "/x-labels-idx1-ubyte", "wb").write(struct.pack(">BBBBI", 0, 0, 8, 1, 4) + bytes(4))
PY
"$work/six/six_steps" "$source/examples/models/fashion_mlp.onnx" "$work/x-images-idx3-ubyte" "$work/out.onnx"
"$work/installed/bin/bitwright" inspect "$work/out.onnx" | grep -q 'QuantizedLinear(in_features=784'
