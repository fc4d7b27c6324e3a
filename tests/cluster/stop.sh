#!/usr/bin/env bash
# End the cluster of start.sh, with all its jobs, and remove what start.sh wrote. Does nothing where there is none.
set -euo pipefail
source "$(dirname "$0")/settings.sh"

if [ -e "$CONFIG" ] && [ "$(head -n 1 "$CONFIG")" = "$MARK" ]; then
    # Jobs first: they are children of no daemon, and would go on without it.
    timeout 10 scancel --user=root --signal=KILL --full 2>/dev/null || true
    timeout 10 scancel --user=root 2>/dev/null || true
    for _ in $(seq 50); do
        [ -n "$(timeout 10 squeue --noheader 2>/dev/null)" ] || break
        sleep 0.2
    done
fi

running() { ps -o stat= -p "$1" | grep -qv '^Z'; } # one that has ended may wait for init to notice

# A daemon is ended by the number in its file, and only if that number is (still) such a daemon.
for daemon in slurmd slurmctld munge/munged; do
    file="$STATE/$(dirname "$daemon")/$(basename "$daemon").pid"
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$(basename "$daemon")" ] || continue
    kill "$pid"
    for _ in $(seq 100); do
        running "$pid" || break
        sleep 0.1
    done
    if running "$pid"; then kill -KILL "$pid"; fi
done
for file in "$CONFIG" "$GPU_CONFIG"; do
    if [ -e "$file" ] && [ "$(head -n 1 "$file")" = "$MARK" ]; then rm "$file"; fi
done
rm -rf "$STATE"
