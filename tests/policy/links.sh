#!/usr/bin/env bash
# Every relative link in a document leads to a file or folder of the repository.
set -euo pipefail
broken=0
while read -r document; do
  while read -r target; do
    case $target in *://*|mailto:*|\#*) continue ;; esac
    path=$(dirname "$document")/${target%%#*}
    [ -e "$path" ] || { echo "$document: no such file: $target"; broken=1; }
  done < <(sed '/^```/,/^```/d; s/`[^`]*`//g' "$document" | grep -oE '\]\([^) ]+\)' | sed 's/^](//; s/)$//')
done < <(git ls-files '*.md')
exit $broken
