/* Looking for images that cannot be used, on any number of ranks: the same list everywhere, one outcome for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched_impl.h"

#include "support/expect.h"
#include "support/folder.h"

enum { IMAGES = 37, CHANNELS = 1, SIDE = 2 };

static uwc_comm *comm; /* one per process: MPI starts once */
static const uwc_preprocess plain = {.scale = 1.0, .std = {1.0, 1.0, 1.0}};
static const int64_t broken[] = {0, 3, 4, 11, 36}; /* hold a value that is not finite */
enum { BROKEN = (int)(sizeof broken / sizeof broken[0]) };

/* A file of float32 images that all ranks see. */
static int make_set(void **state) {
    char name[64] = "";
    float data[IMAGES * CHANNELS * SIDE * SIDE] = {0};
    if (uwc_comm_rank(comm) == 0) {
        snprintf(name, sizeof name, "/tmp/uwc_test_survey_%d.h5", (int)getpid());
        for (int i = 0; i < BROKEN; i++) {
            data[broken[i] * CHANNELS * SIDE * SIDE + 1] = (float)(1e38 * 1e38);
        }
        uwc_archive *archive;
        expect_ok(uwc_archive_create(&archive));
        expect_ok(uwc_archive_put(archive, "/images", UWC_F32, uwc_shape_4d(IMAGES, CHANNELS, SIDE, SIDE), data));
        expect_ok(uwc_archive_publish(archive, name));
        uwc_archive_close(&archive);
    }
    expect_ok(uwc_comm_broadcast(comm, 0, name, sizeof name));
    return uwc_strdup(name, (char **)state) == UWC_OK ? 0 : -1;
}

static int drop_set(void **state) {
    char *name = *state;
    expect_ok(uwc_comm_barrier(comm));
    if (uwc_comm_rank(comm) == 0) {
        unlink(name);
    }
    uwc_free(&name);
    return 0;
}

static uwc_survey survey_of(const char *data, int64_t samples) {
    return (uwc_survey){
        .comm = comm, .data = data, .preprocess = &plain, .shape = uwc_shape_4d(1, CHANNELS, SIDE, SIDE), .samples = samples};
}

static void given_broken_images_when_surveyed_expect_those_before_the_last_sample(void **state) {
    for (int64_t samples = 0; samples <= IMAGES; samples++) {
        uwc_survey survey = survey_of(*state, samples);
        uwc_bad_images list;
        int64_t expected = 0, last = -1, good = 0;
        for (int64_t i = 0; i < IMAGES && (samples == 0 || good < samples); i++) { /* plainly, one by one */
            bool bad = expected < BROKEN && broken[expected] == i;
            expected += bad;
            good += !bad;
            last = bad ? i : last;
        }
        expect_ok(uwc_sched__survey(&survey, &list));
        assert_int_equal(list.count, expected);
        for (int64_t i = 0; i < list.count; i++) {
            char part[32];
            snprintf(part, sizeof part, ": image %d: ", (int)broken[i]);
            assert_int_equal(list.entry[i].image, broken[i]);
            assert_non_null(strstr(list.entry[i].why, part));
        }
        assert_true(list.count == 0 || list.entry[list.count - 1].image == last);
        uwc_sched__bad_images_free(&list);
    }
}

static void given_no_good_image_when_surveyed_expect_the_first_reason(void **state) {
    uwc_survey survey = survey_of(*state, 0);
    uwc_bad_images list;
    survey.shape = uwc_shape_4d(1, 3, SIDE, SIDE);
    expect_error(uwc_sched__survey(&survey, &list), UWC_E_FORMAT, "none of 37 images can be used; the first: ");
    uwc_sched__bad_images_free(&list);
}

static int calls;

static uwc_status poll(void *self) {
    calls++;
    return calls == 2 && uwc_comm_rank(comm) == *(int *)self ? uwc_error_set(UWC_E_INTERRUPTED, "enough") : UWC_OK;
}

static void given_a_failure_on_each_rank_when_surveyed_expect_it_everywhere(void **state) {
    for (int failing = 0; failing < uwc_comm_size(comm); failing++) {
        uwc_survey survey = survey_of(*state, 0);
        uwc_hooks hooks = {.self = &failing, .poll = poll};
        uwc_bad_images list;
        calls = 0;
        survey.hooks = &hooks;
        expect_error(uwc_sched__survey(&survey, &list), UWC_E_INTERRUPTED, "enough");
        uwc_sched__bad_images_free(&list);
    }
}

static void given_no_data_when_surveyed_expect_error_everywhere(void **state) {
    (void)state;
    uwc_survey survey = survey_of("/no/such/data.h5", 0);
    uwc_bad_images list;
    expect_error(uwc_sched__survey(&survey, &list), UWC_E_NOTFOUND, "/no/such/data.h5");
    uwc_sched__bad_images_free(&list);
}

/* Together the ranks read every image of the wanted shards once, in batches that lie in one shard. */
static void given_shards_when_cut_into_spans_expect_each_image_once(void **state) {
    (void)state;
    uint8_t wanted[UWC_SHARDS] = {0};
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        wanted[shard] = shard % 3 != 1;
    }
    for (int64_t images = 1; images < 200; images += 33) {
        uwc_span *span;
        int n;
        char seen[200] = {0}, **parts;
        size_t *sizes;
        expect_ok(uwc_sched__spans(comm, images, 4, wanted, &span, &n));
        for (int i = 0; i < n; i++) {
            assert_in_range(span[i].count, 1, 4);
            memset(seen + span[i].first, 1, (size_t)span[i].count);
        }
        uwc_free(&span);
        expect_ok(uwc_comm_gather(comm, 0, seen, sizeof seen, &parts, &sizes));
        for (int64_t i = 0; parts != NULL && i < images; i++) {
            int readers = 0, shard = 0;
            for (int r = 0; r < uwc_comm_size(comm); r++) {
                readers += parts[r][i];
            }
            for (int64_t first, count; shard < UWC_SHARDS; shard++) {
                uwc_shard_range(images, shard, &first, &count);
                if (i >= first && i < first + count) {
                    break;
                }
            }
            assert_int_equal(readers, wanted[shard]);
        }
        for (int r = 0; parts != NULL && r < uwc_comm_size(comm); r++) {
            uwc_free(&parts[r]);
        }
        uwc_free(&parts);
        uwc_free(&sizes);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_broken_images_when_surveyed_expect_those_before_the_last_sample),
        cmocka_unit_test(given_no_good_image_when_surveyed_expect_the_first_reason),
        cmocka_unit_test(given_a_failure_on_each_rank_when_surveyed_expect_it_everywhere),
        cmocka_unit_test(given_no_data_when_surveyed_expect_error_everywhere),
        cmocka_unit_test(given_shards_when_cut_into_spans_expect_each_image_once),
    };
    if (uwc_par_start(&argc, &argv, &comm) != UWC_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, make_set, drop_set);
    uwc_par_stop(&comm);
    return failed != 0;
}
