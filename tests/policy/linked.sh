#!/usr/bin/env bash
# The program links the C and C++ runtime, and oneDNN where it was found; nothing else. (The sanitizer preset has no oneDNN and
# adds the sanitizers' libraries.)
set -euo pipefail
build=${1:-build/dev}
program=$(find "$build" -maxdepth 3 -name bitwright -type f -perm -u+x | sed -n 1p)
[ -n "$program" ] || { echo "skipped: no program bitwright in $build"; exit 77; }
allowed='^(libc|libm|libstdc\+\+|libgcc_s|libpthread|libdl|ld-linux[a-z0-9-]*|libasan|libubsan|libtsan)\.so'
if grep -q '^dnnl_DIR:PATH=/' "$build/CMakeCache.txt" && grep -q '^BITWRIGHT_ONEDNN:BOOL=ON' "$build/CMakeCache.txt"; then
  allowed+='|^libdnnl\.so\.3|^libgomp\.so'  # oneDNN's OpenMP, which we tell to leave threads to us
fi
other=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE "$allowed" || true)
[ -z "$other" ] || { echo "$program also links: $other"; exit 1; }
readelf -d "$program" | grep NEEDED
