#!/usr/bin/env bash
# Makes what the comparison needs beside Mobula: a virtual environment with Ray (Python and C++) and
# Dask from PyPI, and the Ray program, built without Bazel. Twice is harmless.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=${1:-build/compare}
mkdir -p "$folder"
if [[ ! -x $folder/venv/bin/ray ]]; then
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet 'ray[default]==2.60.*' 'ray-cpp==2.60.*' 'dask[distributed]'
fi
ray=$("$folder/venv/bin/python" -c 'import os, ray; print(os.path.dirname(ray.__file__))')/cpp
source=bench/compare/ray_program.cc
if [[ $folder/ray_program -nt $source && $folder/ray_program.so -nt $source ]]; then exit 0; fi
# Ray's library keeps the string layout of before C++11.
flags=(-std=c++17 -O2 -D_GLIBCXX_USE_CXX11_ABI=0 "-I$ray/include" "-L$ray/lib" "-Wl,-rpath,$ray/lib")
g++ "${flags[@]}" "$source" -o "$folder/ray_program" -lray_api -lpthread
g++ "${flags[@]}" -fPIC -shared "$source" -o "$folder/ray_program.so" -lray_api
