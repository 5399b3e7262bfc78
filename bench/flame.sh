#!/usr/bin/env bash
# Where the time of one row goes: a flame graph of driver, node and workers, from `perf` samples.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

row=${1:-task_sync}
if [[ $row == --help || $row == -h ]]; then
  cat <<'TEXT'
usage: bench/flame.sh [ROW [--quick] [--rounds N]]    (scripts/bench flame builds first)

Writes build/flame/ROW.svg and ROW.folded (one stack a line, for other tools). Needs `perf`, and the
kernel's permission to sample: /proc/sys/kernel/perf_event_paranoid at most 2, or root. The bars of
a frame are as wide as its share of the samples; left to right is the alphabet, not time.
TEXT
  exit 0
fi
if ! command -v perf >/dev/null; then
  echo "flame: perf is missing; install linux-perf" >&2
  exit 1
fi

folder=build/flame
mkdir -p "$folder"
perf record --quiet --output "$folder/$row.data" --freq 1999 --event cpu-clock \
  --call-graph dwarf,16384 -- build/release/bin/mobula_bench --only "$row" "${@:2}" >&2
perf script --input "$folder/$row.data" --no-inline --fields pid,tid,ip,sym 2>/dev/null |
  python3 bench/flame.py "$row" "$folder/$row.folded" >"$folder/$row.svg"
rm "$folder/$row.data"
echo "flame: $folder/$row.svg"
