#include "recon_fixture.h"

#include "recon_impl.h"

/* Statistics of a layer inside a unit, fold by fold, against plain loops over both paths. */

enum { CHANNELS = 8, SIDE = 6, COLS = CHANNELS * 9, ORDER = COLS + 1 };

/* Sums over the images of a fold for layer b of the residual unit: its patches come from the quantized path, its target is the float sum
 * without the quantized shortcut. */
static void naive_fold(const uwc_graph *unit, const field *images, int fold, double *A, double *Y, int64_t *count) {
    uwc_tensor *in = evaluate(unit, uwc_graph_find_value(unit, "ra"), images->quantized[0], UWC_BACKEND_REFERENCE);
    uwc_tensor *sum = evaluate(unit, uwc_graph_find_value(unit, "sum"), images->real[0], UWC_BACKEND_REFERENCE);
    int64_t first, end, ignored;
    uwc_shard_range(images->images, fold * UWC_FOLD_SHARDS, &first, &ignored);
    uwc_shard_range(images->images, (fold + 1) * UWC_FOLD_SHARDS - 1, &end, &ignored);
    end += ignored;
    *count = (end - first) * SIDE * SIDE;
    memset(A, 0, ORDER * ORDER * sizeof *A);
    memset(Y, 0, ORDER * CHANNELS * sizeof *Y);
    for (int64_t position = first * SIDE * SIDE; position < end * SIDE * SIDE; position++) {
        const int64_t image = position / (SIDE * SIDE), row = position / SIDE % SIDE, column = position % SIDE;
        double p[ORDER] = {0};
        for (int64_t k = 0; k < COLS; k++) {
            const int64_t y = row + k / CHANNELS / 3 - 1, x = column + k / CHANNELS % 3 - 1;
            const bool inside = y >= 0 && y < SIDE && x >= 0 && x < SIDE;
            p[k] = inside ? (double)in->f32[((image * SIDE + y) * SIDE + x) * CHANNELS + k % CHANNELS] : 0;
        }
        p[COLS] = 1;
        for (int i = 0; i < ORDER; i++) {
            for (int j = i; j < ORDER; j++) {
                A[i * ORDER + j] += p[i] * p[j];
            }
            for (int r = 0; r < CHANNELS; r++) {
                const int64_t at = position * CHANNELS + r;
                Y[i * CHANNELS + r] += p[i] * ((double)sum->f32[at] - (double)images->quantized[0]->f32[at]);
            }
        }
    }
    uwc_tensor_destroy(&in);
    uwc_tensor_destroy(&sum);
}

static void gather_from(const uwc_graph *unit, const uwc_recon_options *options, const uwc_stream *stream, uwc_statistics **folds) {
    const int node = uwc_graph_find_node(unit, "b");
    uwc_paths paths;
    uwc_aim aim;
    must(uwc_recon__paths_open(unit, options, stream, &paths));
    must(uwc_recon__aim(unit, node, options->target, &aim));
    must(uwc_recon__gather(&paths, node, &aim, options, folds));
    uwc_recon__aim_clear(&aim);
    uwc_recon__paths_close(&paths);
}

static void gather_b(const uwc_graph *unit, const uwc_recon_options *options, field *images, uwc_statistics **folds) {
    const uwc_stream stream = stream_of(images);
    gather_from(unit, options, &stream, folds);
}

static void clear_folds(uwc_statistics **folds) {
    for (int k = 0; k < UWC_FOLDS; k++) {
        uwc_recon__statistics_destroy(&folds[k]);
    }
}

static double gap(const double *a, const double *b, int64_t count) {
    double most = 0, size = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs(a[i] - b[i]));
        size = fmax(size, fabs(b[i]));
    }
    return most / size;
}

static void folds_are_sums_over_their_own_images(void **state) {
    (void)state;
    static const int64_t count[] = {1, 6, 40};
    static double A[ORDER * ORDER], Y[ORDER * CHANNELS], all_A[ORDER * ORDER], all_Y[ORDER * CHANNELS];
    for (size_t k = 0; k < sizeof count / sizeof count[0]; k++) {
        const uwc_recon_options options = default_options();
        uwc_graph *unit = with_bits(residual_unit(), 4, 32);
        field images = new_field(unit, count[k], 1, 0.1);
        uwc_statistics *folds[UWC_FOLDS] = {NULL};
        const double positions = (double)(count[k] * SIDE * SIDE);
        gather_b(unit, &options, &images, folds);
        memset(all_A, 0, sizeof all_A);
        memset(all_Y, 0, sizeof all_Y);
        for (int f = 0; f < UWC_FOLDS; f++) {
            int64_t wanted;
            naive_fold(unit, &images, f, A, Y, &wanted);
            assert_int_equal(folds[f]->count, wanted);
            for (int i = 0; i < ORDER; i++) {
                assert_true(gap(folds[f]->A + i * (ORDER + 1), A + i * (ORDER + 1), ORDER - i) < 1e-5); /* the upper triangle */
            }
            assert_true(gap(folds[f]->Y, Y, ORDER * CHANNELS) < 1e-4);
            for (int i = 0; i < ORDER * ORDER; i++) {
                all_A[i] += A[i] / positions;
            }
            for (int i = 0; i < ORDER * CHANNELS; i++) {
                all_Y[i] += Y[i] / positions;
            }
        }
        for (int i = 0; i < ORDER * ORDER; i++) {
            all_A[i] = all_A[i / ORDER < i % ORDER ? i : i % ORDER * ORDER + i / ORDER];
        }
        uwc_recon__merge(folds);
        assert_int_equal(folds[0]->count, count[k] * SIDE * SIDE);
        assert_true(gap(folds[0]->A, all_A, ORDER * ORDER) < 1e-5);
        assert_true(gap(folds[0]->Y, all_Y, ORDER * CHANNELS) < 1e-4);
        clear_folds(folds);
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
}

/* With a wish for positions, every image gives as many; with more than there are, all. */
static void positions_are_those_that_are_asked_for(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(residual_unit(), 4, 32);
    field images = new_field(unit, 37, 1, 0.1);
    uwc_statistics *some[UWC_FOLDS] = {NULL}, *again[UWC_FOLDS] = {NULL}, *all[UWC_FOLDS] = {NULL};
    gather_b(unit, &options, &images, all);
    options.positions = 18;
    gather_b(unit, &options, &images, some);
    options.seed++;
    gather_b(unit, &options, &images, again);
    for (int f = 0; f < UWC_FOLDS; f++) {
        assert_int_equal(some[f]->count * SIDE * SIDE, all[f]->count * 18);
        assert_true(some[f]->A[ORDER * ORDER - 1] == (double)some[f]->count);
        assert_true(gap(some[f]->A, again[f]->A, ORDER * ORDER) > 1e-3); /* others */
    }
    uwc_recon__merge(some);
    uwc_recon__merge(all);
    assert_true(gap(some[0]->A, all[0]->A, ORDER * ORDER) < 0.15); /* a fair sample */
    clear_folds(some);
    clear_folds(again);
    options.positions = SIDE * SIDE + 1;
    gather_b(unit, &options, &images, some);
    uwc_recon__merge(some);
    assert_memory_equal(some[0]->A, all[0]->A, ORDER * ORDER * sizeof(double));
    assert_memory_equal(some[0]->Y, all[0]->Y, ORDER * CHANNELS * sizeof(double));
    clear_folds(some);
    clear_folds(all);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* Reads are counted; sums are taken for those of the whole team. */
typedef struct sharing {
    uwc_stream stream;
    int64_t reads, reads_before_sums, sums, longest;
} sharing;

static uwc_status count_reads(void *self, int input, bool quantized, int64_t first, uwc_tensor *out) {
    sharing *own = self;
    own->reads++;
    return own->stream.read(own->stream.self, input, quantized, first, out);
}

static uwc_status count_sums(void *self, double *sum, int64_t count) {
    sharing *own = self;
    (void)sum;
    own->reads_before_sums = own->sums == 0 ? own->reads : own->reads_before_sums;
    own->sums++;
    own->longest = count > own->longest ? count : own->longest;
    return UWC_OK;
}

/* Members would take turns if each fold were added as soon as it is there, for a fold lies with one of two members. The lower triangles
 * are not sent. */
static void sums_are_added_once_every_member_has_its_own(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(residual_unit(), 4, 32);
    field images = new_field(unit, 37, 1, 0.1);
    sharing own = {.stream = stream_of(&images)};
    uwc_stream stream = {.self = &own, .images = images.images, .read = count_reads, .combine = count_sums, .members = 2};
    uwc_statistics *folds[UWC_FOLDS] = {NULL}, *all[UWC_FOLDS] = {NULL};
    gather_b(unit, &options, &images, all);
    gather_from(unit, &options, &stream, folds);
    assert_true(own.reads > 0 && own.reads == own.reads_before_sums);
    assert_int_equal(own.sums, UWC_FOLDS * 3);
    assert_int_equal(own.longest, ORDER * (ORDER + 1) / 2);
    for (int k = 0; k < UWC_FOLDS; k++) {
        const int64_t mine = k < UWC_FOLDS / 2 ? all[k]->count : 0;
        assert_int_equal(folds[k]->count, mine);
        for (int64_t i = 0; i < ORDER * ORDER; i++) {
            assert_true(folds[k]->A[i] == (mine > 0 ? all[k]->A[i] : 0));
        }
    }
    clear_folds(folds);
    clear_folds(all);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_are_sums_over_their_own_images),
        cmocka_unit_test(positions_are_those_that_are_asked_for),
        cmocka_unit_test(sums_are_added_once_every_member_has_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
