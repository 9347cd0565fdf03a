/* Prototypes of BLACS and ScaLAPACK, which have no C header. Source: Blackford et al., "ScaLAPACK Users' Guide", SIAM 1997. Characters of
 * Fortran routines have their lengths behind the other arguments. */
#ifndef UWC_LINALG_SCALAPACK_H
#define UWC_LINALG_SCALAPACK_H

#include <stddef.h>

#include "par_mpi.h"

int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int columns);
void Cblacs_gridexit(int context);

void pdpotrf_(const char *uplo, const int *n, double *a, const int *ia, const int *ja, const int *desc_a, int *info, size_t uplo_length);

#endif
