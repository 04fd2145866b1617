# Objects compiled for one instruction set hold no weak symbol: the linker could pick such a copy (an inline function, a template)
# for the whole program, which would then fault on a machine without these instructions. (DW.ref.*, a pointer that exception
# tables use, is data and harmless.)
set -euo pipefail
build=${1:-build/dev}
mapfile -t objects < <(find "$build/src" -path '*kernels*' -name '*.o' | grep -E '(avx2|avxvnni|avx512|vnni|amx|bf16)[^/]*\.o$' | sort)
[ ${#objects[@]} -gt 0 ] || { echo "skipped: no kernel object in $build"; exit 77; }
bad=0
for object in "${objects[@]}"; do
  weak=$(nm --defined-only "$object" | awk '$2 ~ /^[WwVvu]$/ && $3 !~ /^DW[.]ref[.]/ {print "  " $3}' | c++filt)
  [ -z "$weak" ] || { echo "$object:"; echo "$weak"; bad=1; }
done
echo "${#objects[@]} objects looked at"
exit $bad
