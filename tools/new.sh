#!/usr/bin/env bash
# new.sh KIND NAME: writes a skeleton that compiles, and its test. The file name is the registration (cmake/bitwright.cmake).
# Skeletons are tools/new/KIND.cpp and KIND_test.cpp; @name@ is the NAME (snake_case), @Name@ the same in CamelCase.
set -euo pipefail
cd "$(dirname "$0")/.."
kinds=$(ls tools/new/*_test.cpp | sed 's#.*/##; s/_test.cpp//' | tr '\n' ' ')
[ $# -eq 2 ] || { echo "usage: ./dev new KIND NAME    KIND: $kinds" >&2; exit 2; }
kind=$1 name=$2
[[ $name =~ ^[a-z][a-z0-9_]*$ ]] || { echo "new: '$name' is not a name like this_one" >&2; exit 2; }
case $kind in
  op) folder=src/ops/catalogue tests=tests/ops ;;
  format) folder=src/quant/formats tests=tests/quant ;;
  observer) folder=src/calibrate/observers tests=tests/calibrate ;;
  pass) folder=src/passes tests=tests/passes ;;
  command) folder=apps/cli tests=tests/cli ;;
  *) echo "new: no kind '$kind'; there are: $kinds" >&2; exit 2 ;;
esac
[ -e "tools/new/$kind.cpp" ] || { echo "new: no skeleton for '$kind' yet; there are: $kinds" >&2; exit 1; }
camel=$(sed -E 's/(^|_)([a-z0-9])/\U\2/g' <<<"$name")
for pair in "tools/new/$kind.cpp:$folder/$name.cpp" "tools/new/${kind}_test.cpp:$tests/${name}_test.cpp"; do
  to=${pair#*:}
  [ ! -e "$to" ] || { echo "new: $to exists" >&2; exit 1; }
done
for pair in "tools/new/$kind.cpp:$folder/$name.cpp" "tools/new/${kind}_test.cpp:$tests/${name}_test.cpp"; do
  from=${pair%%:*} to=${pair#*:}
  mkdir -p "$(dirname "$to")"
  sed "s/@name@/$name/g; s/@Name@/$camel/g" "$from" >"$to"
  echo "wrote $to"
done
echo "next: fill it in, then ./dev build && ctest --test-dir build/dev -L unit"
