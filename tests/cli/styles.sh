#!/usr/bin/env bash
# styles.sh BITWRIGHT SOURCE: files in every style and mode are written, read back and say what they are.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

refuses 2 "--style is 'qlinear', it must be one of qdq, qoperator" quantize "$cnn" -o x.onnx --mode weight-only --style qlinear
refuses 1 "x.onnx: node '.*' \(DequantizeLinear\): i4 tensors need opset 21, asked for 13" \
  quantize "$cnn" -o x.onnx --mode weight-only --weights int4/32 --opset 13 -q
[ ! -e x.onnx ] && ! compgen -G "x.onnx.unchecked*" >/dev/null || complain "a refused file left something behind"

shows "opset 21" quantize "$cnn" -o four.onnx --mode weight-only --weights int4/32 -q
shows "opset" convert four.onnx again.onnx --style qoperator
cmp -s <("$program" inspect four.onnx | sed 1d) <("$program" inspect again.onnx | sed 1d) || complain "convert changed the network"

shows "opset" quantize "$cnn" -o rows.onnx --mode dynamic --operators Gemm --per-row -q
"$program" inspect rows.onnx 2>err.txt | grep -q "1 quantized places\|2 quantized places" || complain "run-time scales per row were not found again"
[ ! -s err.txt ] || complain "inspect rows.onnx: $(cat err.txt)"
# Weights inside of branches are quantized places, counted and written back; two branches share one constant
python3 "$here/branches.py"
shows "2 quantized places" inspect branches.onnx
shows "8 parameters" inspect branches.onnx
shows "opset" convert branches.onnx branches.again.onnx
shows "2 quantized places" inspect branches.again.onnx
exit "$failed"
