#!/usr/bin/env bash
# terminal.sh BITWRIGHT SOURCE: a bar with the time left on a terminal that is gone at the end, nothing of it in a log, colours
# only where they are wanted; --help reads like a table of contents.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
python3 - <<'PY'
import struct
n = 8000
open("many-images-idx3-ubyte", "wb").write(struct.pack(">BBBBIII", 0, 0, 8, 3, n, 28, 28) + bytes(784 * n))
open("many-labels-idx1-ubyte", "wb").write(struct.pack(">BBBBI", 0, 0, 8, 1, n) + bytes(n))
PY
python3 -c 'import pty, sys, os; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' \
  "$program" evaluate "$cnn" --data many-images-idx3-ubyte >seen.txt </dev/null || complain "evaluate fails on a terminal"
grep -q '\[#*\.*\] [0-9]* %, .* left' seen.txt || complain "no bar with the time left on a terminal: $(head -c 400 seen.txt | cat -v)"
tail -n 2 seen.txt | grep -q 'of 8000' || complain "the result does not stand at the end"
"$program" evaluate "$cnn" --data many-images-idx3-ubyte --select "first 2000" >out.txt 2>err.txt
grep -q '#' err.txt && complain "a bar in a log: $(head -3 err.txt)"
[ "$(wc -l <err.txt)" -le 3 ] || complain "a log fills up: $(wc -l <err.txt) lines"
"$program" evaluate "$cnn" --data many-images-idx3-ubyte --select "first 2000" -q >out.txt 2>err.txt
[ -s err.txt ] && complain "--quiet is not quiet: $(head -3 err.txt)"

"$program" --help >help.txt
for command in inspect quantize evaluate compare bench convert explain demo; do
  grep -qE "^  $command +[a-z]" help.txt || complain "--help does not tell of $command"
  "$program" $command --help >out.txt || complain "$command --help fails"
  awk 'length > 100 {print FILENAME ": " $0; found = 1} END {exit found}' out.txt || complain "$command --help is wider than 100 columns"
done
awk 'length > 100 {found = 1} END {exit found}' help.txt || complain "--help is wider than 100 columns"
exit $failed
