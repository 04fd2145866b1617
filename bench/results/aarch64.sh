#!/usr/bin/env bash
# ./dev results aarch64: cross build for 64-bit ARM without oneDNN, unit tests under qemu-user. Exits 1 when one fails.
set -euo pipefail
cmake --preset aarch64 >/dev/null
cmake --build build/aarch64 -j "$(nproc)" | tail -1
rc=0
ctest --test-dir build/aarch64 -L '^unit$' --output-on-failure --timeout 1800 | tee build/aarch64/unit.log || rc=1
summary=$(grep 'tests passed' build/aarch64/unit.log)
{
  echo "# 64-bit ARM"
  echo
  echo "Written by \`./dev results aarch64\` from commit $(git rev-parse --short HEAD)."
  echo
  echo "| required | measured | met |"
  echo "|---|---|---|"
  echo "| cross build without oneDNN, unit tests pass under qemu-user | $summary | $([ $rc = 0 ] && echo yes || echo no) |"
  echo
  echo "$(aarch64-linux-gnu-g++ --version | sed -n 1p); $(qemu-aarch64 --version | sed -n 1p)."
} | tee docs/results/aarch64.md
exit $rc
