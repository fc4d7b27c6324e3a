# What start.sh and stop.sh have in common.
CONFIG=/etc/slurm/slurm.conf # in a Snakemake job SLURM_CONF is lost, so it is where Slurm looks by itself
GPU_CONFIG=/etc/slurm/gres.conf
MARK="# written by softlab: tests/cluster/start.sh"
STATE=/run/softlab-slurm
