#!/usr/bin/env bash
# bad_runs.sh BITWRIGHT SOURCE: runs that a machine cannot do as asked: instructions it lacks, more threads than cores, shapes and
# memory that do not fit. Never a wrong number: the same outputs, or one line that says why.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
pictures good 28 0 1 2 9
pictures small 14 0 1 2 9
data=good-images-idx3-ubyte
"$program" quantize "$cnn" -o int8.onnx --data $data --calibrate 4 >out.txt 2>err.txt || complain "quantize: $(cat err.txt)"
"$program" evaluate int8.onnx --data $data --outputs wanted.npz >out.txt 2>err.txt || complain "evaluate: $(cat err.txt)"
same() { cmp -s wanted.npz got.npz || complain "other outputs: $*"; }

# Whatever instructions the machine has or may use, it computes the same, and says what it may not use
for isa in ref avx2 avxvnni avx512 avx512vbmi amx; do
  BITWRIGHT_ISA=$isa "$program" evaluate int8.onnx --data $data --outputs got.npz >out.txt 2>err.txt || complain "$isa: $(cat err.txt)"
  same "BITWRIGHT_ISA=$isa"
done
[ "$(uname -m)" != x86_64 ] || BITWRIGHT_ISA=ref shows 'avx512: above BITWRIGHT_ISA' inspect int8.onnx --steps
BITWRIGHT_ISA=ref shows 'the arithmetic peak of ref is not known' bench int8.onnx --layers --seconds 0
BITWRIGHT_ISA=sse9 expect 2 "bitwright: BITWRIGHT_ISA is 'sse9'; it may be ref, avx2, avxvnni, avx512, avx512vbmi or amx" bench int8.onnx --seconds 0

# Threads
for threads in 3 17 200; do
  "$program" evaluate int8.onnx --data $data --outputs got.npz --threads $threads >out.txt 2>err.txt || complain "$threads threads: $(cat err.txt)"
  same "$threads threads"
done
refuses 2 '--threads: Value 1025 not in range' bench int8.onnx --threads 1025

# Shapes
refuses 1 ".*\[(1|4|N),1,14,14\].*" evaluate int8.onnx --data small-images-idx3-ubyte
# Memory: what no machine has, and what this process may not have (sanitizers take more than all for themselves)
refuses 1 '.*(cannot allocate|larger than any memory|is not possible).*' bench int8.onnx --batch 100000000000 --seconds 0
if [ -z "${BITWRIGHT_SANITIZE:-}" ]; then
  ulimit -v 1000000
  refuses 1 '.*(cannot allocate|not enough memory).*' bench int8.onnx --batch 500000 --seconds 0
  refuses 1 '.*only [0-9]+ of 900 threads can be started: .*' bench int8.onnx --threads 900 --seconds 0
fi
leaves good-images-idx3-ubyte good-labels-idx1-ubyte small-images-idx3-ubyte small-labels-idx1-ubyte int8.onnx wanted.npz got.npz
exit $failed
