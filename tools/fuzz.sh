#!/usr/bin/env bash
# fuzz.sh BUILD SECONDS JOBS: runs every fuzz_* program of BUILD for SECONDS, JOBS at a time, from its seed corpus
# fuzz/corpus/<name>, with the words that stand in the sources (keys, operators) as dictionary. New inputs go to BUILD/corpus,
# crashes, leaks, runs over 10 s and over 2 GB to BUILD/crashes; any of them makes the exit status 1.
set -uo pipefail
build=$1 seconds=$2 jobs=$3
mkdir -p "$build/crashes"
mapfile -t targets < <(find "$build" -type f -perm -u+x -name 'fuzz_*' | sort)
[ ${#targets[@]} -gt 0 ] || { echo "skipped: no program fuzz_* in $build"; exit 0; }

git grep -ohE '"[A-Za-z_0-9.]{2,24}"' -- src/api src/io src/graph src/quant src/ops | sort -u >"$build/words.dict"

one() {
  local target=$1 build=$2 seconds=$3 name seeds=()
  name=$(basename "$target")
  name=${name#fuzz_}
  mkdir -p "$build/corpus/$name"
  if [ -d "fuzz/corpus/$name" ]; then seeds=("fuzz/corpus/$name"); fi
  local log="$build/crashes/$name.log"
  if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -dict="$build/words.dict" -artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" "${seeds[@]}" >"$log" 2>&1; then
    echo "clean  $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s," \
      "coverage $(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)"
  else
    echo "CRASH  $name: $log"
    tail -30 "$log"
    return 1
  fi
}
export -f one
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'one "$@"' _ {} "$build" "$seconds" || exit 1
