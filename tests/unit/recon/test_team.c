#include "recon_fixture.h"

#include "recon_impl.h"

#include <pthread.h>

/* A team of members, each a thread of this process: the same bytes as one member alone. */

enum { MOST_MEMBERS = 16 };

typedef struct team {
    int members;
    pthread_barrier_t barrier;
    double *sum[MOST_MEMBERS];
    int64_t count[MOST_MEMBERS];
    int combined; /* calls of combine by member 0 */
} team;

typedef struct member {
    team *team;
    int index;
    const uwc_graph *unit;
    uwc_recon_options options;
    field images;
    uwc_status status;
    char text[UWC_ERROR_TEXT];
    bool mismatch;
    uwc_unit_result *result;
    uwc_statistics *folds[UWC_FOLDS]; /* of the first layer */
} member;

/* 0+1, 2+3, then the pairs: as one member adds its shards. */
static double tree(double *const *part, int first, int count, int64_t i) {
    return count == 1 ? part[first][i] : tree(part, first, count / 2, i) + tree(part, first + count / 2, count / 2, i);
}

/* No assertions here: cmocka's jump back belongs to the main thread. */
static uwc_status combine(void *self, double *sum, int64_t count) {
    member *own = (member *)((char *)self - offsetof(member, images));
    team *all = own->team;
    double *total;
    all->sum[own->index] = sum;
    all->count[own->index] = count;
    UWC_TRY(uwc_calloc(count, sizeof *total, &total));
    pthread_barrier_wait(&all->barrier);
    for (int m = 0; m < all->members; m++) {
        own->mismatch = own->mismatch || all->count[m] != count;
    }
    for (int64_t i = 0; i < count && !own->mismatch; i++) {
        total[i] = tree(all->sum, 0, all->members, i);
    }
    pthread_barrier_wait(&all->barrier);
    memcpy(sum, total, (size_t)count * sizeof *sum);
    uwc_free(&total);
    all->combined += own->index == 0;
    return UWC_OK;
}

static uwc_stream stream_of_member(member *own) {
    uwc_stream stream = stream_of(&own->images);
    stream.member = own->index;
    stream.members = own->team->members;
    stream.combine = combine;
    return stream;
}

static void note_status(member *own, uwc_status status) {
    own->status = status;
    snprintf(own->text, sizeof own->text, "%s", status == UWC_OK ? "" : uwc_error_last()->text);
}

static void *reconstruct_member(void *argument) {
    member *own = argument;
    uwc_stream stream = stream_of_member(own);
    uwc_ops_set_threads(1 + own->index % 2);
    note_status(own, uwc_recon_unit(own->unit, &own->options, &stream, &own->result));
    return NULL;
}

static uwc_status gather_first(member *own, const uwc_stream *stream) {
    uwc_paths paths = {0};
    uwc_aim aim = {0};
    uwc_status st;
    UWC_TRY_GOTO(st, uwc_recon__paths_open(own->unit, &own->options, stream, &paths), done);
    UWC_TRY_GOTO(st, uwc_recon__aim(own->unit, 0, UWC_TARGET_UNIT, &aim), done);
    st = uwc_recon__gather(&paths, 0, &aim, &own->options, own->folds);
    if (st == UWC_OK) {
        uwc_recon__merge(own->folds);
    }
done:
    uwc_recon__aim_clear(&aim);
    uwc_recon__paths_close(&paths);
    return st;
}

static void *gather_member(void *argument) {
    member *own = argument;
    uwc_stream stream = stream_of_member(own);
    note_status(own, gather_first(own, &stream));
    return NULL;
}

/* The images that this member has to write: those of its shards. */
static void expect_written(member *own, int64_t images) {
    int64_t first, count, ignored;
    uwc_shard_range(images, own->index * UWC_SHARDS / own->team->members, &first, &ignored);
    uwc_shard_range(images, (own->index + 1) * UWC_SHARDS / own->team->members - 1, &ignored, &count);
    for (int o = 0; o < own->unit->n_outputs; o++) {
        own->images.next[o] = first;
    }
}

static void check_written(const member *own, const field *alone, int64_t images) {
    int64_t first, count, last;
    uwc_shard_range(images, own->index * UWC_SHARDS / own->team->members, &first, &count);
    uwc_shard_range(images, (own->index + 1) * UWC_SHARDS / own->team->members - 1, &last, &count);
    for (int o = 0; o < own->unit->n_outputs; o++) {
        assert_int_equal(own->images.next[o], last + count);
        uwc_tensor got = uwc_tensor_images(own->images.written[o], first, last + count - first);
        uwc_tensor wanted = uwc_tensor_images(alone->written[o], first, last + count - first);
        assert_memory_equal(got.f32, wanted.f32, uwc_tensor_bytes(&got));
    }
}

/* Makes the members, runs `work` on all of them at once; the caller clears them. */
static void run_members(team *all, member *own, void *(*work)(void *), const uwc_graph *unit, const uwc_recon_options *options,
                        int64_t images) {
    pthread_t thread[MOST_MEMBERS];
    assert_int_equal(pthread_barrier_init(&all->barrier, NULL, (unsigned)all->members), 0);
    for (int m = 0; m < all->members; m++) {
        own[m] = (member){.team = all, .index = m, .unit = unit, .options = *options, .images = new_field(unit, images, 1, 0.05)};
        spread_brightness(&own[m].images, 1);
        expect_written(&own[m], images);
    }
    for (int m = 0; m < all->members; m++) {
        assert_int_equal(pthread_create(&thread[m], NULL, work, &own[m]), 0);
    }
    for (int m = 0; m < all->members; m++) {
        assert_int_equal(pthread_join(thread[m], NULL), 0);
    }
    pthread_barrier_destroy(&all->barrier);
    assert_true(all->combined > 0);
    for (int m = 0; m < all->members; m++) {
        assert_string_equal(own[m].text, "");
        assert_false(own[m].mismatch);
    }
}

static void clear_member(member *own) {
    uwc_unit_result_destroy(&own->result);
    for (int k = 0; k < UWC_FOLDS; k++) {
        uwc_recon__statistics_destroy(&own->folds[k]);
    }
    free_field(&own->images);
}

static void run_team(const uwc_graph *unit, const uwc_recon_options *options, int members, int64_t images, const uwc_unit_result *wanted,
                     const field *alone) {
    team all = {.members = members};
    member own[MOST_MEMBERS];
    run_members(&all, own, reconstruct_member, unit, options, images);
    for (int m = 0; m < members; m++) {
        assert_same_results(own[m].result, wanted);
        check_written(&own[m], alone, images);
        clear_member(&own[m]);
    }
}

static void compare_teams(unit_maker *make, uwc_recon_options options, int64_t images, const int *members, int n) {
    uwc_graph *unit = with_bits(make(), 4, 4);
    field alone = new_field(unit, images, 1, 0.05);
    spread_brightness(&alone, 1);
    uwc_unit_result *wanted = reconstruct(unit, &options, &alone);
    for (int i = 0; i < n; i++) {
        run_team(unit, &options, members[i], images, wanted, &alone);
    }
    uwc_unit_result_destroy(&wanted);
    free_field(&alone);
    uwc_graph_destroy(&unit);
}

static void teams_give_the_same_bytes_as_one_member(void **state) {
    (void)state;
    for (int u = 0; u < UNITS; u++) {
        compare_teams(unit_makers[u], default_options(), 37, (int[]){u % 2 == 0 ? 2 : 4}, 1);
    }
}

/* Down to members that have no image at all. */
static void shards_without_images_do_no_harm(void **state) {
    (void)state;
    static const int64_t images[] = {1, 3, 17};
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
        compare_teams(residual_unit, default_options(), images[i], (int[]){2, 16}, 2);
    }
}

/* Statistics are sums of doubles: whoever adds which shard, every bit is the same. */
static void statistics_of_teams_are_those_of_one_member(void **state) {
    (void)state;
    const uwc_recon_options options = default_options();
    uwc_graph *unit = with_bits(residual_unit(), 4, 32);
    member alone = {.unit = unit, .options = options, .images = new_field(unit, 50, 1, 0.05)};
    spread_brightness(&alone.images, 1);
    uwc_stream stream = stream_of(&alone.images);
    must(gather_first(&alone, &stream));
    for (int members = 2; members <= MOST_MEMBERS; members *= 2) {
        team all = {.members = members};
        member own[MOST_MEMBERS];
        run_members(&all, own, gather_member, unit, &options, 50);
        for (int m = 0; m < members; m++) {
            assert_memory_equal(own[m].folds[0]->A, alone.folds[0]->A, 73 * 73 * sizeof(double));
            assert_memory_equal(own[m].folds[0]->Y, alone.folds[0]->Y, 73 * 8 * sizeof(double));
            assert_true(own[m].folds[0]->square == alone.folds[0]->square);
            assert_int_equal(own[m].folds[0]->count, alone.folds[0]->count);
            clear_member(&own[m]);
        }
    }
    clear_member(&alone);
    uwc_graph_destroy(&unit);
}

/* Members share the folds; of sixteen, twelve have none. */
static void ridges_are_chosen_in_a_team(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    options.ridge = 0;
    compare_teams(residual_unit, options, 37, (int[]){2, 16}, 2);
    compare_teams(inverted_unit, options, 37, (int[]){4}, 1);
    compare_teams(residual_unit, options, 3, (int[]){2}, 1); /* folds without images */
}

static void nearest_rounding_in_a_team(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    options.method = UWC_METHOD_NEAREST;
    compare_teams(inverted_unit, options, 21, (int[]){8}, 1);
}

static void sampled_positions_in_a_team(void **state) {
    (void)state;
    uwc_recon_options options = default_options();
    options.positions = 5;
    compare_teams(joining_unit, options, 37, (int[]){16}, 1);
}

/* Members share the parts of every batch; of sixteen, twelve have none. Batches that the parts do not divide, and pieces of parts. */
static void adapting_in_a_team(void **state) {
    (void)state;
    static unit_maker *const makers[] = {inverted_unit, joining_unit, head_unit};
    static const int batch[] = {16, 10, 40};
    for (size_t u = 0; u < sizeof makers / sizeof makers[0]; u++) {
        uwc_recon_options options = default_options();
        options.adapt =
            (uwc_adapt_options){.when = UWC_ADAPT_ALWAYS, .steps = 10, .batch = batch[u], .rate = 0.01, .drop = u == 1 ? 0.25 : 0};
        options.batch_bytes = u == 2 ? 1 << 12 : options.batch_bytes;
        compare_teams(makers[u], options, 37, (int[]){2, 4, 16}, 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(teams_give_the_same_bytes_as_one_member),
        cmocka_unit_test(shards_without_images_do_no_harm),
        cmocka_unit_test(statistics_of_teams_are_those_of_one_member),
        cmocka_unit_test(ridges_are_chosen_in_a_team),
        cmocka_unit_test(nearest_rounding_in_a_team),
        cmocka_unit_test(sampled_positions_in_a_team),
        cmocka_unit_test(adapting_in_a_team),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
