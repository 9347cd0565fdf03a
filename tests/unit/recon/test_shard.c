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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_cover_the_images_in_order),
        cmocka_unit_test(large_counts_do_not_overflow),
        cmocka_unit_test(members_divide_the_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
