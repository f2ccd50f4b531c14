#include "base/mask.h"

#include <string.h>

#include "unit.h"

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

START_TEST(names) {
    char out[MASK_MAX];
    ck_assert_str_eq(mask_name(out, span("Alex Night")), "A*** N***");
    ck_assert_str_eq(mask_name(out, span("  \xC3\x89lodie  d'Or ")), "\xC3\x89*** d***");
    ck_assert_str_eq(mask_name(out, span("")), "");
    ck_assert_str_eq(mask_name(out, span("x")), "x***");
}
END_TEST

START_TEST(a_name_of_many_words_fits) {
    char out[MASK_MAX];
    char name[1001];
    for (size_t i = 0; i < sizeof name - 1; i++)
        name[i] = i % 2 == 0 ? 'a' : ' ';
    name[sizeof name - 1] = '\0';
    ck_assert_uint_eq(strlen(mask_name(out, span(name))), MASK_MAX - 1);
}
END_TEST

static const struct {
    const char *contact;
    const char *masked;
} contacts[] = {
    {"gm@hotel.example", "g***@hotel.example"},
    {"\"a b\"@hotel.example", "\"***@hotel.example"},
    {"+4915112345621", "+49******21"},
    {"+49 (151) 1234-5621", "+49******21"},
    {"#front-desk", "#f***"},
    {"@alex", "@a***"},
    {"U024BE7LH", "U***"},
    {"Alex Night", "A*** N***"},
    {"+1", "+***"},
    {"", ""},
};

START_TEST(contacts_are_masked) {
    char out[MASK_MAX];
    ck_assert_str_eq(mask_contact(out, span(contacts[_i].contact)), contacts[_i].masked);
}
END_TEST

static const struct {
    const char *message;
    const char *masked;   /* with personal data masked */
    const char *personal; /* secrets only */
} messages[] = {
    {"nothing to hide, 12:00:00+02 and a@", NULL, NULL},
    {"to gm@hotel.example, and back", "to g***@hotel.example, and back", NULL},
    {"<gm+x@hotel.example>", "<g***@hotel.example>", NULL},
    {"call +49 151 1234 5621.", "call +49******21.", NULL},
    {"offset 4915112345621, id 5e0f3f3e-6a51-4b0f-9d0c-2a1b3c4d5e6f", NULL, NULL},
    {"postgresql://user:s3cret@db/x failed", "postgresql://***@db/x failed",
     "postgresql://***@db/x failed"},
    {"https://hooks.example/a@b", "https://h***@b", NULL},
    {"password=s3cret host=db", "password=*** host=db", "password=*** host=db"},
    {"PASSWORD='s3 cret' host=db", "PASSWORD=*** host=db", "PASSWORD=*** host=db"},
    {"Authorization: Bearer s3cret", "Authorization: Bearer ***", "Authorization: Bearer ***"},
    {"sasl.password=s3cret", "sasl.password=***", "sasl.password=***"},
    {"password=", NULL, NULL},
    {"", NULL, NULL},
    {"\xFF@\xFF", "***@\xFF", NULL},
};

START_TEST(messages_are_masked) {
    char out[200];
    const char *message = messages[_i].message;
    const char *masked = messages[_i].masked;
    const char *personal = messages[_i].personal;
    mask_message(out, sizeof out, message, true);
    ck_assert_str_eq(out, masked == NULL ? message : masked);
    mask_message(out, sizeof out, message, false);
    ck_assert_str_eq(out, personal == NULL ? message : personal);
}
END_TEST

START_TEST(a_message_is_cut_where_there_is_no_room) {
    static const char MESSAGE[] = "to gm@hotel.example, password=s3cret, +4915112345621";
    for (size_t size = 1; size < sizeof MESSAGE + 10; size++) {
        char out[sizeof MESSAGE + 11];
        memset(out, 'x', sizeof out);
        mask_message(out, size, MESSAGE, true);
        ck_assert_uint_lt(strlen(out), size);
        ck_assert_int_eq(out[size], 'x');
        ck_assert_ptr_null(strstr(out, "s3"));
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("mask");
    TCase *tcase = tcase_create("mask");
    tcase_add_test(tcase, names);
    tcase_add_test(tcase, a_name_of_many_words_fits);
    tcase_add_loop_test(tcase, contacts_are_masked, 0, COUNT(contacts));
    tcase_add_loop_test(tcase, messages_are_masked, 0, COUNT(messages));
    tcase_add_test(tcase, a_message_is_cut_where_there_is_no_room);
    suite_add_tcase(suite, tcase);
    return suite;
}
