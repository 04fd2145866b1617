#!/usr/bin/env bash
# ways.sh BITWRIGHT SOURCE: the three ways to quantize, every operator and weight format of each, from the command line; presets,
# overrides, edges and switches. Each written file is read back and run.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
pictures good 28 0 1 2 9
data=good-images-idx3-ubyte
python3 "$here/ways.py"

# makes 'TEXT' ARGUMENTS...: a quantization that says TEXT, whose file runs
makes() {
  local text=$1
  shift
  rm -f out.onnx
  shows "$text" quantize "$@" -o out.onnx -q
  [ ! -e out.onnx ] || "$program" bench out.onnx --seconds 0 >out.txt 2>err.txt || complain "the file of bitwright quantize $* does not run: $(cat err.txt)"
}

# Dynamic: these operators by default, Conv and Gather when asked for (mission A2.5), and why
for op in MatMul Gemm LSTM GRU RNN; do makes "1 x $op: " ${op,,}.onnx --mode dynamic; done
for op in MatMul Gemm Conv LSTM GRU RNN Gather; do
  for weights in int8 uint8 fp16 int8/tensor; do makes "1 x $op: " ${op,,}.onnx --mode dynamic --operators $op --weights $weights; done
done
expect 2 "bitwright: conv.onnx: nothing would be quantized; 'conv' (Conv): bound by activations: static quantization suits convolutions better, so only when named" \
  quantize conv.onnx -o out.onnx --mode dynamic
for op in MatMul Gemm; do makes "1 x $op: " ${op,,}.onnx --mode dynamic --per-row; done

for op in LSTM GRU RNN; do  # not static
  refuses 2 "${op,,}.onnx: nothing would be quantized; '${op,,}' \($op\): recurrent cells take the modes dynamic and weight-only" \
    quantize ${op,,}.onnx -o out.onnx --data $data
done

# Weight-only
for op in MatMul Gemm Conv LSTM GRU RNN Gather; do
  for weights in int8 int4/32 fp16; do makes "1 x $op: " ${op,,}.onnx --mode weight-only --weights $weights; done
done
"$program" quantize matmul.onnx -o g.onnx --mode weight-only --weights int4/32 >out.txt
shows 'int4 in groups of 32 (32 scales)' inspect g.onnx

# Static, by every preset and profile
for preset in bitwright fbgemm x86 qnnpack onednn pytorch_default onnxruntime tflite; do
  makes '4 x Conv: int8 weights, integer accumulators' "$cnn" --data $data --preset $preset
done
for profile in ort real tflite; do makes 'integer accumulators' "$cnn" --data $data --profile $profile; done
for bits in 2 3 4 5 6 7 8; do makes "int$bits weights" "$cnn" --data $data --weights int$bits --activations uint$bits; done
makes '1 x Gemm: the recipe keeps the first layer float (nn1)' "$mlp" --data $data --first float
makes '1 x Gemm: the recipe keeps the last layer float (nn3)' "$mlp" --data $data --last float
makes '4 x BatchNormalization: this operator has no integer form' "$cnn" --data $data --no-fuse
expect 2 "bitwright: there is no number format 'int9x'; did you mean 'int9'?" quantize "$cnn" --weights int9x --dry-run
refuses 2 ".*minmx'; did you mean 'minmax'\?" quantize "$cnn" --observer minmx --dry-run

makes '4 x BatchNormalization' "$cnn" --data $data --skip-passes fold_batch_norm
shows fold_batch_norm explain passes

# Overrides by name, pattern and operator type; passes one by one
cat >overrides.toml <<'T'
version = 1
skip_passes = ["fold_batch_norm"]
[weight]
format = "int8"
[[override]]
match = "conv*"
[override.weight]
format = "int4"
[[override]]
match = "conv2"
quantize = false
[[override]]
op = "Gemm"
[override.weight]
granularity = "tensor"
T
makes '4 x BatchNormalization' "$cnn" --data $data --recipe overrides.toml
"$program" quantize "$cnn" -o o.onnx --data $data --recipe overrides.toml >out.txt 2>err.txt || complain "overrides: $(cat err.txt)"
shows '(conv1): QuantizedConv(1, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), weights=int4' inspect o.onnx
shows '(conv2): Conv(' inspect o.onnx
shows '(fc): QuantizedLinear(in_features=64, out_features=10, weights=int8 per tensor' inspect o.onnx
"$program" quantize "$mlp" -o o.onnx --data $data --exclude nn1 >out.txt 2>err.txt || complain "--exclude nn1: $(cat err.txt)"
shows '(nn1): Gemm(in_features=784, out_features=128, scale=' inspect o.onnx  # float, though its result becomes codes
sed -i 's/match = "conv2"/match = "konv2"/' overrides.toml
refuses 2 ".*konv2.*did you mean 'conv2'\?" quantize "$cnn" -o o.onnx --data $data --recipe overrides.toml
sed -i 's/fold_batch_norm/fold_batchnorm/; s/konv2/conv2/' overrides.toml
refuses 2 ".*fold_batchnorm.*did you mean 'fold_batch_norm'\?" quantize "$cnn" -o o.onnx --data $data --recipe overrides.toml
refuses 2 ".*conv9.*" quantize "$cnn" -o o.onnx --data $data --exclude conv9
exit $failed
