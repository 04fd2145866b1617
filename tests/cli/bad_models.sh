#!/usr/bin/env bash
# bad_models.sh BITWRIGHT SOURCE: models that are broken are refused in one line that names file, node or tensor and cause;
# nothing is allocated beyond what the file holds.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
[ -n "${BITWRIGHT_SANITIZE:-}" ] || ulimit -v 2000000  # kB
python3 "$here/bad_models.py"
kept=$(find . -mindepth 1 -printf '%P\n')

# at_load FILE 'PATTERN': every command that reads a model refuses it
at_load() {
  refuses 1 "$1: $2" inspect "$1"
  refuses 1 "$1: $2" quantize "$1" -o out.onnx --mode weight-only
  refuses 1 "$1: $2" convert "$1" out.onnx
}
at_load empty.onnx 'is empty'
at_load text.onnx 'is not an ONNX model or is cut off: its bytes are no fields'
at_load folder.onnx 'is a folder, wanted a file'
at_load cycle.onnx "node '.*' \(.*\): is part of a cycle"
at_load no_weights.onnx "node 'fc' \(MatMul\): reads 'w', which nothing makes"
at_load no_maker.onnx "graph output 'y' is made by no node"
at_load made_twice.onnx "value 'y' is made twice"
at_load no_outputs.onnx 'the graph has no outputs'
at_load control_characters.onnx "node 'z' \(Relu\): reads '\\\\x0a\\\\x1b\[31mred', which nothing makes"
at_load short_data.onnx "tensor 'w' \[1000,1000\]: has 4 bytes of data, its shape needs 4000000"
at_load long_data.onnx "tensor 'w' \[2,2\]: has 36 bytes of data, its shape needs 16"
at_load unknown_type.onnx "tensor 'w' \[4,2\]: has unknown element type 77"
at_load negative.onnx "tensor 'w' \[-4,2\]: a tensor of shape \[-4,2\] is not possible"
at_load huge.onnx "tensor 'w' .* is not possible"
at_load overflow.onnx "tensor 'w' .* is not possible"
at_load sub/escape.onnx "tensor 'w' \[4,2\]: external data at '../secret.bin' lie outside of the model's folder"
at_load sub/link.onnx "tensor 'w' \[4,2\]: external data at 'link.bin' lie outside of the model's folder"
at_load absolute.onnx "tensor 'w' \[4,2\]: external data at '.*/secret.bin' are not a file beside the model"
at_load gone.onnx '.*gone.bin: cannot be opened: No such file or directory'
at_load beyond.onnx "tensor 'w' \[4,2\]: external data at 'secret.bin' end at byte 32, wanted 32 bytes from 16"
at_load far.onnx "tensor 'w' \[4,2\]: external data at 'secret.bin' end at byte 32, wanted 32 bytes from 9223372036854775800"
at_load before.onnx "tensor 'w' \[4,2\]: external data have offset '-8', wanted a number of bytes"
at_load words.onnx "tensor 'w' \[4,2\]: external data have offset 'many', wanted a number of bytes"
at_load overlap.onnx "tensor 'v' \[4,2\]: external data at 'secret.bin', 32 bytes from 0, overlap those of tensor 'w'"
at_load nowhere.onnx "tensor 'w' \[4,2\]: external data at '' are not a file beside the model"

# at_run FILE 'PATTERN': looking at it is possible, running it is not
at_run() {
  shows "$1" inspect "$1"
  refuses 1 "$1: $2" bench "$1" --seconds 0
}
at_run unknown_operator.onnx "node 'op' \(Frobnicate\): this operator is not supported"
at_run unknown_domain.onnx "node 'op' \(acme.ops.Relu\): this operator is not supported"
at_run wrong_inner.onnx "node 'fc' \(MatMul\): shapes \[1,4\] and \[3,2\] cannot be multiplied"
at_run wrong_channels.onnx "node 'op' \(Conv\): weights \[1,1,3,3\] do not fit 2 input channels in 1 groups"
at_run zero_stride.onnx "node 'op' \(Conv\): strides holds 0, wanted at least 1"
at_run rank.onnx "node 'fc' \(MatMul\): shapes .* \.\.\. .*cannot be multiplied"
at_run fill.onnx "cannot allocate|node 'op' \\(Expand\\): a tensor of shape .* is larger than any memory"
at_run tile.onnx "node 'op' \(Tile\): a tensor of shape .* is larger than any memory"
at_run tile_wraps.onnx "node 'op' \(Tile\): a tensor of shape .* is not possible"
at_run pad.onnx "node 'op' \(Pad\): a tensor of shape .* is larger than any memory"
at_run blocks.onnx "node 'op' \(DepthToSpace\): blocksize is 4294967296"
refuses 1 "zero_stride.onnx: node 'op' \(Conv\): strides holds 0" inspect zero_stride.onnx --steps
at_run big_input.onnx 'a tensor of shape .* is larger than any memory'
at_run conv_pads.onnx "node 'op' \(Conv\): pads holds 1099511627776"

expect 0 'note: gone.out.onnx was read back but not run: one run would take 3.3 GB' convert gigabytes.onnx gone.out.onnx
for line in 'inspect red.onnx' 'inspect red.onnx --steps --values' 'quantize red.onnx -o red.out.onnx --mode weight-only' 'bench red.onnx --seconds 0 --layers'; do
  # shellcheck disable=SC2086
  "$program" $line >out.txt 2>&1 || complain "$line: $(cat out.txt)"
  ! grep -qP '[\x00-\x09\x0b-\x1f]' out.txt || complain "$line: control characters reach the terminal"
  ! grep -q '^.\[31m' out.txt || complain "$line: a name breaks a line"
done
"$program" inspect red.onnx | grep -qF '(a\x0a\x1b[31mb\x07): MatMul' || complain "inspect does not show the name escaped"
rm -f gone.out.onnx red.out.onnx
for model in nan inf; do  # no range holds them
  refuses 1 "$model.onnx: node 'fc' \(MatMul\): its weights 'w' hold infinite values or NaN, which no scale can hold; mend them or exclude the node" \
    quantize $model.onnx -o out.onnx --mode weight-only
done
# shellcheck disable=SC2086
leaves $kept
python3 "$here/corrupt.py" "$program" "$cnn" 60 || failed=1
exit $failed
