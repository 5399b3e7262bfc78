#!/bin/sh
# The word counts of namespaces_test.py with 200 MB of text, for people: needs root; takes minutes.
# A worker process is killed every 2 seconds, or as often as said, and a worker node half-way.
# Usage: word_count_200mb.sh BUILD_FOLDER [SECONDS_BETWEEN_KILLS]
build=$(realpath "${1:?which build folder}") && cd "$(dirname "$0")" || exit 1
MOBULA_BUILD=$build MOBULA_E2E_MEGABYTES=200 MOBULA_E2E_KILL_SECONDS=${2:-2} \
  exec python3 -B namespaces_test.py
