#!/usr/bin/env bash
# Every shell script parses, and every command of ./dev stands in its help.
set -euo pipefail
while read -r script; do bash -n "$script"; done < <(git ls-files '*.sh' dev .ci/run)
for command in $(sed -n 's/^dev_\([a-z]*\)() .*/\1/p' dev); do
  ./dev help | grep -q "^  $command " || { echo "./dev help does not tell of: $command"; exit 1; }
done
