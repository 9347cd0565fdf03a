#include "graph/graph_fixture.h"

#include "recon_impl.h"

/* The fixed division of the samples. */

static void shards_cover_the_images_in_order(void **state) {
    (void)state;
    for (int64_t images = 0; images < 200; images++) {
        int64_t next = 0, least = INT64_MAX, most = 0;
        for (int shard = 0; shard < UWC_SHARDS; shard++) {
            int64_t first, count;
            uwc_shard_range(images, shard, &first, &count);
            assert_int_equal(first, next);
            assert_true(count >= 0);
            next += count;
            least = count < least ? count : least;
            most = count > most ? count : most;
        }
        assert_int_equal(next, images);
        assert_true(most - least <= 1);
    }
}

static void large_counts_do_not_overflow(void **state) {
    (void)state;
    int64_t first, count;
    uwc_shard_range(INT64_C(1) << 50, UWC_SHARDS - 1, &first, &count);
    assert_true(first + count == INT64_C(1) << 50);
}

static void members_divide_the_shards(void **state) {
    (void)state;
    for (int members = 1; members <= UWC_SHARDS; members *= 2) {
        int next = 0;
        for (int member = 0; member < members; member++) {
            uwc_stream stream = {.member = member, .members = members};
            int first, end;
            uwc_recon__my_shards(&stream, &first, &end);
            assert_int_equal(first, next);
            assert_int_equal(end - first, UWC_SHARDS / members);
            next = end;
        }
        assert_int_equal(next, UWC_SHARDS);
    }
    uwc_stream alone = {.member = 3, .members = 0};
    int first, end;
    uwc_recon__my_shards(&alone, &first, &end);
    assert_int_equal(first, 0);
    assert_int_equal(end, UWC_SHARDS);
}

/* Those of a shard that `most` over all shards leaves: at even distances, inside the shard, and all where there are no more. */
static void check_images(int64_t images, int64_t most) {
    const uwc_stream stream = {.images = images};
    const int64_t share = most / UWC_SHARDS + (most % UWC_SHARDS != 0);
    int64_t taken = 0;
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        const uwc_images got = uwc_recon__images(&stream, shard, most);
        int64_t first, all;
        uwc_shard_range(images, shard, &first, &all);
        assert_int_equal(got.first, first);
        assert_int_equal(got.count, all < share ? all : share);
        assert_true(got.step >= 1);
        if (got.count > 0) {
            int64_t behind = first + all - 1 - (got.first + (got.count - 1) * got.step); /* images behind the last one */
            assert_true(behind >= 0);
            assert_true(behind < got.step + got.count); /* the next step would lead out, but for what the division leaves */
            assert_true(all > share || got.step == 1);
        }
        taken += got.count;
    }
    assert_true(taken / UWC_SHARDS <= share);
    assert_true(images <= most ? taken == images : taken >= most - UWC_SHARDS);
}

static void images_of_shards_are_evenly_spread(void **state) {
    (void)state;
    static const int64_t most[] = {1, 15, 16, 17, 100, 128, 1000, INT64_MAX};
    for (int64_t images = 1; images < 300; images++) {
        for (size_t k = 0; k < sizeof most / sizeof most[0]; k++) {
            check_images(images, most[k]);
        }
        check_images(images, images);
    }
    const uwc_stream stream = {.images = 1600};
    const uwc_images got = uwc_recon__images(&stream, 3, 40); /* 100 images per shard, 3 of them wanted */
    assert_int_equal(got.first, 300);
    assert_int_equal(got.step, 33);
    assert_int_equal(got.count, 3);
}

/* Parts of any length are the whole, in order. */
static void parts_are_the_whole(void **state) {
    (void)state;
    const uwc_images whole = {.first = 7, .step = 5, .count = 11};
    for (int64_t length = 1; length < 14; length++) {
        int64_t seen = 0;
        for (int64_t at = 0; at < whole.count; at += length) {
            const uwc_images part = uwc_recon__images_part(whole, at, length);
            assert_in_range(part.count, 1, length);
            for (int64_t i = 0; i < part.count; i++) {
                assert_int_equal(part.first + i * part.step, 7 + 5 * seen++);
            }
        }
        assert_int_equal(seen, whole.count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_cover_the_images_in_order),
        cmocka_unit_test(large_counts_do_not_overflow),
        cmocka_unit_test(members_divide_the_shards),
        cmocka_unit_test(images_of_shards_are_evenly_spread),
        cmocka_unit_test(parts_are_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
