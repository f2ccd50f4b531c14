/* mask.c: see mask.h. */
#include "base/mask.h"

#include <string.h>
#include <strings.h>

#define STARS "***"

/* Of a phone number: what is shown of it, and what is between. */
#define PHONE_SHOWN 2
#define PHONE_STARS "******"
#define PHONE_DIGITS_MIN 7
#define PHONE_DIGITS_MAX 15

struct writer {
    char *out;
    size_t size;
    size_t length;
};

static void put(struct writer *w, const char *text, size_t length) {
    if (length >= w->size - w->length)
        length = w->size - w->length - 1;
    memcpy(w->out + w->length, text, length);
    w->length += length;
    w->out[w->length] = '\0';
}

static void put_stars(struct writer *w) {
    put(w, STARS, sizeof STARS - 1);
}

/* The first character, and nothing that tells how many follow. */
static void put_first(struct writer *w, const char *text, size_t length) {
    put(w, text, text_utf8_sequence(text, length));
    put_stars(w);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* As in the local part of an address (RFC 5322, atext and dots), and beyond ASCII. */
static bool is_local(char c) {
    return is_alphanumeric(c) || (c != '\0' && strchr(".!#$%&'*+/=?^_`{|}~-", c) != NULL) ||
           (unsigned char)c >= 0x80;
}

static bool is_domain(char c) {
    return is_alphanumeric(c) || c == '.' || c == '-' || (unsigned char)c >= 0x80;
}

static bool is_between_digits(char c) {
    return c != '\0' && strchr(" .-()/", c) != NULL;
}

/* How many bytes at the start are a phone number, from its "+" to its last digit; 0: none. */
static size_t phone_length(const char *text, size_t length) {
    size_t digits = 0;
    size_t end = 0;
    if (length == 0 || *text != '+')
        return 0;
    for (size_t i = 1; i < length && (is_digit(text[i]) || is_between_digits(text[i])); i++) {
        if (!is_digit(text[i]))
            continue;
        if (++digits > PHONE_DIGITS_MAX)
            return 0;
        end = i + 1;
    }
    return digits >= PHONE_DIGITS_MIN ? end : 0;
}

static void put_phone(struct writer *w, const char *text, size_t length) {
    put(w, text, 1 + PHONE_SHOWN);
    put(w, PHONE_STARS, sizeof PHONE_STARS - 1);
    put(w, text + length - PHONE_SHOWN, PHONE_SHOWN);
}

static struct writer writer_on(char *out, size_t size) {
    *out = '\0';
    return (struct writer){out, size, 0};
}

const char *mask_name(char out[MASK_MAX], struct text_span name) {
    struct writer w = writer_on(out, MASK_MAX);
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] == ' ')
            continue;
        if (i > 0 && name.data[i - 1] != ' ')
            continue;
        if (w.length > 0)
            put(&w, " ", 1);
        put_first(&w, name.data + i, name.length - i);
    }
    return out;
}

const char *mask_contact(char out[MASK_MAX], struct text_span contact) {
    struct writer w = writer_on(out, MASK_MAX);
    const char *at = memchr(contact.data, '@', contact.length);
    const size_t phone = phone_length(contact.data, contact.length);
    if (contact.length > 1 && (*contact.data == '#' || *contact.data == '@')) {
        put(&w, contact.data, 1);
        put_first(&w, contact.data + 1, contact.length - 1);
    } else if (at != NULL && at > contact.data) {
        put_first(&w, contact.data, (size_t)(at - contact.data));
        put(&w, at, contact.length - (size_t)(at - contact.data));
    } else if (phone > 0) {
        put_phone(&w, contact.data, phone);
    } else {
        return mask_name(out, contact);
    }
    return out;
}

/* --- messages ----------------------------------------------------------------------------- */

/* Behind "scheme://" up to the last "@" before the host; 0: a URL without a user. */
static size_t user_length(const char *text) {
    const size_t authority = strcspn(text, "/?# \t\"'<>");
    for (size_t i = authority; i > 0; i--) {
        if (text[i - 1] == '@')
            return i - 1;
    }
    return 0;
}

/* How long the value of a secret is: a quoted text, or up to a space or a separator. */
static size_t value_length(const char *text) {
    if (*text == '\'' || *text == '"') {
        const char *end = strchr(text + 1, *text);
        return end == NULL ? strlen(text) : (size_t)(end - text) + 1;
    }
    return strcspn(text, " \t\r\n&,;\"'");
}

/* The length of a word at the start of the text behind which a secret follows; 0: none. */
static size_t secret_word(const char *text) {
    static const char *const WORDS[] = {"password=", "password: ", "passwd=", "secret=", "token=",
                                        "api_key=",  "apikey=",    "bearer ", "basic "};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (strncasecmp(text, WORDS[i], strlen(WORDS[i])) == 0)
            return strlen(WORDS[i]);
    }
    return 0;
}

/* Masks a secret that begins here. Returns how much of the text it was, with what announced it. */
static size_t put_secret(struct writer *w, const char *text) {
    if (strncmp(text, "://", 3) == 0) {
        const size_t user = user_length(text + 3);
        put(w, text, 3);
        if (user > 0)
            put_stars(w);
        return 3 + user;
    }
    const size_t word = secret_word(text);
    const size_t value = word == 0 ? 0 : value_length(text + word);
    if (value == 0)
        return 0;
    put(w, text, word);
    put_stars(w);
    return word + value;
}

/* How many bytes at the start are an email address, and where its "@" is; 0: none. */
static size_t email_length(const char *text, size_t *at) {
    size_t i = 0;
    while (is_local(text[i]))
        i++;
    if (i == 0 || text[i] != '@' || !(is_alphanumeric(text[i + 1]) || (text[i + 1] & 0x80)))
        return 0;
    *at = i++;
    while (is_domain(text[i]))
        i++;
    return i;
}

/* Masks what is personal at the start of a word. Returns how much of the text it was. */
static size_t put_personal(struct writer *w, const char *text) {
    size_t at = 0;
    const size_t email = email_length(text, &at);
    if (email > 0) {
        put_first(w, text, at);
        put(w, text + at, email - at);
        return email;
    }
    const size_t phone = phone_length(text, strlen(text));
    if (phone > 0)
        put_phone(w, text, phone);
    return phone;
}

/* Personal data is looked for at the beginnings of words only: the time that it takes does not grow
 * faster than the message. */
void mask_message(char *out, size_t size, const char *message, bool personal) {
    struct writer w = writer_on(out, size);
    bool in_word = false;
    while (*message != '\0' && w.length + 1 < size) {
        size_t taken = put_secret(&w, message);
        if (taken == 0 && personal && !in_word)
            taken = put_personal(&w, message);
        in_word = taken == 0 && is_local(*message);
        if (taken == 0) {
            put(&w, message, 1);
            taken = 1;
        }
        message += taken;
    }
}
