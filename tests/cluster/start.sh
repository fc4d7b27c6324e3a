#!/usr/bin/env bash
# Start a Slurm cluster of one node on this machine, without systemd; for tests, as root. stop.sh ends it.
# Needs Debian's slurm-wlm and munge. CPUS and MEMORY_MB in the environment: what the node claims to have.
set -euo pipefail
source "$(dirname "$0")/settings.sh"
NODE=$(hostname -s)

if [ "$(id -u)" != 0 ]; then
    echo "start.sh: only root can start munged and slurmd" >&2
    exit 2
fi
for file in "$CONFIG" "$GPU_CONFIG"; do
    if [ -e "$file" ] && [ "$(head -n 1 "$file")" != "$MARK" ]; then
        echo "start.sh: $file is not of this script: the machine belongs to a cluster already; nothing was changed" >&2
        exit 2
    fi
done
"$(dirname "$0")/stop.sh" # what a test that was killed has left

mkdir -p "$STATE/spool" "$STATE/controller" "$(dirname "$CONFIG")"
# Slurm hands out these two devices as GPUs; nothing opens them.
cat >"$GPU_CONFIG" <<END
$MARK
Name=gpu File=/dev/null
Name=gpu File=/dev/zero
END
cat >"$CONFIG" <<END
$MARK
ClusterName=softlab
SlurmctldHost=$NODE(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
# Slurm starts a requeued job when its credential has run out, by default after two minutes.
AuthInfo=socket=$STATE/munge/socket,cred_expire=5
StateSaveLocation=$STATE/controller
SlurmdSpoolDir=$STATE/spool
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
# No cgroups: in a container they cannot be written.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
# Finished jobs stay visible so long; there is no accounting that would know them later.
MinJobAge=3600
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=${CPUS:-$(nproc --all)} RealMemory=${MEMORY_MB:-16384} Gres=gpu:2
PartitionName=main Nodes=$NODE Default=YES MaxTime=1440 State=UP
END

# A key and a socket of its own: a munged that serves this machine is left alone.
install -d -o munge -g munge -m 755 "$STATE/munge"
install -o munge -g munge -m 400 <(head -c 1024 /dev/urandom) "$STATE/munge/key"
runuser -u munge -- munged --key-file="$STATE/munge/key" --socket="$STATE/munge/socket" \
    --pid-file="$STATE/munge/munged.pid" --log-file="$STATE/munge/log" --seed-file="$STATE/munge/seed"
slurmctld -i
slurmd
for _ in $(seq 60); do
    if sinfo --noheader --format=%t 2>/dev/null | grep -q '^\(idle\|mix\)$'; then
        echo "a cluster of one node, $NODE; logs: $STATE"
        exit 0
    fi
    sleep 0.5
done
echo "start.sh: the node did not come up; its logs:" >&2
tail -n 20 "$STATE"/*.log >&2
"$(dirname "$0")/stop.sh"
exit 1
