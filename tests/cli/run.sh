#!/usr/bin/env bash
# run.sh BITWRIGHT SOURCE: the verbs and the messages of usage errors.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
pictures good 28 0 1 2 9
data=good-images-idx3-ubyte

shows 'quantize' --help
shows 'quantize' help
shows '--calibrate-only' help quantize
shows 'cifar10' explain data
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
printf 'version = 1\npreset = "fbgemm"\n\n# how activations are watched\n[activation]\nformat = "uint8"\nobsever = "minmax"\n' >recipe.toml
expect 2 "bitwright: recipe.toml: line 7: unknown key 'obsever'; did you mean 'observer'?" quantize "$mlp" --recipe recipe.toml --dry-run

shows 'x smaller' quantize "$mlp" -o out.onnx --data $data --calibrate 4
shows 'zero_point=' inspect out.onnx
shows 'of 4' evaluate out.onnx --data $data
shows 'of 4' evaluate out.onnx --data $data --data-options 'scale = 0.5; mean = [0.25]'
expect 2 "bitwright: --data-options: line 1: unknown key 'meen'; did you mean 'mean'?" evaluate out.onnx --data $data --data-options 'meen = 1'
shows 'Size of the model (MB): ' compare "$mlp" out.onnx --data $data --seconds 0.01 --lines
shows '"integer_share"' compare "$mlp" out.onnx --seconds 0.01 --json
shows 'zero point' quantize "$mlp" --calibrate-only --batches 1 --data $data
# Float networks run fused, as quantize begins with them, and give the same
shows 'BatchNormalization' bench "$cnn" --layers --seconds 0 --no-fuse
"$program" bench "$cnn" --layers --seconds 0 | grep -q BatchNormalization && complain "bench runs a float network unfused"
for fuse in "" --no-fuse; do
  # shellcheck disable=SC2086
  "$program" evaluate "$cnn" --data $data --outputs fused$fuse.npz $fuse >out.txt 2>err.txt || complain "evaluate $fuse: $(cat err.txt)"
done
python3 - <<'PY' || complain "fused and unfused differ"
import struct, zipfile
def values(path):
    with zipfile.ZipFile(path) as arrays:
        data = arrays.read(arrays.namelist()[0])
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])
fused, plain = values("fused.npz"), values("fused--no-fuse.npz")
assert fused != plain and max(abs(a - b) for a, b in zip(fused, plain)) < 1e-4 * max(map(abs, plain))
PY
rm fused*.npz
places=$("$program" inspect out.onnx | grep -o '[0-9]* quantized places' | cut -d' ' -f1)
expect 2 "bitwright: out.onnx: the model is quantized already ($places places); quantize the float model it was made from" \
  quantize out.onnx -o twice.onnx --data $data
leaves good-images-idx3-ubyte good-labels-idx1-ubyte out.onnx recipe.toml
exit $failed
