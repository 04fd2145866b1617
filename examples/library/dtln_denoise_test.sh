#!/usr/bin/env bash
# dtln_denoise_test.sh BITWRIGHT EXAMPLE SOURCE: speech cleaned by the quantized networks is near that of the float ones.
set -euo pipefail
program=$1 example=$2 data=$3/../shared/data/lstm
[ -d "$data" ] || { echo "../shared/data/lstm is absent: skipped"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 - "$data/silero_vad/test.wav" <<'PY'
import sys, wave
with wave.open(sys.argv[1]) as source, wave.open("noisy.wav", "wb") as out:
    out.setparams(source.getparams())
    out.writeframes(source.readframes(4 * 16000))
PY
"$program" quantize "$data/dtln/model_1.onnx" -o 1.onnx --mode dynamic --state input_3=tf_op_layer_stack_2 -q >/dev/null
"$program" quantize "$data/dtln/model_2.onnx" -o 2.onnx --mode dynamic --state input_5=tf_op_layer_stack_5 -q >/dev/null
"$example" "$data/dtln/model_1.onnx" "$data/dtln/model_2.onnx" noisy.wav float.wav
"$example" 1.onnx 2.onnx noisy.wav int8.wav
python3 - <<'PY'
import array, math, sys, wave
def samples(name):
    with wave.open(name) as file:
        return array.array("h", file.readframes(file.getnframes()))
a, b = samples("float.wav"), samples("int8.wav")
assert len(a) == len(b) and max(a) > 1000, "no speech came through"
snr = 10 * math.log10(sum(x * x for x in a) / sum((x - y) ** 2 for x, y in zip(a, b)))
print(f"{snr:.1f} dB")
sys.exit(snr < 35)
PY
