#!/bin/sh
# The word counts of namespaces_test.py with 200 MB of text, for people: needs root; takes minutes.
# Usage: word_count_200mb.sh BUILD_FOLDER
cd "$(dirname "$0")" || exit 1
MOBULA_BUILD=${1:?which build folder} MOBULA_E2E_MEGABYTES=200 exec python3 -B namespaces_test.py
