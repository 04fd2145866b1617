# Files stay readable: no source over 300 lines, no header over 200.
set -euo pipefail
long=$(git ls-files 'src/*.cpp' 'src/*.hpp' 'apps/*.cpp' 'apps/*.hpp' | while read -r file; do
  lines=$(wc -l <"$file") most=300
  case $file in *.hpp) most=200 ;; esac
  [ "$lines" -le "$most" ] || echo "$lines lines (at most $most): $file"
done)
[ -z "$long" ] || { echo "$long"; exit 1; }
