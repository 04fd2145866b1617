# ./dev doctor: what this machine has, what is missing, what to do about it. Changes nothing.
# shellcheck shell=bash disable=SC2154  # sourced by ./dev, which sets root, cache, jobs...
have() { printf '  %-22s %s\n' "$1" "$2"; }
version() { command -v "$1" >/dev/null && "$@" 2>/dev/null | sed -n 1p || echo "missing: ./dev setup"; }
there() { if [ -e "$1" ]; then echo "$1"; else echo "missing: $2"; fi; }
flag() { if grep -qw "$1" /proc/cpuinfo; then echo yes; else echo no; fi; }

say "machine"
have system "$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME"), $(uname -m)"
have processor "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | sed -n 1p), $jobs threads"
have memory "$(awk '/MemTotal/ {t = $2} /MemAvailable/ {a = $2} END {printf "%.1f GB, %.1f GB free", t / 1e6, a / 1e6}' /proc/meminfo)"
have disk "$(df -Ph . | awk 'NR == 2 {print $4 " free"}')"

say "instruction sets (BITWRIGHT_ISA caps the choice)"
for pair in avx2:avx2 fma:fma avxvnni:avx_vnni avx512f:avx512f avx512bw:avx512bw avx512vnni:avx512_vnni avx512vbmi:avx512_vbmi \
            avx512bf16:avx512_bf16 amx-tile:amx_tile amx-int8:amx_int8; do
  have "${pair%%:*}" "$(flag "${pair##*:}")"
done

say "tools"
have g++ "$(version g++ --version)"
have cmake "$(version cmake --version)"
have ninja "$(version ninja --version)"
have ccache "$(version ccache --version)"
have clang-14 "$(version clang++-14 --version)"
have python3 "$(version python3 --version)"

say "Debian packages"
absent=
for package in $build_packages; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || absent+=" $package"
done
have "for building" "${absent:+missing:$absent (./dev setup)}"
[ -n "$absent" ] || echo "    all installed"

say "downloads and data"
have oneDNN "$(there "$cache/onednn/lib/libdnnl.so.3" "./dev setup (without it float operators use our own loops)")"
have "ONNX node tests" "$(there "$cache/onnx-node-tests" "./dev setup")"
have referee "$(there "$cache/referee/ready" "./dev results makes it when needed")"
have Fashion-MNIST "$(there /usr/share/datasets/fashion-mnist "./dev setup")"
have "shared data" "$(there "$root/../shared/data" "tests that need it are skipped, ./dev results fails")"
have "programs built" "$(find build -maxdepth 4 -name bitwright -type f -perm -u+x 2>/dev/null | tr '\n' ' ')"
