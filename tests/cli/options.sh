#!/usr/bin/env bash
# options.sh BITWRIGHT SOURCE: options that would do nothing are refused in a line that names them and the way out.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
pictures good 28 0 1 2 9
data=good-images-idx3-ubyte
idle() {  # idle 'MESSAGE' OPTIONS...
  local message=$1
  shift
  expect 2 "bitwright: $message" quantize "$mlp" "$@"
}
static="which needs no data; leave it out or take --mode static"
floats="whose results are float; leave it out or take --mode static"

for mode in dynamic weight-only; do
  for option in "--observer mse" "--percentile 99" "--data $data" "--calibrate 4" "--batch 4" "--batches 1" "--calibrate-only"; do
    # shellcheck disable=SC2086
    idle "${option%% *} does nothing in mode $mode, $static" --mode $mode --dry-run $option
  done
  idle "--style does nothing in mode $mode, which has one form in files; leave it out or take --mode static" --mode $mode --dry-run --style qoperator
  for option in --float-outputs --code-outputs "--profile real"; do
    # shellcheck disable=SC2086
    idle "${option%% *} does nothing in mode $mode, $floats" --mode $mode --dry-run $option
  done
done
for mode in static weight-only; do
  idle "--per-row does nothing in mode $mode; leave it out or take --mode dynamic" --mode $mode --dry-run --per-row
done
idle "--activations does nothing in mode weight-only, whose activations stay float; leave it out or take --mode static or dynamic" \
  --mode weight-only --dry-run --activations uint8

idle "--float-outputs and --code-outputs contradict each other; give one" --dry-run --float-outputs --code-outputs
idle "--calibrate and --batches both say how many records to take; give one" --dry-run --calibrate 4 --batches 1
idle "--percentile does nothing with the observer minmax; add --observer percentile" --dry-run --percentile 99
idle "--nodes belongs to --calibrate-only (what stays float is said by --exclude)" --dry-run --nodes nn1
idle "--nodes needs --data" --calibrate-only --nodes nn1
for option in "-o out.onnx" "--opset 13" "--style qdq" --all; do
  # shellcheck disable=SC2086
  idle "${option%% *} does nothing with --calibrate-only, which writes no network; leave one of them out" --data $data --calibrate-only $option
done
idle "--select needs --data" --dry-run --select odd
idle "--data-options needs --data" --dry-run --data-options 'scale = 1'
expect 2 "bitwright: --select needs --data" compare "$mlp" "$mlp" --select odd
expect 2 "bitwright: --target belongs to --steps" inspect "$mlp" --target float

expect 2 "bitwright: --seconds: must not be below 0" bench "$mlp" --seconds -1
"$program" bench "$mlp" --seconds 0 --target integer >out.txt 2>err.txt
[ "$(cat err.txt)" = "note: $mlp is not quantized: the integer target computes it in float" ] || complain "bench --target integer: $(cat err.txt)"

expect 2 "bitwright: --bits belongs to explain qparams" explain bits 5 --bits 4
expect 2 "bitwright: --type belongs to explain bits" explain qparams 5 6 --type int8
expect 2 "bitwright: --data belongs to explain layer" explain formats --data $data

# Words and formats that cannot be
idle "--mode is 'dynamc', it must be one of static, dynamic, weight-only" --dry-run --mode dynamc
refuses 2 "there is no operator 'Gem'; did you mean 'Gemm'\?" quantize "$mlp" --dry-run --operators Gem
shows 'quantized: ' quantize "$mlp" --dry-run --operators Gemm,LSTM
refuses 2 ".*activations in int32 are not known; take int2 ... int16 or uint2 ... uint16, fp16 or bf16" quantize "$mlp" --dry-run --activations int32
refuses 2 ".*activations in fp16 are not known; take int2 ... int16 or uint2 ... uint16" quantize "$mlp" --dry-run --mode dynamic --activations fp16
refuses 2 ".*static quantization takes weights of at most 16 bits, not int32" quantize "$mlp" --dry-run --weights int32
printf 'version = 1\n[[override]]\nop = "Gem"\nquantize = false\n' >gem.toml
refuses 2 ".*override 'Gem' names no node of the model; did you mean 'Gemm'\?" quantize "$mlp" --dry-run --recipe gem.toml
# What a recipe says for another mode is a default, no mistake
printf 'version = 1\n[activation]\nobserver = "mse"\nper_row = true\n' >all.toml
shows 'quantized: ' quantize "$mlp" --dry-run --mode weight-only --recipe all.toml
# A dry run of what needs no data runs nothing and says what the weights need
shows 'need no calibration; make codes of 3 tensors, ' quantize "$mlp" --dry-run --mode dynamic
exit "$failed"
