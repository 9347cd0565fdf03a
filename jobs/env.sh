# Environment of every command that runs ranks; sourced, not run. What is set already stays.
# shellcheck shell=sh
# Open MPI refuses to start for the superuser (containers) unless it is told twice.
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}" # more ranks than cores is allowed
export OMPI_MCA_mpi_yield_when_idle="${OMPI_MCA_mpi_yield_when_idle:-1}"           # a waiting rank leaves its core to the others
export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-none}" # mpirun --bind-to none: threads may spread
export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism:-none}" # containers forbid process_vm_readv
export HWLOC_HIDE_ERRORS="${HWLOC_HIDE_ERRORS:-2}" # containers show half a topology
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
# A host that is gone is noticed after a minute, not after eight.
export OMPI_MCA_oob_tcp_keepalive_time="${OMPI_MCA_oob_tcp_keepalive_time:-30}"
export OMPI_MCA_oob_tcp_keepalive_intvl="${OMPI_MCA_oob_tcp_keepalive_intvl:-10}"
export OMPI_MCA_oob_tcp_keepalive_probes="${OMPI_MCA_oob_tcp_keepalive_probes:-3}"
