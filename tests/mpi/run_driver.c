/* A program over sched.h for the tests: makes a tiny network and images, and runs the phases with failures on demand.
 *   run_driver make FOLDER [SEED]                     FOLDER/model.onnx, calibration.h5, evaluation.h5
 *   run_driver run INPUTS OUT [resume] [option]... [key=value]...
 *   run_driver PHASE OUT
 *   run_driver evaluate-model INPUTS MODEL
 * Options: fail=STATUS@RANK:CALL:TIMES  the poll of RANK returns STATUS at its CALL-th call in the troubled phase, so many times
 *          die=RANK:CALL                RANK is killed (SIGKILL) at that call
 *          slow=SECONDS                 every poll of that phase takes so long
 *          when=PHASE                   the troubled phase, default solve
 *          file-limit=BYTES             the system refuses larger files
 */
#include <uwc/uwc.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { IMAGES = 40, EVALUATED = 30, CHANNELS = 3, SIDE = 12, CLASSES = 10 };

/* ---- the network: convolution, residual block, depthwise and pointwise convolution, pooling, linear ----------------------------- */

typedef struct builder {
    uwc_graph *graph;
    uint64_t seed;
    uint64_t constants;
    int names;
} builder;

static uwc_status add_constant(builder *b, uwc_shape shape, double spread, int *out) {
    uwc_tensor *tensor;
    char name[32];
    snprintf(name, sizeof name, "c%d", b->names++);
    UWC_TRY(uwc_tensor_create(UWC_F32, shape, UWC_PLAIN, &tensor));
    for (int64_t i = 0; i < uwc_shape_count(shape); i++) {
        tensor->f32[i] = (float)(spread * uwc_rng_normal(b->seed, b->constants, (uint64_t)i));
    }
    b->constants++;
    return uwc_graph_add_value(b->graph, name, shape, tensor, out);
}

static uwc_status add_node(builder *b, const char *name, const uwc_op *op, const int *in, int n_in, int *out) {
    char value[64];
    snprintf(value, sizeof value, "%s_out", name);
    UWC_TRY(uwc_graph_add_value(b->graph, value, (uwc_shape){0}, NULL, out));
    return uwc_graph_add_node(b->graph, name, op, in, n_in, *out, NULL);
}

static uwc_status add_simple(builder *b, const char *name, uwc_op_kind kind, int first, int second, int *out) {
    uwc_op op = uwc_op_make(kind);
    return add_node(b, name, &op, (int[]){first, second}, second < 0 ? 1 : 2, out);
}

static uwc_status add_conv(builder *b, const char *name, int in, int64_t from, int64_t to, int64_t side, int64_t group, int64_t stride,
                           int *out) {
    int weights, bias;
    uwc_op op = uwc_op_make(UWC_OP_CONV);
    op.group = group;
    for (int k = 0; k < 2; k++) {
        op.kernel[k] = side;
        op.stride[k] = stride;
        op.pad[k] = op.pad[2 + k] = side / 2;
    }
    UWC_TRY(add_constant(b, uwc_shape_4d(to, from / group, side, side), 1.2 / (double)side, &weights));
    UWC_TRY(add_constant(b, uwc_shape_1d(to), 0.1, &bias));
    return add_node(b, name, &op, (int[]){in, weights, bias}, 3, out);
}

static uwc_status add_head(builder *b, int in, int64_t channels, int *out) {
    int pooled, flat, weights, bias;
    uwc_op flatten = uwc_op_make(UWC_OP_RESHAPE), linear = uwc_op_make(UWC_OP_LINEAR);
    flatten.target = uwc_shape_2d(1, -1);
    UWC_TRY(add_simple(b, "pool", UWC_OP_GLOBAL_AVERAGE_POOL, in, -1, &pooled));
    UWC_TRY(add_node(b, "flatten", &flatten, &pooled, 1, &flat));
    UWC_TRY(add_constant(b, uwc_shape_2d(CLASSES, channels), 0.5, &weights));
    UWC_TRY(add_constant(b, uwc_shape_1d(CLASSES), 0.1, &bias));
    return add_node(b, "head", &linear, (int[]){flat, weights, bias}, 3, out);
}

static uwc_status add_layers(builder *b) {
    int at, skip, inner;
    UWC_TRY(uwc_graph_add_value(b->graph, "images", uwc_shape_4d(1, CHANNELS, SIDE, SIDE), NULL, &at));
    UWC_TRY(uwc_graph_add_input(b->graph, at));
    UWC_TRY(add_conv(b, "stem/conv", at, CHANNELS, 8, 3, 1, 1, &at));
    UWC_TRY(add_simple(b, "stem/relu", UWC_OP_RELU, at, -1, &skip));
    UWC_TRY(add_conv(b, "block/conv1", skip, 8, 8, 3, 1, 1, &inner));
    UWC_TRY(add_simple(b, "block/relu1", UWC_OP_RELU, inner, -1, &inner));
    UWC_TRY(add_conv(b, "block/conv2", inner, 8, 8, 3, 1, 1, &inner));
    UWC_TRY(add_simple(b, "block/add", UWC_OP_ADD, inner, skip, &at));
    UWC_TRY(add_simple(b, "block/relu2", UWC_OP_RELU, at, -1, &at));
    UWC_TRY(add_conv(b, "deep/conv", at, 8, 8, 3, 8, 2, &at));
    UWC_TRY(add_simple(b, "deep/relu", UWC_OP_RELU, at, -1, &at));
    UWC_TRY(add_conv(b, "point/conv", at, 8, 16, 1, 1, 1, &at));
    UWC_TRY(add_simple(b, "point/relu", UWC_OP_RELU, at, -1, &at));
    UWC_TRY(add_head(b, at, 16, &at));
    UWC_TRY(uwc_graph_add_output(b->graph, at));
    return uwc_graph_finish(b->graph);
}

static uwc_status make_model(const char *folder, uint64_t seed) {
    builder b = {.seed = seed};
    char *path = NULL;
    UWC_TRY(uwc_graph_create("tiny", &b.graph));
    uwc_status st = add_layers(&b);
    if (st == UWC_OK) {
        st = uwc_path_join(folder, "model.onnx", &path);
    }
    if (st == UWC_OK) {
        st = uwc_onnx_write(b.graph, path);
    }
    uwc_free(&path);
    uwc_graph_destroy(&b.graph);
    return st;
}

static uwc_status put_images(uwc_archive *file, uint64_t seed, int64_t images) {
    uint8_t pixel[IMAGES * CHANNELS * SIDE * SIDE];
    int64_t label[IMAGES];
    for (int64_t i = 0; i < images * CHANNELS * SIDE * SIDE; i++) {
        pixel[i] = (uint8_t)uwc_rng_below(seed, 1, (uint64_t)i, 256);
    }
    for (int64_t i = 0; i < images; i++) {
        label[i] = uwc_rng_below(seed, 2, (uint64_t)i, CLASSES);
    }
    UWC_TRY(uwc_archive_put(file, "/images", UWC_U8, uwc_shape_4d(images, CHANNELS, SIDE, SIDE), pixel));
    return uwc_archive_put(file, "/labels", UWC_I64, uwc_shape_1d(images), label);
}

static uwc_status make_images(const char *folder, const char *name, uint64_t seed, int64_t images) {
    uwc_archive *file;
    char *path = NULL;
    UWC_TRY(uwc_archive_create(&file));
    uwc_status st = put_images(file, seed, images);
    if (st == UWC_OK) {
        st = uwc_path_join(folder, name, &path);
    }
    if (st == UWC_OK) {
        st = uwc_archive_publish(file, path);
    }
    uwc_free(&path);
    uwc_archive_close(&file);
    return st;
}

static uwc_status make(const char *folder, uint64_t seed) {
    UWC_TRY(uwc_folder_make(folder));
    UWC_TRY(make_model(folder, seed));
    UWC_TRY(make_images(folder, "calibration.h5", seed + 1, IMAGES));
    return make_images(folder, "evaluation.h5", seed + 2, EVALUATED);
}

/* ---- failures on demand ---------------------------------------------------------------------------------------------------------- */

typedef struct trouble {
    int rank;
    uwc_phase phase, when; /* the present phase and the troubled one */
    int fail_rank, fail_call, fail_times, calls, die_rank, die_call;
    uwc_status fail_status;
    double slow;
} trouble;

static uwc_status poll(void *self) {
    trouble *t = self;
    if (t->phase != t->when) {
        return UWC_OK;
    }
    if (t->slow > 0) {
        nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * t->slow)}, NULL);
    }
    t->calls++;
    if (t->rank == t->die_rank && t->calls == t->die_call) {
        raise(SIGKILL);
    }
    if (t->rank == t->fail_rank && t->calls >= t->fail_call && t->fail_times > 0) {
        t->fail_times--;
        return uwc_error_set(t->fail_status, "as ordered");
    }
    return UWC_OK;
}

static void progress(void *self, const uwc_progress *p) {
    (void)self;
    if (p->unit != NULL) {
        printf("%s %s\n", p->failed ? "failed" : "solved", p->unit);
    }
}

static bool parse_status(const char *text, size_t length, uwc_status *out) {
    static const char *const name[] = {
#define NAME(status, code, words) #status,
        UWC_STATUS_LIST(NAME)
#undef NAME
    };
    for (int i = 0; i < UWC_STATUS_COUNT; i++) {
        if (strlen(name[i]) == length && strncmp(name[i], text, length) == 0) {
            *out = (uwc_status)i;
            return true;
        }
    }
    return false;
}

static bool find_phase(const char *name, uwc_phase *out) {
    for (int i = 0; i < UWC_PHASE_COUNT; i++) {
        if (strcmp(name, uwc_phase_name((uwc_phase)i)) == 0) {
            *out = (uwc_phase)i;
            return true;
        }
    }
    return false;
}

/* *taken: the argument is an option of this program. */
static uwc_status take_option(trouble *t, const char *text, bool *taken) {
    *taken = true;
    if (strncmp(text, "fail=", 5) == 0) {
        const char *at = strchr(text, '@');
        UWC_CHECK(at != NULL && parse_status(text + 5, (size_t)(at - text) - 5, &t->fail_status) &&
                      sscanf(at, "@%d:%d:%d", &t->fail_rank, &t->fail_call, &t->fail_times) == 3,
                  UWC_E_ARG, "%s", text);
    } else if (strncmp(text, "die=", 4) == 0) {
        UWC_CHECK(sscanf(text, "die=%d:%d", &t->die_rank, &t->die_call) == 2, UWC_E_ARG, "%s", text);
    } else if (strncmp(text, "slow=", 5) == 0) {
        t->slow = strtod(text + 5, NULL);
    } else if (strncmp(text, "when=", 5) == 0) {
        UWC_CHECK(find_phase(text + 5, &t->when), UWC_E_ARG, "%s", text);
    } else if (strncmp(text, "file-limit=", 11) == 0) {
        rlim_t bytes = (rlim_t)strtoull(text + 11, NULL, 10);
        signal(SIGXFSZ, SIG_IGN);
        UWC_CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, bytes}) == 0, UWC_E_LIBRARY, "setrlimit");
    } else {
        *taken = false;
    }
    return UWC_OK;
}

/* ---- runs ---------------------------------------------------------------------------------------------------------------------------- */

static uwc_status set_path(uwc_config *config, const char *key, const char *folder, const char *name) {
    char *text;
    UWC_TRY(uwc_format(&text, "%s=%s/%s", key, folder, name));
    uwc_status st = uwc_config_set(config, text);
    uwc_free(&text);
    return st;
}

static uwc_status configure(uwc_config *config, const char *inputs) {
    UWC_TRY(set_path(config, "model", inputs, "model.onnx"));
    UWC_TRY(set_path(config, "data.calibration", inputs, "calibration.h5"));
    UWC_TRY(set_path(config, "data.evaluation", inputs, "evaluation.h5"));
    UWC_TRY(uwc_config_set(config, "data.samples=40"));
    UWC_TRY(uwc_config_set(config, "reconstruct.adapt.steps=24")); /* bytes are compared; nobody asks how good they are */
    return uwc_config_set(config, "units.max_layers=1");
}

static uwc_status run_phase(uwc_run *run, trouble *t, uwc_phase phase) {
    static uwc_status (*const call[])(uwc_run *) = {uwc_phase_plan, uwc_phase_capture, uwc_phase_solve, uwc_phase_assemble,
                                                    uwc_phase_evaluate};
    t->phase = phase;
    return call[phase](run);
}

static uwc_status run_phases(uwc_run *run, trouble *t) {
    for (int phase = 0; phase < UWC_PHASE_COUNT; phase++) {
        UWC_TRY(run_phase(run, t, (uwc_phase)phase));
    }
    return UWC_OK;
}

static uwc_status command_run(uwc_comm *comm, trouble *t, int argc, char **argv) {
    uwc_config *config;
    bool resume = false, taken;
    UWC_CHECK(argc >= 2, UWC_E_ARG, "run INPUTS OUT ...");
    UWC_TRY(uwc_config_create(&config));
    uwc_status st = configure(config, argv[0]);
    for (int i = 2; i < argc && st == UWC_OK; i++) {
        if (strcmp(argv[i], "resume") == 0) {
            resume = true;
            continue;
        }
        st = take_option(t, argv[i], &taken);
        if (st == UWC_OK && !taken) {
            st = uwc_config_set(config, argv[i]);
        }
    }
    uwc_hooks hooks = {.self = t, .poll = poll, .progress = progress};
    uwc_log log = {.stream = stdout, .level = UWC_LOG_INFO};
    uwc_run *run = NULL;
    if (st == UWC_OK) {
        st = uwc_run_open(comm, config, argv[1], resume, uwc_comm_rank(comm) == 0 ? &log : NULL, &hooks, &run);
    }
    if (st == UWC_OK) {
        st = run_phases(run, t);
    }
    uwc_run_close(&run);
    uwc_config_destroy(&config);
    return st;
}

static uwc_status command_phase(uwc_comm *comm, trouble *t, const char *name, int argc, char **argv) {
    uwc_hooks hooks = {.self = t, .poll = poll, .progress = progress};
    uwc_run *run;
    uwc_phase phase;
    UWC_CHECK(argc >= 1 && find_phase(name, &phase), UWC_E_ARG, "no command %s", name);
    UWC_TRY(uwc_run_reopen(comm, argv[0], NULL, &hooks, &run));
    uwc_status st = run_phase(run, t, phase);
    uwc_run_close(&run);
    return st;
}

static uwc_status command_evaluate(uwc_comm *comm, int argc, char **argv) {
    uwc_config *config;
    uwc_json *json = NULL;
    char *text = NULL;
    UWC_CHECK(argc >= 2, UWC_E_ARG, "evaluate-model INPUTS MODEL");
    UWC_TRY(uwc_config_create(&config));
    uwc_status st = configure(config, argv[0]);
    if (st == UWC_OK) {
        st = uwc_evaluate_model(comm, config, argv[1], NULL, NULL, &json);
    }
    if (st == UWC_OK && json != NULL) {
        st = uwc_json_print(json, 0, &text);
        printf("%s\n", text);
    }
    uwc_free(&text);
    uwc_json_release(&json);
    uwc_config_destroy(&config);
    return st;
}

int main(int argc, char **argv) {
    uwc_comm *comm;
    uwc_status st = uwc_par_start(&argc, &argv, &comm);
    if (st == UWC_OK) {
        trouble t = {.rank = uwc_comm_rank(comm), .when = UWC_PHASE_SOLVE, .fail_rank = -1, .die_rank = -1};
        const char *command = argc > 1 ? argv[1] : "";
        st = strcmp(command, "make") == 0 && argc > 2 ? make(argv[2], argc > 3 ? strtoull(argv[3], NULL, 10) : 1)
             : strcmp(command, "run") == 0            ? command_run(comm, &t, argc - 2, argv + 2)
             : strcmp(command, "evaluate-model") == 0 ? command_evaluate(comm, argc - 2, argv + 2)
                                                      : command_phase(comm, &t, command, argc - 2, argv + 2);
        if (st != UWC_OK && t.rank == 0) {
            fprintf(stderr, "error: %s: %s\n", uwc_status_text(st), uwc_error_last()->text);
        }
    }
    uwc_par_stop(&comm);
    return uwc_status_exit(st);
}
