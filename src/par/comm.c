/* Collective calls. Each one first meets the other ranks without spinning (a rank may come minutes earlier), then moves its data busily. */
#include "par_mpi.h"

#include <string.h>

/* MPI unloads plug-ins with memory that they still have, which looks like a leak of nobody. A sanitizer therefore looks for leaks before
 * MPI ends, and ignores what was allocated while it started. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define leaks_ignore() __lsan_disable()
#define leaks_watch() __lsan_enable()
#define leaks_check() __lsan_do_leak_check()
#else
#define leaks_ignore()
#define leaks_watch()
#define leaks_check()
#endif

uwc_status uwc_par_start(int *argc, char ***argv, uwc_comm **out) {
    int provided = MPI_THREAD_SINGLE;
    *out = NULL;
    leaks_ignore();
    int code = MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
    leaks_watch();
    UWC_TRY(uwc_par__check(code, "MPI_Init_thread"));
    UWC_CHECK(provided >= MPI_THREAD_FUNNELED, UWC_E_COMM, "this MPI offers no MPI_THREAD_FUNNELED");
    uwc_comm *comm;
    UWC_TRY(uwc_calloc(1, sizeof *comm, &comm));
    comm->piece = UWC_PAR_PIECE;
    comm->patience = UWC_PAR_PATIENCE;
    MPI_Comm_size(MPI_COMM_WORLD, &comm->size);
    MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank);
    uwc_status st = uwc_calloc(comm->size, 1, &comm->lost);
    if (st == UWC_OK) {
        st = uwc_par__check(MPI_Comm_dup(MPI_COMM_WORLD, &comm->world), "MPI_Comm_dup");
    }
    if (st != UWC_OK) {
        uwc_free(&comm->lost);
        uwc_free(&comm);
        return st;
    }
    MPI_Comm_set_errhandler(comm->world, MPI_ERRORS_RETURN);
    *out = comm;
    return UWC_OK;
}

void uwc_par_stop(uwc_comm **comm) {
    bool missing = *comm != NULL && ((*comm)->missing || (*comm)->n_lost > 0);
    if (*comm != NULL) {
        uwc_par__collect(*comm);
        if (!(*comm)->loose) { /* else a rank may be missing, and MPI frees it when it ends */
            MPI_Comm_free(&(*comm)->world);
        }
        uwc_free(&(*comm)->parcel);
        uwc_free(&(*comm)->lost);
        uwc_free(comm);
    }
    int started = 0, stopped = 0;
    MPI_Initialized(&started);
    MPI_Finalized(&stopped);
    if (started && !stopped && !missing) { /* MPI_Finalize waits for all ranks, the dead ones too */
        leaks_check();
        MPI_Finalize();
    }
}

void uwc_par_abort(uwc_comm *comm, int exit_status) {
    MPI_Abort(comm == NULL ? MPI_COMM_WORLD : comm->world, exit_status);
}

int uwc_comm_rank(const uwc_comm *comm) {
    return comm->rank;
}

int uwc_comm_size(const uwc_comm *comm) {
    return comm->size;
}

static uwc_status check_tight(const uwc_comm *comm, const char *what) {
    UWC_CHECK(!comm->loose, UWC_E_INTERNAL, "a %s where ranks may be missing", what);
    return UWC_OK;
}

uwc_status uwc_comm_barrier(uwc_comm *comm) {
    MPI_Request request;
    if (comm->size == 1) {
        return UWC_OK;
    }
    UWC_TRY(check_tight(comm, "barrier"));
    UWC_TRY(uwc_par__check(MPI_Ibarrier(comm->world, &request), "barrier"));
    return uwc_par__wait(&request, "barrier");
}

/* Pieces to all ranks, which are all here. */
static uwc_status broadcast_pieces(uwc_comm *comm, int root, char *data, size_t bytes) {
    while (bytes > 0) {
        size_t now = bytes < comm->piece ? bytes : comm->piece;
        UWC_TRY(uwc_par__check(MPI_Bcast(data, (int)now, MPI_BYTE, root, comm->world), "broadcast"));
        data += now;
        bytes -= now;
    }
    return UWC_OK;
}

uwc_status uwc_comm_agree(uwc_comm *comm, uwc_status mine) {
    if (comm->size == 1) {
        return mine;
    }
    if (comm->loose) {
        return uwc_par__agree_loose(comm, mine);
    }
    int bid = mine == UWC_OK ? comm->size : comm->rank, first = comm->size;
    MPI_Request request;
    UWC_TRY(uwc_par__check(MPI_Iallreduce(&bid, &first, 1, MPI_INT, MPI_MIN, comm->world, &request), "agreement"));
    UWC_TRY(uwc_par__wait(&request, "agreement"));
    if (first == comm->size) {
        return UWC_OK;
    }
    uwc_error error = *uwc_error_last();
    UWC_TRY(broadcast_pieces(comm, first, (char *)&error, sizeof error));
    if (first == comm->rank) {
        return mine;
    }
    return uwc_error_note(uwc_error_restore(&error), "rank %d", first);
}

uwc_status uwc_comm_broadcast(uwc_comm *comm, int root, void *data, size_t bytes) {
    UWC_TRY(uwc_comm_barrier(comm));
    return comm->size == 1 ? UWC_OK : broadcast_pieces(comm, root, data, bytes);
}

uwc_status uwc_comm_broadcast_buffer(uwc_comm *comm, int root, char **data, size_t *bytes) {
    uint64_t length = comm->rank == root ? *bytes : 0;
    UWC_TRY(uwc_comm_broadcast(comm, root, &length, sizeof length));
    uwc_status st = UWC_OK;
    if (comm->rank != root) {
        *bytes = (size_t)length;
        st = uwc_calloc((int64_t)length + 1, 1, data); /* one byte more: text stays terminated */
    }
    st = uwc_comm_agree(comm, st);
    if (st == UWC_OK && comm->size > 1) {
        st = broadcast_pieces(comm, root, *data, *bytes);
    }
    if (st != UWC_OK && comm->rank != root) {
        uwc_free(data);
    }
    return st;
}

static void free_parts(int n, char ***parts, size_t **sizes) {
    for (int r = 0; *parts != NULL && r < n; r++) {
        uwc_free(&(*parts)[r]);
    }
    uwc_free(parts);
    uwc_free(sizes);
}

static uwc_status make_parts(int n, const uint64_t *length, char ***parts, size_t **sizes) {
    UWC_TRY(uwc_calloc(n, sizeof **parts, parts));
    UWC_TRY(uwc_calloc(n, sizeof **sizes, sizes));
    for (int r = 0; r < n; r++) {
        (*sizes)[r] = (size_t)length[r];
        UWC_TRY(uwc_calloc((int64_t)length[r] + 1, 1, &(*parts)[r]));
    }
    return UWC_OK;
}

static uwc_status gather_parts(uwc_comm *comm, int root, const void *data, size_t bytes, char **parts, const size_t *sizes) {
    if (comm->rank != root) {
        return uwc_par__send_pieces(comm, root, UWC_PAR_TAG_GATHER, data, bytes);
    }
    if (bytes > 0) {
        memcpy(parts[root], data, bytes);
    }
    for (int r = 0; r < comm->size; r++) {
        if (r != root) {
            UWC_TRY(uwc_par__receive_pieces(comm, r, UWC_PAR_TAG_GATHER, parts[r], sizes[r]));
        }
    }
    return UWC_OK;
}

uwc_status uwc_comm_gather(uwc_comm *comm, int root, const void *data, size_t bytes, char ***parts, size_t **sizes) {
    uint64_t mine = bytes, *length = NULL;
    *parts = NULL;
    *sizes = NULL;
    UWC_TRY(uwc_comm_agree(comm, uwc_calloc(comm->size, sizeof *length, &length)));
    uwc_status st = uwc_par__check(MPI_Gather(&mine, 1, MPI_UINT64_T, length, 1, MPI_UINT64_T, root, comm->world), "gather");
    if (st == UWC_OK && comm->rank == root) {
        st = make_parts(comm->size, length, parts, sizes);
    }
    uwc_free(&length);
    st = uwc_comm_agree(comm, st);
    if (st == UWC_OK) {
        st = gather_parts(comm, root, data, bytes, *parts, *sizes);
    }
    if (st != UWC_OK) {
        free_parts(comm->size, parts, sizes);
    }
    return st;
}

uwc_status uwc_comm_max(uwc_comm *comm, int64_t mine, int64_t *out) {
    MPI_Request request;
    *out = mine;
    if (comm->size == 1) {
        return UWC_OK;
    }
    UWC_TRY(check_tight(comm, "maximum"));
    UWC_TRY(uwc_par__check(MPI_Iallreduce(&mine, out, 1, MPI_INT64_T, MPI_MAX, comm->world, &request), "maximum"));
    return uwc_par__wait(&request, "maximum");
}
