#!/usr/bin/env bash
# bench.sh BITWRIGHT SOURCE: what `bench` prints for people and for programs: latency, layers, trace, bursts.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
pictures good 28 0 1 2 9
"$program" quantize "$cnn" -o int8.onnx --data good-images-idx3-ubyte --calibrate 4 >out.txt 2>err.txt || complain "quantize: $(cat err.txt)"

shows 'of peak' bench "$cnn" int8.onnx --seconds 0
shows 'bound by' bench int8.onnx --seconds 0 --layers
shows ' threads' bench int8.onnx --seconds 0 --layers --threads 3  # as many as asked, whatever the machine has

"$program" bench "$cnn" int8.onnx --seconds 0.01 --batch 2 --threads 2 --layers --trace trace.json --json >bench.json 2>err.txt ||
  complain "bench --json: $(cat err.txt)"
python3 - <<'PY' || complain "bench --json or --trace: see above"
import json
nets = json.load(open("bench.json"))["bench"]
assert [n["target"] for n in nets] == ["floating", "integer"], nets
for n in nets:
    assert 0 < n["least_ms"] <= n["median_ms"] <= n["p99_ms"] and n["runs"] >= 3 and n["batch"] == 2, n
    assert n["machine"]["threads"] == 2 and n["machine"]["bytes_per_second"] > 1e6, n["machine"]
    assert n["weight_bytes"] > 0 and n["arena_bytes"] > 0 and n["compile_ms"] > 0, n
    assert abs(sum(layer["share"] for layer in n["layers"]) - 1) < 1e-6
    assert sum(layer["macs"] for layer in n["layers"]) == n["macs"] * 2  # of one record
    known = n["machine"]["macs_per_second"] > 0
    assert all((layer["bound"] in ("compute", "memory", "overhead")) == known for layer in n["layers"])
    assert (n["peak_share"] > 0) == known
assert nets[1]["integer_share"] == 1 and any(layer["integer"] for layer in nets[1]["layers"])
trace = json.load(open("trace.json"))["traceEvents"]
for i, n in enumerate(nets):
    mine = [e for e in trace if e["pid"] == i]
    assert [e["args"]["name"] for e in mine if e["ph"] == "M" and e["name"] == "process_name"] == [n["model"]]
    steps = [e for e in mine if e["ph"] == "X" and e["cat"] != "thread"]
    assert len(steps) == len(n["layers"]), (len(steps), len(n["layers"]))
    assert all(a["ts"] + a["dur"] <= b["ts"] + 1e-6 for a, b in zip(steps, steps[1:])), "steps overlap"
PY

printf '0\n0.001\n' | "$program" bench int8.onnx --bursts -q >bursts.txt 2>err.txt || complain "bench --bursts: $(cat err.txt)"
python3 - <<'PY' || complain "bench --bursts: see above"
import json
ready, *bursts = map(json.loads, open("bursts.txt"))
assert ready["integer_share"] == 1 and len(bursts) == 2 and all(b["runs"] >= 3 and b["median_ms"] > 0 for b in bursts)
PY
shows 'of peak' bench int8.onnx --data good-images-idx3-ubyte --batch 4 --seconds 0
expect 2 "bitwright: --data and --length both say how long the inputs are; give one" bench int8.onnx --data good-images-idx3-ubyte --length 8
expect 2 "bitwright: --select needs --data" bench int8.onnx --select odd
expect 2 "bitwright: --bursts takes one MODEL" bench int8.onnx "$cnn" --bursts
expect 2 "bitwright: --bursts measures whole runs; leave --layers and --trace out" bench int8.onnx --bursts --layers
expect 1 "bitwright: none/trace.json: cannot be written: No such file or directory" bench int8.onnx --trace none/trace.json

# Kernels are measured once and kept; whatever the file holds then, the network runs
"$program" bench int8.onnx --measure-kernels --seconds 0 >out.txt 2>err.txt || complain "--measure-kernels: $(cat err.txt)"
grep -qE 'measured [0-9]+ shapes; 0 were known' err.txt || complain "--measure-kernels: $(cat err.txt)"
for kept in cache/bitwright/kernels-*.json; do
  [ -f "$kept" ] || continue  # a processor with one kernel for each shape
  "$program" bench int8.onnx --measure-kernels --seconds 0 >out.txt 2>err.txt || complain "--measure-kernels again: $(cat err.txt)"
  grep -q 'measured 0 shapes' err.txt || complain "measured again: $(cat err.txt)"
  echo '{"version": 1, "kern' >"$kept"
  "$program" bench int8.onnx --seconds 0 >out.txt 2>err.txt || complain "a damaged cache: $(cat err.txt)"
  [ "$(grep -c 'measured kernels are not used: ' err.txt)" = 1 ] || complain "a damaged cache: $(cat err.txt)"
done
rm -rf cache
# What a layer is kept float for stands in the file
printf "version = 1\n[[override]]\nmatch = 'conv2'\nquantize = false\nwhy = 'measured: integers take 2 us'\n" >recipe.toml
"$program" quantize "$cnn" -o kept.onnx --recipe recipe.toml --data good-images-idx3-ubyte --calibrate 4 >out.txt 2>err.txt || complain "quantize: $(cat err.txt)"
grep -qF '1 x Conv: measured: integers take 2 us (conv2)' out.txt || complain "quantize says nothing of conv2: $(cat out.txt)"
shows '; float: measured: integers take 2 us' inspect kept.onnx
rm kept.onnx recipe.toml
expect 2 "bitwright: --bursts compiles once; measure the kernels in a run of bench before" bench int8.onnx --bursts --measure-kernels
leaves good-images-idx3-ubyte good-labels-idx1-ubyte int8.onnx bench.json trace.json bursts.txt
exit $failed
