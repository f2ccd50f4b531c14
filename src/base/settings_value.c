#include "base/settings_value.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* As long as a header line may be for nginx, and far longer than it has to be. */
#define TOKEN_MAX 512

/* Long enough for "::ffff:255.255.255.255" and any other address without a zone. */
#define ADDRESS_MAX INET6_ADDRSTRLEN

/* A share is kept in millionths. */
#define SHARE_DIGITS 6
#define SHARE_ALL 1000000

static bool is_within(const struct settings_row *row, size_t length) {
    return length >= (size_t)row->least && length <= (size_t)row->greatest;
}

/* Keeps a copy of the text in a member. */
static enum settings_result keep_text(const char *text, size_t length, void *member) {
    char *copy = strndup(text, length);
    if (!copy)
        return SETTINGS_NO_MEMORY;
    *(const char **)member = copy;
    return SETTINGS_OK;
}

static enum settings_result parse_integer(const struct settings_row *row, const char *text,
                                          void *member) {
    int64_t value = 0;
    if (!text_parse_int(&value, text, strlen(text)) || value < row->least || value > row->greatest)
        return SETTINGS_WRONG;
    *(int64_t *)member = value;
    return SETTINGS_OK;
}

static enum settings_result parse_boolean(const char *text, void *member) {
    static const struct {
        const char *name;
        bool value;
    } names[] = {{"true", true},   {"1", true},  {"yes", true}, {"on", true},
                 {"false", false}, {"0", false}, {"no", false}, {"off", false}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (text_equals_nocase(text, strlen(text), names[i].name, strlen(names[i].name))) {
            *(bool *)member = names[i].value;
            return SETTINGS_OK;
        }
    }
    return SETTINGS_WRONG;
}

/* True when the text is valid UTF-8 without control characters. */
static bool is_printable(const char *text, size_t length) {
    size_t i = 0;
    while (i < length) {
        size_t size = text_utf8_sequence(text + i, length - i);
        if (size == 0 || text_is_control(text + i, size))
            return false;
        i += size;
    }
    return true;
}

static enum settings_result parse_text(const struct settings_row *row, const char *text,
                                       void *member) {
    size_t length = strlen(text);
    if (!is_within(row, length) || !is_printable(text, length))
        return SETTINGS_WRONG;
    return keep_text(text, length, member);
}

/* inet_pton() for text without a NUL; `address` gets 4 or 16 bytes. */
static bool parse_address(int family, const char *text, size_t length, unsigned char address[16]) {
    char copy[ADDRESS_MAX];
    if (length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(family, copy, address) == 1;
}

/* A name of letters, digits and "._-", or an IPv4 address. */
static bool is_host_name(const char *text) {
    unsigned char address[16];
    size_t length = strlen(text);
    if (strspn(text, LETTERS_AND_DIGITS "._-") != length || strchr(".-_", text[0]))
        return false;
    /* What looks like an address has to be one: 10.0.0.256 is not a name. */
    if (strspn(text, "0123456789.") == length)
        return parse_address(AF_INET, text, length, address);
    return strstr(text, "..") == NULL;
}

static enum settings_result parse_host(const struct settings_row *row, const char *text,
                                       void *member) {
    unsigned char address[16];
    size_t length = strlen(text);
    if (!is_within(row, length))
        return SETTINGS_WRONG;
    if (text[0] == '[') {
        if (length < 2 || text[length - 1] != ']' ||
            !parse_address(AF_INET6, text + 1, length - 2, address))
            return SETTINGS_WRONG;
        return keep_text(text, length, member);
    }
    if (parse_address(AF_INET6, text, length, address)) {
        char bracketed[ADDRESS_MAX + 2];
        (void)snprintf(bracketed, sizeof(bracketed), "[%s]", text);
        return keep_text(bracketed, length + 2, member);
    }
    return is_host_name(text) ? keep_text(text, length, member) : SETTINGS_WRONG;
}

static enum settings_result parse_path(const struct settings_row *row, const char *text,
                                       void *member) {
    size_t length = strlen(text);
    if (length == 0 && row->least == 0)
        return keep_text("", 0, member);
    if (!is_within(row, length) || text[0] != '/' || text[length - 1] == '/' ||
        strspn(text, LETTERS_AND_DIGITS "._/-") != length)
        return SETTINGS_WRONG;
    return keep_text(text, length, member);
}

/* Digits with at most six behind a point; the value in millionths. */
static enum settings_result parse_share(const char *text, void *member) {
    int64_t value = 0;
    const size_t whole = strspn(text, "0123456789");
    const char *fraction = text + whole + (text[whole] == '.');
    const size_t digits = strspn(fraction, "0123456789");
    if (whole == 0 || !text_parse_int(&value, text, whole) || value > 1 || digits > SHARE_DIGITS ||
        fraction[digits] != '\0' || (text[whole] == '.' && digits == 0))
        return SETTINGS_WRONG;
    for (size_t i = 0; i < SHARE_DIGITS; i++)
        value = value * 10 + (i < digits ? fraction[i] - '0' : 0);
    if (value > SHARE_ALL)
        return SETTINGS_WRONG;
    *(int64_t *)member = value;
    return SETTINGS_OK;
}

/* "0.1": without zeros behind the last digit that counts. */
static void append_share(struct buffer *b, int64_t value) {
    char text[sizeof "1.000000"];
    size_t length = (size_t)snprintf(text, sizeof text, "%d.%06d", (int)(value / SHARE_ALL),
                                     (int)(value % SHARE_ALL));
    while (text[length - 1] == '0')
        length--;
    buffer_append(b, text, length - (text[length - 1] == '.'));
}

/* True when all bits of the address behind the first `bits` are 0. */
static bool has_no_host_bits(const unsigned char *address, size_t size, size_t bits) {
    for (size_t i = bits; i < size * 8; i++) {
        if (address[i / 8] & (0x80U >> i % 8))
            return false;
    }
    return true;
}

/* "10.0.0.0/8" or "fc00::/7" */
static bool is_network(const char *text, size_t length) {
    unsigned char address[16];
    int64_t bits = 0;
    const char *slash = memchr(text, '/', length);
    if (!slash)
        return false;
    size_t address_length = (size_t)(slash - text);
    size_t size = memchr(text, ':', address_length) ? 16 : 4;
    if (!parse_address(size == 16 ? AF_INET6 : AF_INET, text, address_length, address))
        return false;
    if (!text_parse_int(&bits, slash + 1, length - address_length - 1) || slash[1] == '-' ||
        bits > (int64_t)size * 8)
        return false;
    return has_no_host_bits(address, size, (size_t)bits);
}

/* A list by comma, each element of which passes the check. Kept without spaces. */
static enum settings_result parse_list(const struct settings_row *row, const char *text,
                                       bool (*is_element)(const char *text, size_t length),
                                       void *member) {
    struct buffer list = {0};
    enum settings_result result = SETTINGS_WRONG;
    const char *p = text;
    if (!is_within(row, strlen(text)))
        return SETTINGS_WRONG;
    for (;;) {
        p += strspn(p, " ");
        size_t length = strcspn(p, " ,");
        if (!is_element(p, length))
            goto done;
        buffer_append(&list, p, length);
        p += length;
        p += strspn(p, " ");
        if (*p == '\0')
            break;
        if (*p++ != ',')
            goto done;
        buffer_append_char(&list, ',');
    }
    result = list.failed ? SETTINGS_NO_MEMORY : keep_text(list.data, list.length, member);
done:
    buffer_free(&list);
    return result;
}

static enum settings_result parse_topic(const struct settings_row *row, const char *text,
                                        void *member) {
    const size_t length = strlen(text);
    if (!is_within(row, length) || strspn(text, LETTERS_AND_DIGITS "._-") != length ||
        strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return SETTINGS_WRONG;
    return keep_text(text, length, member);
}

/* Visible ASCII, so that it can be sent in a header; a digest has to be a whole one. */
static bool is_token(const char *text, size_t length) {
    static const char DIGEST[] = "sha256:";
    const size_t prefix = sizeof DIGEST - 1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    if (length < prefix || memcmp(text, DIGEST, prefix) != 0)
        return length > 0 && length <= TOKEN_MAX;
    for (size_t i = prefix; i < length; i++) {
        if (text_hex_digit(text[i]) < 0)
            return false;
    }
    return length == prefix + 64;
}

static enum settings_result parse_tokens(const struct settings_row *row, const char *text,
                                         void *member) {
    return *text == '\0' ? keep_text("", 0, member) : parse_list(row, text, is_token, member);
}

static enum settings_result result_of(bool parsed) {
    return parsed ? SETTINGS_OK : SETTINGS_WRONG;
}

enum settings_result settings_value_parse(const struct settings_row *row, const char *text,
                                          void *member) {
    switch (row->kind) {
    case SETTINGS_INTEGER:
        return parse_integer(row, text, member);
    case SETTINGS_BOOLEAN:
        return parse_boolean(text, member);
    case SETTINGS_TEXT:
        return parse_text(row, text, member);
    case SETTINGS_HOST:
        return parse_host(row, text, member);
    case SETTINGS_PATH:
        return parse_path(row, text, member);
    case SETTINGS_NETWORKS:
        return parse_list(row, text, is_network, member);
    case SETTINGS_TOPIC:
        return parse_topic(row, text, member);
    case SETTINGS_TOKENS:
        return parse_tokens(row, text, member);
    case SETTINGS_LEVEL:
        return result_of(log_level_parse(member, text, strlen(text)));
    case SETTINGS_FORMAT:
        return result_of(log_format_parse(member, text, strlen(text)));
    case SETTINGS_SHARE:
        return parse_share(text, member);
    }
    return SETTINGS_WRONG;
}

bool settings_value_is_owned(const struct settings_row *row) {
    return row->kind == SETTINGS_TEXT || row->kind == SETTINGS_HOST || row->kind == SETTINGS_PATH ||
           row->kind == SETTINGS_NETWORKS || row->kind == SETTINGS_TOPIC ||
           row->kind == SETTINGS_TOKENS;
}

void settings_value_append(struct buffer *b, const struct settings_row *row, const void *member) {
    switch (row->kind) {
    case SETTINGS_INTEGER:
        buffer_append_int(b, *(const int64_t *)member);
        break;
    case SETTINGS_SHARE:
        append_share(b, *(const int64_t *)member);
        break;
    case SETTINGS_BOOLEAN:
        buffer_append_text(b, *(const bool *)member ? "true" : "false");
        break;
    case SETTINGS_LEVEL:
        buffer_append_text(b, log_level_name(*(const enum log_level *)member));
        break;
    case SETTINGS_FORMAT:
        buffer_append_text(b, log_format_name(*(const enum log_format *)member));
        break;
    case SETTINGS_TEXT:
    case SETTINGS_HOST:
    case SETTINGS_PATH:
    case SETTINGS_NETWORKS:
    case SETTINGS_TOPIC:
    case SETTINGS_TOKENS:
        buffer_append_text(b, *(const char *const *)member);
        break;
    }
}

void settings_value_append_allowed(struct buffer *b, const struct settings_row *row) {
    switch (row->kind) {
    case SETTINGS_INTEGER:
        buffer_printf(b, "an integer from %" PRId64 " to %" PRId64, row->least, row->greatest);
        break;
    case SETTINGS_BOOLEAN:
        buffer_append_text(b, "true or false");
        break;
    case SETTINGS_TEXT:
        buffer_printf(b, "%" PRId64 " to %" PRId64 " bytes of UTF-8 without control characters",
                      row->least, row->greatest);
        break;
    case SETTINGS_HOST:
        buffer_append_text(b, "a host name, an IPv4 address or an IPv6 address");
        break;
    case SETTINGS_PATH:
        buffer_printf(b, "an absolute path of at most %" PRId64 " characters A-Z a-z 0-9 . _ / -",
                      row->greatest);
        break;
    case SETTINGS_NETWORKS:
        buffer_append_text(b, "networks such as 10.0.0.0/8 or fc00::/7, separated by commas, "
                              "without bits behind the prefix");
        break;
    case SETTINGS_TOPIC:
        buffer_printf(b, "%" PRId64 " to %" PRId64 " characters A-Z a-z 0-9 . _ -", row->least,
                      row->greatest);
        break;
    case SETTINGS_TOKENS:
        buffer_printf(
            b,
            "tokens of at most %d visible ASCII characters or sha256:DIGEST (64 hexadecimal "
            "digits), separated by commas",
            TOKEN_MAX);
        break;
    case SETTINGS_LEVEL:
        buffer_append_text(b, "debug, info, warn or error");
        break;
    case SETTINGS_FORMAT:
        buffer_append_text(b, "json or text");
        break;
    case SETTINGS_SHARE:
        buffer_append_text(b, "a number from 0 to 1, with at most six digits behind the point");
        break;
    }
}
