#!/usr/bin/env bash
# bad_data.sh BITWRIGHT SOURCE: data that cannot be used are refused in one line that names the file and what is wrong.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
pictures good 28 0 1 2 9
pictures small 20 0 1 2 3
pictures far 28 77
pictures none 28
mkdir empty headless missing && : >empty/labels.csv
printf 'file;label\na.png;1\n' >headless/labels.csv
printf 'file,label\nnot_there.png,1\n' >missing/labels.csv
head -c 1000 good-images-idx3-ubyte >cut-images-idx3-ubyte
cp good-labels-idx1-ubyte cut-labels-idx1-ubyte
cp good-images-idx3-ubyte few-images-idx3-ubyte && cp far-labels-idx1-ubyte few-labels-idx1-ubyte
mkdir broken && printf 'file,label\nbroken.jpg,1\n' >broken/labels.csv && head -c 200 /dev/urandom >broken/broken.jpg
head -c 300 "$cnn" >cut.npz && cp cut.npz cut.npy && : >nothing.npz
python3 - <<'PY'
import struct
def npy(path, values, shape, kind="<f4"):
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values)
npy("nan.npy", struct.pack("<f", float("nan")) * 784, (1, 1, 28, 28))
npy("lies.npy", b"\0" * 16, (1 << 40, 1, 28, 28))
npy("wrong.npy", b"\0" * 48, (1, 12))
PY
kept=$(find . -mindepth 1 -printf '%P\n')

both() {  # both 'PATTERN' DATA: neither calibration nor evaluation takes it
  refuses 1 "$1" quantize "$cnn" -o out.onnx --data "$2"
  refuses 1 "$1" evaluate "$cnn" --data "$2"
}
both 'not_here: .*' not_here
both 'empty.*' empty
both 'headless.*' headless
both '.*not_there.png' missing
both '.*broken.jpg' broken
both 'none-images.*' none-images-idx3-ubyte
both 'cut-images-idx3-ubyte.*' cut-images-idx3-ubyte
both '.*(few-images|few-labels).*' few-images-idx3-ubyte
both 'cut.npz.*' cut.npz
both 'cut.npy.*' cut.npy
both 'nothing.npz.*' nothing.npz
both 'lies.npy.*' lies.npy
both ".*fashion_cnn.onnx: the network's input 'x' wants \[N,1,28,28\], the data give \[4,1,20,20\]; resize and crop" small-images-idx3-ubyte
refuses 1 ".*fashion_cnn.onnx: the network's input 'x' wants \[N,1,28,28\], the data give \[1,12\]" quantize "$cnn" -o out.onnx --data wrong.npy
refuses 2 '.*have no labels or expected outputs to judge by' evaluate "$cnn" --data wrong.npy
refuses 1 'idx images, 1 records.*: record 0: label 77 is out of range: the network knows 10 classes' evaluate "$cnn" --data far-images-idx3-ubyte
refuses 1 ".*fashion_cnn.onnx: .*'x' had no finite value in the calibration data" quantize "$cnn" -o out.onnx --data nan.npy
refuses 2 '.*' quantize "$cnn" -o out.onnx --data good-images-idx3-ubyte --select 'first 0'
refuses 2 '.*--select.*|.*selection.*|.*frist.*' evaluate "$cnn" --data good-images-idx3-ubyte --select 'frist 3'
refuses 2 ".*idxx.*" evaluate "$cnn" --data idxx:good-images-idx3-ubyte
# shellcheck disable=SC2086
leaves $kept
exit $failed
