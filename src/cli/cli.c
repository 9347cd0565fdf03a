/* From the command line to the exit status. Usage errors, help and what needs no ranks end before MPI starts; otherwise every rank comes to
 * uwc_par_stop with one outcome for all. */
#include "cli_impl.h"

#include <uwc/version.h>

#include <stdlib.h>
#include <string.h>

/* What was printed must have arrived: a full disk under the results is an error. */
static uwc_status flush_results(FILE *out) {
    if (out == NULL) {
        return UWC_OK;
    }
    bool whole = fflush(out) == 0 && ferror(out) == 0;
    UWC_CHECK(whole, UWC_E_IO, "standard output does not take the result");
    return UWC_OK;
}

static int finish(bool first, uwc_status st) {
    if (st != UWC_OK && first) {
        const char *text = uwc_error_last()->text;
        fprintf(stderr, "uwc: error: %s\n", text[0] == '\0' ? uwc_status_text(st) : text);
    }
    return uwc_status_exit(st);
}

static void on_progress(void *self, const uwc_progress *p) {
    uwc_display *display = self;
    if (p->unit != NULL && p->failed) {
        uwc_display_failure(display, p->unit);
    } else if (p->unit != NULL) {
        uwc_display_unit(display, p->unit, p->nmse_before, p->nmse_after, p->unit_seconds);
    }
    uwc_display_phase(display, uwc_phase_name(p->phase), p->done, p->total, p->seconds, p->seconds_left);
}

static uwc_status open_session(const uwc_cli__arguments *arguments, uwc_comm *comm, uwc_cli__session *session) {
    bool first = comm == NULL || uwc_comm_rank(comm) == 0;
    *session = (uwc_cli__session){.arguments = arguments, .comm = comm, .out = first ? stdout : NULL, .hooks.poll = uwc_cli__poll};
    session->log.stream = first ? stderr : NULL;
    int columns = first ? uwc_cli__terminal_columns() : 0;
    session->log.terminal = columns > 0;
    session->log.level = (arguments->given & UWC_FLAG_QUIET) != 0     ? UWC_LOG_QUIET
                         : (arguments->given & UWC_FLAG_VERBOSE) != 0 ? UWC_LOG_DEBUG
                                                                      : UWC_LOG_INFO;
    if (first) {
        UWC_TRY(uwc_display_create(&session->log, columns - session->log.terminal, &session->display));
        session->hooks.self = session->display;
        session->hooks.progress = on_progress;
    }
    return UWC_OK;
}

static uwc_status run_command(const uwc_cli__arguments *arguments, uwc_comm *comm) {
    uwc_cli__session session;
    uwc_status st = open_session(arguments, comm, &session);
    if (comm != NULL) {
        st = uwc_comm_agree(comm, st);
    }
    if (st == UWC_OK) {
        st = arguments->command->run(&session);
    }
    uwc_display_destroy(&session.display);
    if (st == UWC_OK) {
        st = flush_results(session.out);
    }
    return comm == NULL ? st : uwc_comm_agree(comm, st);
}

static int run_with_ranks(int argc, char **argv, const uwc_cli__arguments *arguments) {
    uwc_comm *comm = NULL;
    uwc_cli__hold_signals();
    uwc_status st = uwc_par_start(&argc, &argv, &comm);
    if (st != UWC_OK) {
        return finish(uwc_cli__launch_rank() == 0, st);
    }
    st = run_command(arguments, comm);
    bool first = uwc_comm_rank(comm) == 0;
    int code = finish(first, st);
    uwc_par_stop(&comm);
    return code;
}

static int print_version(void) {
    uwc_status st = UWC_OK;
    if (uwc_cli__launch_rank() == 0) {
        printf("uwc %s\n", UWC_VERSION);
        st = flush_results(stdout);
    }
    return finish(true, st);
}

int uwc_cli_main(int argc, char **argv) {
    uwc_cli__arguments arguments;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        return print_version();
    }
    bool first = uwc_cli__launch_rank() == 0;
    uwc_status st = uwc_cli__parse(argc, argv, &arguments);
    if (st != UWC_OK) {
        return finish(first, st);
    }
    bool help = (arguments.given & UWC_FLAG_HELP) != 0;
    if (!help && !(arguments.command->local && !first)) {
        uwc_cli__prepare_environment(argv);
    }
    if (help && first) {
        uwc_cli__print_help(arguments.command, stdout);
        return finish(true, flush_results(stdout));
    }
    if (help || (arguments.command->local && !first)) {
        return EXIT_SUCCESS;
    }
    return arguments.command->local ? finish(true, run_command(&arguments, NULL)) : run_with_ranks(argc, argv, &arguments);
}
