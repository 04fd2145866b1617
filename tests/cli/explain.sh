#!/usr/bin/env bash
# explain.sh BITWRIGHT SOURCE: the printed forms of the course (reference/mission.md A0.2, A0.8, A1.9, A1.11, A1.15, A2.5, A2.8, A3.3
# to A3.9), and what inspect prints of a quantized network (A3.14, A3.18).
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
pictures good 28 0 1 2 9
data=good-images-idx3-ubyte

# A3.3: 85.125 = 1.010101001b x 2^6
for line in 'sign     0' 'exponent 10000101 (133)' 'mantissa 01010100100000000000000' 'hex      0x42AA4000' \
  'value    1.01010100100000000000000b x 2^6'; do shows "$line" explain bits 85.125; done
shows 'value    0.00000000000000000000001b x 2^-126' explain bits 1.4e-45
shows 'value    -infinity' explain bits -- -inf
shows 'value    not a number' explain bits nan --type fp16
shows 'hex      0x5552' explain bits 85.125 --type fp16
# A3.4
for line in 'code     -85' 'bits     10101011' 'hex      0xAB' "sign     1, two's complement: -128 * 1 + 43"; do
  shows "$line" explain bits --type int8 -- -85
done
shows 'bits     1111' explain bits 99 --type uint4
shows 'code     16777217' explain bits 16777217 --type int32
shows 'code     2147483647' explain bits 3e9 --type int32

# A0.2: all sixteen numbers
vector=0.6004,-1.0151,1.1885,0.9948,-0.3187,-1.1111,0.7827,-1.1217
shows 'FP32: [0.6004, -1.0151, 1.1885, 0.9948, -0.3187, -1.1111, 0.7827, -1.1217]' explain qparams $vector
shows 'INT8: [0.5979, -1.0147, 1.1868, 0.9966, -0.3171, -1.1143, 0.7791, -1.1234]' explain qparams $vector
shows 'INT8 integer representation: [62, -116, 127, 106, -39, -127, 82, -128]' explain qparams $vector
shows 'scale = 0.009059608, zero point Z = -4 in x = (q - Z) * s; 4 where a text writes x = (q + Z) * s' explain qparams $vector  # A1.15
shows 'mean squared error: 5.11' explain qparams $vector
# A0.8
vector=1.4243,-0.7382,-1.0199,0.6312,-0.4644,-1.2151,1.1037,0.2785
shows 'INT8 integer representation: [127, -128, -128, 101, -111, -128, 127, 33]' explain qparams $vector --mode clip
shows 'INT8: [0.7644, -0.5527, -0.5527, 0.6302, -0.4649, -0.5527, 0.7644, 0.2789]' explain qparams $vector --mode clip
# A2.8: round(127 * 0.1) = 13, back 0.10236
shows 'INT8: [0.1024, 1.0000]' explain qparams 0.1,1 --mode restricted
shows 'INT8 integer representation: [13, 127]' explain qparams 0.1,1 --mode restricted
# A3.7, A3.9
shows 'INT4 integer representation: [-7, 2, 7]' explain qparams --bits 4 --mode restricted -- -1 0.3 1
shows 'scale = 0.015686275, zero point Z = 64' explain qparams --mode affine -- -1 3
shows 'UINT8 integer representation: [0, 255]' explain qparams --mode affine -- -1 3
# A1.9
shows 'int8        8           -128           127     256  i8' explain formats
shows '3.4028235e38' explain formats
shows 'fp16       16         -65504         65504   65536  f16' explain formats
shows 'bf16       16  -3.3895314e38  3.3895314e38   65536  bf16' explain formats
# A2.5
shows 'LSTM, GRU, RNN     dynamic  weights are read at every step: memory bound' explain choices
shows 'fbgemm' explain presets
"$program" explain data | sed -n '/^line of/,$p' | sed '1,2d; s/   *[^ ].*//' >lines.txt
[ "$(wc -l <lines.txt)" -gt 10 ] || complain "explain data names few lines: $(cat lines.txt)"
while read -r line; do
  "$program" quantize "$mlp" --dry-run --data $data --data-options "$line" >out.txt 2>err.txt ||  # pictures of another size do not fit this network
    ! grep -q "^bitwright: --data-options" err.txt || complain "explain data: $line: $(cat err.txt)"
done <lines.txt
expect 2 "bitwright: nothing is known about 'bitz'; did you mean 'bits'?" explain bitz
expect 2 "bitwright: 'eight' is no number" explain bits eight
expect 2 "bitwright: explain bits needs numbers" explain bits
expect 2 "bitwright: --mode is 'clipp', it must be one of normal, clip, affine, symmetric, restricted; did you mean 'clip'?" explain qparams 1 2 --mode clipp
expect 2 "bitwright: --bits is 99, it must lie between 2 and 16" explain qparams 1 2 --bits 99

# A1.11
shows 'x smaller' quantize "$cnn" -o q.onnx --data $data --calibrate 4
for word in 'conv1: Conv + Relu, 16 output channels' 'input codes' 'sum, reachable' 'never overflows 32 bits' 'sum of 9 products' '* 2^-31 * 2^' 'Relu in the same clamp'; do
  shows "$word" explain layer q.onnx conv1 --data $data
done
shows 'y = fl32(sum) * s_x * s_w' explain layer q.onnx fc
expect 2 "bitwright: there is no layer 'conv11' with static 8-bit codes; did you mean 'conv1'?" explain layer q.onnx conv11
refuses 2 'explain layer needs the name of a layer; q.onnx has conv1, conv2, conv3, conv4, fc' explain layer q.onnx
# A3.14, A3.18
shows '(x): Quantize(scale=' inspect q.onnx
shows '(conv1): QuantizedConv(1, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), weights=int8 per channel (16 scales), scale=' inspect q.onnx
shows '(fc): QuantizedLinear(in_features=64, out_features=10, weights=int8 per channel (10 scales))' inspect q.onnx
shows 'fc input 1 [' inspect q.onnx --nodes fc --values
"$program" quantize "$mlp" -o d.onnx --mode dynamic >out.txt
shows '(nn1): DynamicQuantizedLinear(in_features=784, out_features=128, weights=int8' inspect d.onnx
expect 2 "bitwright: --nodes: there is no node 'conv9'; did you mean 'conv1'?" inspect q.onnx --nodes conv9
# A0.17
shows 'scale  zero point' quantize "$mlp" --calibrate-only --batches 1 --nodes x,relu,relu_1,nn3 --data $data
[ "$(grep -cE '^(x|relu|relu_1|nn3) ' out.txt)" = 4 ] || complain "four nodes were asked for: $(cat out.txt)"
expect 2 "bitwright: $mlp: the network has no node 'relu_2'; did you mean 'relu_1'?" quantize "$mlp" --calibrate-only --nodes relu_2 --data $data

# Every command speaks JSON
valid() { "$program" "$@" --json 2>err.txt | python3 -c 'import json, sys; json.load(sys.stdin)' 2>>err.txt || complain "bitwright $* --json: $(tail -1 err.txt)"; }
valid explain bits 85.125
valid explain bits 3 --type int8
valid explain qparams 1,2,3
valid explain layer q.onnx conv2
for topic in data formats choices presets passes; do valid explain $topic; done
valid inspect q.onnx
valid inspect q.onnx --values --nodes fc
valid inspect d.onnx
valid quantize "$mlp" --dry-run
valid quantize "$mlp" --dry-run --mode dynamic
valid quantize "$mlp" --print-recipe
valid quantize "$mlp" --calibrate-only --data $data
valid quantize "$mlp" -o j.onnx --data $data
valid evaluate q.onnx --data $data
valid evaluate q.onnx --data $data --dry-run
valid compare "$cnn" q.onnx --data $data --seconds 0.01
valid compare "$cnn" q.onnx --data $data --dry-run
valid bench q.onnx --seconds 0.01
valid bench q.onnx --seconds 0.01 --layers
valid convert q.onnx c.onnx
valid convert q.onnx c.onnx --dry-run
[ ! -e /usr/share/datasets/fashion-mnist ] || valid demo
exit $failed
