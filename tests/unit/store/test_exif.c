#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_impl.h"
#include <stdlib.h>
#include <string.h>

#define LITTLE_HEAD "II*\0\x08\0\0\0"
#define BIG_HEAD "MM\0*\0\0\0\x08"
#define SIX_LITTLE                                                                                                                         \
    LITTLE_HEAD "\2\0"                                                                                                                     \
                "\x0f\1\2\0\4\0\0\0abc\0"                                                                                                  \
                "\x12\1\3\0\1\0\0\0\6\0\0\0"
#define SIX_BIG                                                                                                                            \
    BIG_HEAD "\0\2"                                                                                                                        \
             "\1\x0f\0\2\0\0\0\4abc\0"                                                                                                     \
             "\1\x12\0\3\0\0\0\1\0\6\0\0"

static void test_given_both_byte_orders_expect_orientation(void **state) {
    (void)state;
    assert_int_equal(uwc_store__orientation((const unsigned char *)SIX_LITTLE, sizeof SIX_LITTLE - 1), 6);
    assert_int_equal(uwc_store__orientation((const unsigned char *)SIX_BIG, sizeof SIX_BIG - 1), 6);
    static const char wide[] = BIG_HEAD "\0\1"
                                        "\1\x12\0\4\0\0\0\1\0\0\0\x08"; /* a LONG */
    assert_int_equal(uwc_store__orientation((const unsigned char *)wide, sizeof wide - 1), 8);
}

/* Whatever is cut off or changed, the answer is an orientation; the buffers end where the sanitizers look. */
static void test_given_damage_expect_some_orientation(void **state) {
    static const char *const text[] = {SIX_LITTLE, SIX_BIG};
    enum { BYTES = sizeof SIX_LITTLE - 1 };
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (size_t length = 0; length <= BYTES; length++) {
            unsigned char *copy = malloc(length > 0 ? length : 1);
            memcpy(copy, text[i], length);
            assert_int_equal(uwc_store__orientation(copy, length), length == BYTES ? 6 : 1);
            free(copy);
        }
        for (int at = 0; at < BYTES * 256; at++) {
            unsigned char copy[BYTES];
            memcpy(copy, text[i], BYTES);
            copy[at / 256] = (unsigned char)(at % 256);
            assert_in_range(uwc_store__orientation(copy, BYTES), 1, 8);
        }
    }
}

/* Pixels are numbered 10 y + x; what each orientation shows first and at its end. Source: EXIF 2.3, table of tag 0x112. */
static void test_given_orientations_expect_corners(void **state) {
    static const struct {
        int first, end_of_first_row, last;
    } row[9] = {{0, 0, 0}, {0, 2, 12}, {2, 0, 10}, {12, 10, 0}, {10, 12, 2}, {0, 10, 12}, {10, 0, 2}, {12, 2, 0}, {2, 12, 10}};
    unsigned char pixels[2 * 3 * 3];
    (void)state;
    for (int i = 0; i < 18; i++) {
        pixels[i] = (unsigned char)(10 * (i / 9) + i % 9 / 3);
    }
    for (int o = 1; o <= 8; o++) {
        uwc_store__picture p = uwc_store__orient(2, 3, o, pixels);
        const unsigned char *at = p.data;
        assert_int_equal(p.height, o < 5 ? 2 : 3);
        assert_int_equal(p.width, o < 5 ? 3 : 2);
        assert_int_equal(at[0], row[o].first);
        assert_int_equal(at[(p.width - 1) * p.pixel_step], row[o].end_of_first_row);
        assert_int_equal(at[(p.width - 1) * p.pixel_step + (p.height - 1) * p.row_step], row[o].last);
        assert_int_equal(uwc_store__lies_down(o), o >= 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_both_byte_orders_expect_orientation),
        cmocka_unit_test(test_given_damage_expect_some_orientation),
        cmocka_unit_test(test_given_orientations_expect_corners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
