#!/usr/bin/env bash
# ./dev results large-model: a network of 3 GB is written, inspected and quantized; what that took in memory. Needs 8 GB of
# disk in TMPDIR, and a minute or two. Exits 1 when a figure is not met.
set -eu
{
  echo "# Networks larger than 2 GB"
  echo
  echo "Written by \`./dev results large-model\` from commit $(git rev-parse --short HEAD): 46 matrix products of 4096 x 4096 float32 weights. Memory is the"
  echo "peak resident set of the process (\`ru_maxrss\`)."
  echo
  echo "| step | measured | required |"
  echo "|---|---|---|"
} >docs/results/large-model.md.part
status=0
# The test program is not part of a release build.
cmake --preset dev -DBITWRIGHT_CACHE="$BITWRIGHT_CACHE" >/dev/null && cmake --build build/dev -j "$(nproc)" --target test_large >/dev/null
build/dev/tests/test_large >large-model.log 2>&1 || status=1
grep '^|' large-model.log >>docs/results/large-model.md.part || true
if [ "$status" = 0 ]; then mv docs/results/large-model.md.part docs/results/large-model.md; else rm docs/results/large-model.md.part; cat large-model.log >&2; fi
rm large-model.log
cat docs/results/large-model.md
exit "$status"
