#!/usr/bin/env bash
# Run the whole suite: the tests of the window in one process with its own display, because they
# share focus and mouse, and beside it all others in two processes.
#
#     scripts/run-tests.sh PYTHON
set -um  # with job control, so that what runs in the background can be interrupted
cd "$(dirname "$0")/.."
display=()
if command -v xvfb-run > /dev/null; then
    display=(xvfb-run -a -s "-screen 0 1366x768x24")
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}  # the processes share the cores among themselves
shown=$(mktemp)

"${display[@]}" "$1" -m pytest tests/gui > "$shown" 2>&1 &
window=$!
trap 'kill -- -"$window" 2> /dev/null; rm -f "$shown"' EXIT
"${display[@]}" "$1" -m pytest tests --ignore tests/gui -n 2
others=$?
if [ "$others" -gt 1 ]; then exit "$others"; fi  # interrupted, or pytest itself failed
wait "$window"
status=$?
printf '\nThe tests of the window:\n'
cat "$shown"
exit $((status ? status : others))
