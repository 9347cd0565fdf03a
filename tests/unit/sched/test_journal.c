/* The journal: what is appended is read back; torn and damaged lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"

#include <string.h>

enum { EVENTS = 5 };

/* Opens, checks how many events are there, and appends one that says `number`. */
static void append_event(const char *path, int64_t expected, int64_t number) {
    uwc_journal *journal;
    uwc_json *events, *event = uwc_json_object();
    assert_int_equal(uwc_sched__journal_open(path, &journal, &events), UWC_OK);
    assert_int_equal(uwc_json_length(events), expected);
    assert_int_equal(uwc_json_set_string(event, "event", "test"), UWC_OK);
    assert_int_equal(uwc_json_set_int(event, "number", number), UWC_OK);
    assert_int_equal(uwc_sched__journal_append(journal, event), UWC_OK);
    uwc_sched__journal_close(&journal);
    uwc_json_release(&events);
}

static void expect_numbers(const char *path, int64_t expected) {
    uwc_journal *journal;
    uwc_json *events;
    assert_int_equal(uwc_sched__journal_open(path, &journal, &events), UWC_OK);
    assert_int_equal(uwc_json_length(events), expected);
    for (int64_t i = 0; i < expected; i++) {
        int64_t number;
        assert_int_equal(uwc_json_get_int(uwc_json_at(events, i), "number", &number), UWC_OK);
        assert_int_equal(number, i);
    }
    uwc_sched__journal_close(&journal);
    uwc_json_release(&events);
}

static char *make_journal(void **state) {
    char *path = in_scratch(state, "journal.jsonl");
    for (int64_t i = 0; i < EVENTS; i++) {
        append_event(path, i, i);
    }
    return path;
}

static void given_appended_events_when_opened_expect_them_in_order(void **state) {
    char *path = make_journal(state);
    expect_numbers(path, EVENTS);
    uwc_free(&path);
}

static void given_a_file_cut_anywhere_when_opened_expect_the_whole_lines_and_room_for_more(void **state) {
    char *path = make_journal(state), *text;
    size_t bytes;
    assert_int_equal(uwc_file_read(path, &text, &bytes), UWC_OK);
    for (size_t cut = 0; cut <= bytes; cut++) {
        int64_t lines = 0;
        for (size_t i = 0; i < cut; i++) {
            lines += text[i] == '\n';
        }
        assert_int_equal(uwc_file_write(path, text, cut), UWC_OK);
        expect_numbers(path, lines);
        append_event(path, lines, lines);
        expect_numbers(path, lines + 1);
    }
    uwc_free(&text);
    uwc_free(&path);
}

static void given_a_changed_byte_when_opened_expect_format_or_a_lost_last_line(void **state) {
    char *path = make_journal(state), *text;
    size_t bytes;
    assert_int_equal(uwc_file_read(path, &text, &bytes), UWC_OK);
    size_t last = bytes - 1;
    while (text[last - 1] != '\n') {
        last--;
    }
    for (size_t at = 0; at < bytes - 1; at++) {
        text[at] ^= 4;
        assert_int_equal(uwc_file_write(path, text, bytes), UWC_OK);
        if (at < last - 1) {
            uwc_journal *journal;
            uwc_json *events;
            assert_int_equal(uwc_sched__journal_open(path, &journal, &events), UWC_E_FORMAT);
            assert_null(journal);
            assert_null(events);
            assert_non_null(strstr(uwc_error_last()->text, "journal.jsonl: line "));
        } else {
            expect_numbers(path, at < last ? EVENTS - 2 : EVENTS - 1); /* without the newline in front, two lines are one */
        }
        text[at] ^= 4;
    }
    uwc_free(&text);
    uwc_free(&path);
}

static void given_a_folder_in_its_place_when_opened_expect_io(void **state) {
    uwc_journal *journal;
    uwc_json *events;
    assert_int_equal(uwc_sched__journal_open(*state, &journal, &events), UWC_E_IO);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, drop_scratch)
    const struct CMUnitTest tests[] = {
        TEST(given_appended_events_when_opened_expect_them_in_order),
        TEST(given_a_file_cut_anywhere_when_opened_expect_the_whole_lines_and_room_for_more),
        TEST(given_a_changed_byte_when_opened_expect_format_or_a_lost_last_line),
        TEST(given_a_folder_in_its_place_when_opened_expect_io),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
