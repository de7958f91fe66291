#!/usr/bin/env bash
# Trains a suite as a Slurm job array on this machine, kills both of its tasks, one as a user and one as a crash would, and
# compares all weights with those of a plain run. It needs Slurm and MUNGE (Debian: `apt-get install slurm-wlm munge`) and to be root; without them it
# says so and passes. The controller and the two nodes listen on local ports only and end with the script.
set -euo pipefail
cd "$(dirname "$0")/../.."

for program in slurmctld slurmd munged sbatch; do
    if ! command -v "$program" >/dev/null; then echo "skipped: $program is not installed"; exit 0; fi
done
if [ "$(id -u)" != 0 ]; then echo "skipped: the daemons need root"; exit 0; fi

cargo build --workspace --bin experiments
program=$PWD/target/debug/experiments
# MUNGE refuses a key or socket below a folder that others may write to, as /tmp is.
folder=$(mktemp -d /run/experiments-slurm.XXXXXX)
chmod 755 "$folder"
export SLURM_CONF=$folder/slurm.conf
finish() {
    kill $(cat "$folder"/*.pid 2>/dev/null) 2>/dev/null || true
    sleep 1
    rm -rf "$folder"
}
trap finish EXIT

cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SchedulerParameters=requeue_delay=0
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
NodeName=node[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=1 RealMemory=1000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
mkdir "$folder/state"
(umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munge.pid" \
    --log-file="$folder/munge.log" --seed-file="$folder/munge.seed"
slurmctld
slurmd -N node1
slurmd -N node2
for _ in $(seq 30); do
    if [ "$(sinfo --noheader --format=%T)" = idle ]; then break; fi
    sleep 1
done
sinfo

cd "$folder"
suite="heads --models two-conv --heads fc,gap --seeds 2 --epochs 4 --train-size 3000"
"$program" run $suite --quiet --out plain >/dev/null
"$program" slurm $suite --shards 2 --cpus-per-task 1 --out sharded >submit.sh
cat submit.sh
sh submit.sh
task=$(squeue --noheader --array --format=%i | grep _1)
until [ "$(squeue --noheader --job "$task" --format=%T)" = RUNNING ]; do sleep 0.2; done
sleep 3
pkill -KILL -f 'shard 2/2' # The task queues itself again.
scancel --signal=KILL "$task"
until scontrol requeue "$task"; do sleep 0.5; done
for _ in $(seq 300); do
    queue=$(squeue --noheader)
    if [ -z "$queue" ]; then break; fi
    sleep 1
done
squeue
cat sharded/log/*

weights() { cat "$@" | grep -o '"weights_sha256":"[0-9a-f]*"' | sort; }
diff <(weights plain/heads*/runs/*.json) <(weights sharded/shard-*/heads*/runs/*.json)
grep -q 'error' sharded/log/shard-1.txt
grep -q 'Killed\|error' sharded/log/shard-2.txt
test -s sharded/heads/summary.csv
echo "the shards' weights are those of the plain run"
