#!/usr/bin/env bash
# outputs.sh BITWRIGHT SOURCE: an output appears whole or not at all. What stood there before stays when writing fails: places
# that cannot be written, a full disk, Ctrl-C in the middle.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
pictures good 28 0 1 2 9
data=good-images-idx3-ubyte
mkdir folder.onnx
echo precious >out.onnx
untouched() { [ "$(cat out.onnx)" = precious ] || complain "out.onnx was touched by: $*"; }

refuses 1 'none/out.onnx: cannot be written: No such file or directory' quantize "$mlp" -o none/out.onnx --data $data
refuses 1 'none/out.onnx: cannot be written: No such file or directory' convert "$mlp" none/out.onnx
refuses 1 'folder.onnx: cannot be written: Is a directory' quantize "$mlp" -o folder.onnx --data $data
refuses 1 'none/p.txt: cannot be written: No such file or directory' evaluate "$mlp" --data $data --predictions none/p.txt
# Folders beside the output are the user's
mkdir kept.onnx.unchecked && echo mine >kept.onnx.unchecked/note
"$program" quantize "$mlp" -o kept.onnx --data $data -q >/dev/null && [ "$(cat kept.onnx.unchecked/note)" = mine ] ||
  complain "a folder beside the output was touched"
rm -r kept.onnx kept.onnx.unchecked
# Counts start at 1
for option in --batch --calibrate --batches; do
  "$program" quantize "$mlp" -o zero.onnx --data $data $option 0 >/dev/null 2>err.txt
  [ $? = 2 ] && grep -q -- "^bitwright: .*$option" err.txt || complain "$option 0: $(cat err.txt)"
done
# What is no file is written in place (by way of /dev/fd, so that a fault here cannot replace a device)
refuses 1 '/dev/fd/9: cannot be written: No space left on device' evaluate "$mlp" --data $data --predictions /dev/fd/9 9>/dev/full

# Standard output on a full disk
"$program" inspect "$mlp" >/dev/full 2>err.txt
[ $? = 1 ] && [ "$(cat err.txt)" = 'bitwright: standard output: cannot be written: No space left on device' ] ||
  complain "a full standard output: $(cat err.txt)"

# A file that cannot grow: the limit acts like a disk that is full after 20 kB
limited() {
  (ulimit -f 20; "$program" "$@" >out.txt 2>err.txt)
  local got=$?
  [ $got = 1 ] && [ "$(wc -l <err.txt)" = 1 ] && grep -q '^bitwright: out.onnx: cannot be written: File too large' err.txt ||
    complain "bitwright $* with a file limit: $got: $(cat err.txt)"
  untouched "$@"
}
limited quantize "$mlp" -o out.onnx --data $data
limited quantize "$mlp" -o out.onnx --mode dynamic
limited convert "$mlp" out.onnx

# A real disk that is full, where this user may mount one. 100 and more: the program ran.
cat >full_disk.sh <<'SH'
mkdir disk && mount -t tmpfs -o size=64k tmpfs disk || exit 1
echo precious >disk/out.onnx
"$1" quantize "$2" -o disk/out.onnx --data "$3" >out.txt 2>err.txt
status=$?
[ "$(cat disk/out.onnx)" = precious ] && [ "$(ls disk)" = out.onnx ] || { ls -l disk >>err.txt; exit 199; }
exit $((100 + status))
SH
unshare -m bash full_disk.sh "$program" "$mlp" $data 2>/dev/null
status=$?
if [ $status -lt 100 ] || [ $status -gt 199 ]; then echo "skipped: no file system can be mounted here"
else [ $status = 101 ] && [ "$(cat err.txt)" = 'bitwright: disk/out.onnx: cannot be written: No space left on device' ] ||
    complain "full disk: $status: $(cat err.txt)"; fi
rm -rf disk full_disk.sh

# Ctrl-C while calibrating, running and writing: one line, exit 1, nothing left
python3 - <<'PY'
import struct
n = 60000
open("many-images-idx3-ubyte", "wb").write(struct.pack(">BBBBIII", 0, 0, 8, 3, n, 28, 28) + bytes(784 * n))
open("many-labels-idx1-ubyte", "wb").write(struct.pack(">BBBBI", 0, 0, 8, 1, n) + bytes(n))
PY
ready() {  # ready PID: the program listens to SIGINT (bit 1 of the caught signals) and has begun its work
  while [ -e /proc/"$1" ] && [ $((0x$(sed -n 's/^SigCgt:\t//p' /proc/"$1"/status) & 2)) = 0 ]; do sleep 0.05; done
  sleep 0.2
}
interrupted() {  # interrupted SIGNAL ARGUMENTS...
  local signal=$1 got
  shift
  "$program" "$@" >out.txt 2>err.txt &
  local pid=$!
  ready $pid
  kill -s "$signal" $pid
  wait $pid
  got=$?
  [ $got = 1 ] && [ "$(grep -c '^bitwright: .* was stopped' err.txt)" = 1 ] && [ "$(wc -l <err.txt)" = 1 ] ||
    complain "bitwright $* after SIG$signal: $got: $(cat err.txt)"
  untouched "$@"
}
interrupted TERM quantize "$cnn" -o out.onnx --data many-images-idx3-ubyte --calibrate 60000 --observer histogram
interrupted TERM evaluate "$cnn" --data many-images-idx3-ubyte
interrupted TERM bench "$cnn" --seconds 60
# A shell starts background jobs with SIGINT ignored; Python gives it back.
cat >interrupt.py <<'PY'
import re, signal, subprocess, sys, time
job = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
while job.poll() is None and not int(re.search(r"SigCgt:\s*(\w+)", open(f"/proc/{job.pid}/status").read())[1], 16) & 2:
    time.sleep(0.05)
time.sleep(0.2)
job.send_signal(signal.SIGINT)
err = job.communicate(timeout=60)[1].decode()
sys.exit(0 if job.returncode == 1 and err.startswith("bitwright: ") and err.count("\n") == 1 else f"{job.returncode}: {err}")
PY
python3 interrupt.py "$program" quantize "$cnn" -o out.onnx --data many-images-idx3-ubyte --calibrate 60000 --observer histogram >out.txt ||
  complain "Ctrl-C was not obeyed"
untouched Ctrl-C
leaves folder.onnx out.onnx good-images-idx3-ubyte good-labels-idx1-ubyte many-images-idx3-ubyte many-labels-idx1-ubyte interrupt.py
exit $failed
