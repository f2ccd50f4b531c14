#include "notification/line.h"

#include <stdlib.h>
#include <string.h>

#include "notification/characters.h"
#include "notification/markup.h"
#include "unit.h"

static struct buffer out;

static void setup(void) {
    buffer_init(&out);
}

static void teardown(void) {
    buffer_free(&out);
}

static struct text_span span_of(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static void check_out(const char *expected) {
    buffer_append_char(&out, '\0');
    ck_assert(!out.failed);
    ck_assert_str_eq(out.data, expected);
}

/* NOLINTBEGIN(misc-misleading-bidirectional): they are what is tested. */
static const struct {
    const char *text;
    size_t most;
    const char *line;
} lines[] = {
    {"Guest moved", 100, "Guest moved"},
    {"  Guest\t\r\n moved \n", 100, "Guest moved"},
    {"x\r\nReleased by: somebody else", 100, "x Released by: somebody else"},
    {"a\x01\x02"
     "b\x7F",
     100, "a b"},
    {"a\xC2\x85"
     "b",
     100, "a b"}, /* next line */
    {"a\xE2\x80\xA8"
     "b\xE2\x80\xA9"
     "c",
     100, "a b c"}, /* line, paragraph separator */
    {"\xC2\xA0"
     "a\xE3\x80\x80"
     "b\xEF\xBB\xBF",
     100, "a b"},
    {"a\xE2\x80\xAE"
     "b\xE2\x81\xA9",
     100, "ab"}, /* right-to-left override, isolates */
    {"\xD8\x9C\xE2\x80\x8E\xE2\x80\x8F", 100, "-"},
    {"", 100, "-"},
    {" \n ", 100, "-"},
    {"\xF0\x9F\x94\x91 key", 100, "\xF0\x9F\x94\x91 key"},
    {"abcdef", 6, "abcdef"},
    {"abcdefg", 6, "abc..."},
    {"abcdef ", 6, "abcdef"},
    {"abc d e f", 6, "abc..."},
    {"ab cdefg", 6, "ab ..."},
    {"\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC", 4, "\xC3\xBC..."},
    {"abcd", 3, "..."},
    {"abc", 3, "abc"},
};
/* NOLINTEND(misc-misleading-bidirectional) */

START_TEST(a_text_is_a_piece_of_one_line) {
    line_append(&out, span_of(lines[_i].text), lines[_i].most);
    check_out(lines[_i].line);
}
END_TEST

START_TEST(what_stands_before_it_stays) {
    buffer_append_text(&out, "Reason: ");
    line_append(&out, span_of("abcdefg"), 6);
    line_append(&out, span_of(""), 6);
    check_out("Reason: abc...-");
}
END_TEST

static const struct {
    const char *text;
    const char *html;
    const char *slack;
} markups[] = {
    {"plain text", "plain text", "plain text"},
    {"<b>&amp;</b>", "&lt;b&gt;&amp;amp;&lt;/b&gt;", "&lt;b&gt;&amp;amp;&lt;/b&gt;"},
    {"\"it's\"", "&quot;it&#39;s&quot;", "\"it's\""},
    {"<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;",
     "&lt;script&gt;alert('x')&lt;/script&gt;"},
    {"<!channel> <@U1|a> <http://x>", "&lt;!channel&gt; &lt;@U1|a&gt; &lt;http://x&gt;",
     "&lt;!channel&gt; &lt;@\xE2\x80\x8BU1|a&gt; &lt;http://x&gt;"},
    {"@channel", "@channel",
     "@\xE2\x80\x8B"
     "channel"},
    {"to @here!", "to @here!",
     "to @\xE2\x80\x8B"
     "here!"},
    {".@all", ".@all",
     ".@\xE2\x80\x8B"
     "all"},
    {"\xC3\xBC@all", "\xC3\xBC@all",
     "\xC3\xBC@\xE2\x80\x8B"
     "all"},
    {"@@all", "@@all",
     "@\xE2\x80\x8B@\xE2\x80\x8B"
     "all"},
    {"alex@hotel.example", "alex@hotel.example", "alex@hotel.example"},
    {"Alex9@hotel.example", "Alex9@hotel.example", "Alex9@hotel.example"},
    {"AlexZ@hotel.example", "AlexZ@hotel.example", "AlexZ@hotel.example"},
    {"", "", ""},
};

START_TEST(markup_is_text) {
    markup_append_html(&out, span_of(markups[_i].text));
    check_out(markups[_i].html);
    buffer_clear(&out);
    markup_append_slack(&out, span_of(markups[_i].text));
    check_out(markups[_i].slack);
    buffer_clear(&out);
    markup_append_none(&out, span_of(markups[_i].text));
    check_out(markups[_i].text);
}
END_TEST

/* NOLINTBEGIN(misc-misleading-bidirectional) */
static const struct {
    const char *sequence;
    uint32_t character;
    bool space;
    bool control;
    bool reorders;
} characters[] = {
    {"A", 0x41, false, false, false},
    {" ", 0x20, true, false, false},
    {"\t", 0x09, true, true, false},
    {"\r", 0x0D, true, true, false},
    {"\x0E", 0x0E, false, true, false},
    {"\x1F", 0x1F, false, true, false},
    {"\x7F", 0x7F, false, true, false},
    {"\xC2\x80", 0x80, false, true, false},
    {"\xC2\x85", 0x85, true, true, false},
    {"\xC2\x9F", 0x9F, false, true, false},
    {"\xC2\xA0", 0xA0, true, false, false},
    {"\xC2\xA1", 0xA1, false, false, false},
    {"\xC3\xBC", 0xFC, false, false, false},
    {"\xD8\x9C", 0x61C, false, false, true},
    {"\xDF\xBF", 0x7FF, false, false, false},
    {"\xE0\xA0\x80", 0x800, false, false, false},
    {"\xE1\x9A\x80", 0x1680, true, false, false},
    {"\xE2\x80\x80", 0x2000, true, false, false},
    {"\xE2\x80\x8A", 0x200A, true, false, false},
    {"\xE2\x80\x8B", 0x200B, false, false, false},
    {"\xE2\x80\x8F", 0x200F, false, false, true},
    {"\xE2\x80\xA8", 0x2028, true, true, false},
    {"\xE2\x80\xA9", 0x2029, true, true, false},
    {"\xE2\x80\xAA", 0x202A, false, false, true},
    {"\xE2\x80\xAE", 0x202E, false, false, true},
    {"\xE2\x80\xAF", 0x202F, true, false, false},
    {"\xE2\x81\x9F", 0x205F, true, false, false},
    {"\xE2\x81\xA6", 0x2066, false, false, true},
    {"\xE2\x81\xA9", 0x2069, false, false, true},
    {"\xE2\x81\xAA", 0x206A, false, false, false},
    {"\xE3\x80\x80", 0x3000, true, false, false},
    {"\xEF\xBB\xBF", 0xFEFF, true, false, false},
    {"\xEF\xBF\xBF", 0xFFFF, false, false, false},
    {"\xF0\x90\x80\x80", 0x10000, false, false, false},
    {"\xF4\x8F\xBF\xBF", 0x10FFFF, false, false, false},
};
/* NOLINTEND(misc-misleading-bidirectional) */

START_TEST(characters_have_their_meaning) {
    const char *sequence = characters[_i].sequence;
    const uint32_t character = character_decode(sequence, strlen(sequence));
    ck_assert_uint_eq(character, characters[_i].character);
    ck_assert(character_is_space(character) == characters[_i].space);
    ck_assert(character_is_control(character) == characters[_i].control);
    ck_assert(character_reorders(character) == characters[_i].reorders);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notification_line");
    TCase *tc = tcase_create("line");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_text_is_a_piece_of_one_line, 0, COUNT(lines));
    tcase_add_test(tc, what_stands_before_it_stays);
    tcase_add_loop_test(tc, markup_is_text, 0, COUNT(markups));
    tcase_add_loop_test(tc, characters_have_their_meaning, 0, COUNT(characters));
    suite_add_tcase(suite, tc);
    return suite;
}
