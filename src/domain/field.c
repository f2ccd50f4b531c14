/* field.c: see field.h. */
#include "domain/field.h"

/* Whether there is a value to check; a missing one that is required is a violation. */
static bool is_there(struct violations *v, const char *field, struct text_span text,
                     enum presence presence) {
    if (violations_has(v, field))
        return false;
    if (text.data != NULL)
        return true;
    if (presence == FIELD_REQUIRED)
        violations_add(v, field, "is required");
    return false;
}

bool field_id(struct violations *v, const char *field, struct text_span text,
              enum presence presence, struct id *out) {
    if (!is_there(v, field, text, presence))
        return false;
    if (id_parse(out, text.data, text.length))
        return true;
    violations_add(v, field, "must be a uuid");
    return false;
}

bool field_optional_id(struct violations *v, const char *field, struct text_span text,
                       struct optional_id *out) {
    out->set = field_id(v, field, text, FIELD_OPTIONAL, &out->id);
    return out->set;
}

bool field_timestamp(struct violations *v, const char *field, struct text_span text,
                     enum presence presence, timestamp_us *out) {
    if (!is_there(v, field, text, presence))
        return false;
    if (timestamp_parse(out, text.data, text.length))
        return true;
    violations_add(v, field, "must be an RFC 3339 date-time or a date, from 1970 to 9999");
    return false;
}

bool field_text(struct violations *v, const char *field, struct text_span text,
                size_t max_code_points, struct text_span *out) {
    if (!is_there(v, field, text, FIELD_OPTIONAL))
        return false;
    if (!text_is_valid_utf8(text.data, text.length)) {
        violations_add(v, field, "must be valid UTF-8 without NUL");
        return false;
    }
    if (text.length == 0) {
        violations_add(v, field, "must not be empty");
        return false;
    }
    if (text_code_points(text.data, text.length) > max_code_points) {
        violations_add(v, field, "is too long");
        return false;
    }
    *out = text;
    return true;
}

bool field_integer(struct violations *v, const char *field, struct text_span text, int64_t least,
                   int64_t greatest, int64_t *out) {
    int64_t value = 0;
    if (!is_there(v, field, text, FIELD_OPTIONAL))
        return false;
    if (!text_parse_int(&value, text.data, text.length)) {
        violations_add(v, field, "must be an integer");
        return false;
    }
    if (value < least || value > greatest) {
        violations_add(v, field, "is out of range");
        return false;
    }
    *out = value;
    return true;
}

/* The digits that an exponent stands for: the database writes 1e9 as 1000000000. */
static size_t exponent_digits(const char *at, const char *end) {
    size_t digits = 0;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    for (; at < end && *at >= '0' && *at <= '9' && digits <= FIELD_METADATA_MAX; at++)
        digits = digits * 10 + (size_t)(*at - '0');
    return digits;
}

/* Whether the JSON has at most FIELD_METADATA_MAX bytes, as it stands and with its numbers
 * written out. Outside strings an "e" behind a digit begins an exponent. */
static bool metadata_fits(struct text_span json) {
    const char *const end = json.data + json.length;
    size_t size = json.length;
    bool in_string = false;
    for (const char *at = json.data; at < end && size <= FIELD_METADATA_MAX; at++) {
        if (*at == '"')
            in_string = !in_string;
        else if (in_string && *at == '\\')
            at++;
        else if (!in_string && (*at == 'e' || *at == 'E') && at[-1] >= '0' && at[-1] <= '9')
            size += exponent_digits(at, end);
    }
    return size <= FIELD_METADATA_MAX;
}

bool field_metadata(struct violations *v, const char *field, struct text_span json,
                    struct text_span *out) {
    if (!is_there(v, field, json, FIELD_OPTIONAL))
        return false;
    if (!metadata_fits(json)) {
        violations_add(v, field, "must not be longer than 16384 bytes, numbers written out");
        return false;
    }
    *out = json;
    return true;
}
