#!/usr/bin/env bash
# Nothing committed names a registry host or a path of somebody's machine.
set -euo pipefail
hits=$(git grep -nIE '(pypi|deb|files)[.](org|debian|pythonhosted)|(^|[^A-Za-z0-9_}.*])/(wor[k]|roo[t]|hom[e])/[a-z]' -- . ':!LICENSE' || true)
[ -z "$hits" ] || { echo "$hits"; exit 1; }
