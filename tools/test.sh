# ./dev test: the stages of CI in order, each timed. A stage that has nothing to do says so. A failing stage does not stop the
# next one; what cannot be built does. Closes with "N passed, N failed", counted in GoogleTest cases.
# shellcheck shell=bash disable=SC2154  # sourced by ./dev, which sets root, cache, jobs...
passed=0 failed=0 skipped=0 summary=""

stage() {  # stage NAME COMMAND...: runs, times, remembers
  local name=$1 start=$SECONDS outcome=ok
  shift
  say "$name"
  "$@" || outcome=FAILED
  [ "$outcome" = ok ] || [ "$stage_counted" = yes ] || failed=$((failed + 1))
  stage_counted=
  summary+=$(printf '%5d s  %-7s %s' $((SECONDS - start)) "$outcome" "$name")$'\n'
  [ "$outcome" = ok ]
}

attribute() { sed -n "s/.*<testsuites[^>]* $2=\"\([0-9]*\)\".*/\1/p" "$1" | head -1; }

# run_ctest PRESET LABEL: runs ctest and adds the cases of each GoogleTest program, or each script, to the totals.
run_ctest() {
  local reports="$root/build/$1/reports" rc=0 bad=0 file
  if ctest --test-dir "build/$1" -N -L "^$2\$" | grep -q 'Total Tests: 0'; then skip "no test has the label $2 yet"; return 0; fi
  rm -rf "$reports" && mkdir -p "$reports"
  GTEST_OUTPUT="xml:$reports/" ctest --test-dir "build/$1" -L "^$2\$" -j "$jobs" --output-on-failure --timeout 600 \
    --output-junit "$reports/ctest.junit" || rc=1
  for file in "$reports"/*.xml; do
    [ -e "$file" ] || continue
    local total broken without
    total=$(attribute "$file" tests) broken=$(attribute "$file" failures)
    without=$(grep -c 'result="skipped"' "$file" || true)
    passed=$((passed + total - broken - without)) bad=$((bad + broken)) skipped=$((skipped + without))
  done
  if ! compgen -G "$reports/*.xml" >/dev/null; then
    bad=$(grep -c '<failure' "$reports/ctest.junit" || true)
    passed=$((passed + $(grep -c 'status="run"' "$reports/ctest.junit" || true)))
  fi
  [ $rc = 0 ] || [ $bad -gt 0 ] || bad=1   # a crash leaves no report
  failed=$((failed + bad)) stage_counted=yes
  return $rc
}

per_isa() {
  local isa rc=0
  for isa in ref avx2; do
    echo "-- BITWRIGHT_ISA=$isa"
    BITWRIGHT_ISA=$isa run_ctest dev per_isa || rc=1
  done
  return $rc
}

node_tests() {
  [ -e "$cache/onnx-node-tests" ] || { skip "no ONNX node tests in $cache (./dev setup fetches them)"; return 0; }
  run_ctest dev node
}

fuzzing() {
  [ "$in_ci" ] || { skip "fuzzing runs in CI (CI=true) or by ./dev fuzz"; return 0; }
  bash tools/fuzz.sh build/asan/fuzz 30 "$jobs"
}

report() {
  say "stages"
  printf '%s' "$summary"
  [ $skipped = 0 ] || echo "$skipped cases were skipped by the tests themselves (each says why above or in build/*/reports)"
  echo "$passed passed, $failed failed"
}

stage_counted=
trap 'failed=$((failed + 1)); report' EXIT   # a stage that ends the script (no network, no compiler) still gets the closing line
stage "set-up" dev_setup
if stage "build (dev, gcc)" dev_build dev; then
  stage "unit tests" run_ctest dev unit || true
  stage "per instruction set" per_isa || true
  stage "ONNX node tests" node_tests || true
  stage "policy" run_ctest dev policy || true
fi
if stage "build (asan and fuzzing, clang)" dev_build asan; then
  stage "unit tests under ASan and UBSan" run_ctest asan unit || true
  stage "policy, without oneDNN" run_ctest asan policy || true
  stage "fuzzing" fuzzing || true
fi
trap - EXIT
report
[ "$failed" = 0 ]
