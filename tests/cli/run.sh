#!/usr/bin/env bash
# run.sh BITWRIGHT SOURCE: exit statuses and messages of the program. Every error is one line on standard error, exit 1
# (2 for usage), and leaves no file behind.
set -uo pipefail
program=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mlp=$source/examples/models/fashion_mlp.onnx
failed=0

# expect STATUS 'STANDARD ERROR' ARGUMENTS...
expect() {
  local status=$1 message=$2 got out
  shift 2
  "$program" "$@" >out.txt 2>err.txt
  got=$?
  out=$(cat err.txt)
  if [ "$got" != "$status" ] || [ "$out" != "$message" ]; then
    printf 'bitwright %s\n  wanted %s: %s\n  got    %s: %s\n' "$*" "$status" "$message" "$got" "$out"
    failed=1
  fi
}

# shows 'TEXT' ARGUMENTS...: exit 0 and the text among the output
shows() {
  local text=$1
  shift
  "$program" "$@" >out.txt 2>err.txt || { echo "bitwright $*: exit $?: $(cat err.txt)"; failed=1; return; }
  grep -qF -- "$text" out.txt || { echo "bitwright $*: no '$text' in:"; cat out.txt; failed=1; }
}

# CIFAR-like data would need a network; idx files of four 28x28 pictures serve the example.
python3 - <<'PY'
import struct
def idx(name, dims, data):
    open(name, "wb").write(struct.pack(">BBBB", 0, 0, 8, len(dims)) + b"".join(struct.pack(">I", d) for d in dims) + data)
idx("good-images-idx3-ubyte", (4, 28, 28), bytes(i % 251 for i in range(4 * 784)))
idx("good-labels-idx1-ubyte", (4,), bytes([0, 1, 2, 9]))
idx("small-images-idx3-ubyte", (4, 20, 20), bytes(1600))
idx("small-labels-idx1-ubyte", (4,), bytes(4))
idx("far-images-idx3-ubyte", (1, 28, 28), bytes(784))
idx("far-labels-idx1-ubyte", (1,), bytes([77]))
PY

shows 'quantize' --help
shows 'mantissa 01010100100000000000000' explain bits 85.125
shows 'INT8 integer representation: [62, -116, 127, 106, -39, -127, 82, -128]' \
  explain qparams 0.6004,-1.0151,1.1885,0.9948,-0.3187,-1.1111,0.7827,-1.1217
shows '127' explain formats
shows 'parameters' inspect "$mlp"
shows 'quantized: ' quantize "$mlp" --dry-run
shows 'preset = "fbgemm"' quantize "$mlp" --preset fbgemm --print-recipe

expect 2 "bitwright: a command is missing (bitwright --help lists them)"
expect 2 "bitwright: unknown command 'quantise'; did you mean 'quantize'? (bitwright --help lists them)" quantise x
expect 2 "bitwright: unknown option '--dat'; did you mean '--data'? (bitwright evaluate --help lists them)" evaluate "$mlp" --dat y
expect 2 "bitwright: evaluate needs --data" evaluate "$mlp"
expect 2 "bitwright: quantize needs -o OUT, --calibrate-only or --dry-run" quantize "$mlp"
expect 2 "bitwright: there is no preset 'fbgem'; did you mean 'fbgemm'?" quantize "$mlp" --preset fbgem --dry-run
expect 2 "bitwright: static quantization needs calibration data; dynamic and weight-only do not" quantize "$mlp" -o out.onnx
expect 1 "bitwright: none.onnx: cannot be opened: No such file or directory" inspect none.onnx
expect 1 "bitwright: out.tflite: only ONNX files can be written; the name must end in .onnx" convert "$mlp" out.tflite
"$program" evaluate "$mlp" --data far-images-idx3-ubyte >out.txt 2>err.txt
[ $? = 1 ] && grep -q '^bitwright: .*77' err.txt || { echo "label 77 was not refused: $(cat err.txt)"; failed=1; }
"$program" evaluate "$mlp" --data small-images-idx3-ubyte >out.txt 2>err.txt
[ $? = 1 ] && grep -q "^bitwright: the network's input 'x' wants" err.txt || { echo "20x20 pictures were not refused: $(cat err.txt)"; failed=1; }
"$program" quantize "$mlp" -o none/out.onnx --data good-images-idx3-ubyte >out.txt 2>err.txt
[ $? = 1 ] && grep -q '^bitwright: none/out.onnx' err.txt || { echo "an unwritable output was not refused: $(cat err.txt)"; failed=1; }
[ "$(wc -l <err.txt)" -le 1 ] || { echo "more than one line:"; cat err.txt; failed=1; }

shows 'x smaller' quantize "$mlp" -o out.onnx --data good-images-idx3-ubyte --calibrate 4
shows 'zero_point=' inspect out.onnx
shows 'of 4' evaluate out.onnx --data good-images-idx3-ubyte
shows 'of 4' evaluate out.onnx --data good-images-idx3-ubyte --data-options 'scale = 0.5; mean = [0.25]'
expect 2 "bitwright: --data-options: line 1: unknown key 'meen'; did you mean 'mean'?" evaluate out.onnx --data good-images-idx3-ubyte --data-options 'meen = 1'
shows 'Size of the model (MB): ' compare "$mlp" out.onnx --data good-images-idx3-ubyte --seconds 0.01 --lines
shows '"integer_share"' compare "$mlp" out.onnx --seconds 0.01 --json
shows 'zero point' quantize "$mlp" --calibrate-only --batches 1 --data good-images-idx3-ubyte
expect 2 "bitwright: the model is quantized already ($(grep -o '[0-9]* quantized places' <("$program" inspect out.onnx) | cut -d' ' -f1) places); quantize the float model it was made from" \
  quantize out.onnx -o twice.onnx --data good-images-idx3-ubyte
shows 'weights' quantize "$mlp" -o dynamic.onnx --mode dynamic
shows 'weights' quantize "$mlp" -o half.onnx --mode weight-only --weights fp16
shows 'of 4' evaluate out.onnx --data good-images-idx3-ubyte --batch 3 --outputs outputs.npz
[ "$(python3 -m zipfile -l outputs.npz | wc -l)" = 2 ] || { echo "outputs.npz does not hold one array: $(python3 -m zipfile -l outputs.npz)"; failed=1; }
rm -f outputs.npz
left=$(ls | grep -vE '^(out|err)\.txt$|ubyte$|^(out|dynamic|half)\.onnx$' || true)
[ -z "$left" ] || { echo "files left behind: $left"; failed=1; }
exit $failed
