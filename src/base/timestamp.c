#include "base/timestamp.h"

#include <string.h>

/* 0001-01-01T00:00:00.000Z, and the last millisecond of 9999. */
#define FORMAT_MIN INT64_C(-62135596800000000)
#define FORMAT_MAX TIMESTAMP_MAX

struct date {
    int year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
};

/* What is left to be read. */
struct reader {
    const char *p;
    const char *end;
};

/* Reads exactly `count` digits. */
static bool read_digits(struct reader *r, int count, int *out) {
    int value = 0;
    if (r->end - r->p < count)
        return false;
    for (int i = 0; i < count; i++) {
        char c = r->p[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    r->p += count;
    *out = value;
    return true;
}

/* Reads one character that is a or b. */
static bool read_either(struct reader *r, char a, char b) {
    if (r->p == r->end || (*r->p != a && *r->p != b))
        return false;
    r->p++;
    return true;
}

static bool read_char(struct reader *r, char c) {
    return read_either(r, c, c);
}

static bool is_leap_year(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap_year(year) ? 29 : days[month - 1];
}

/*
 * Days since 1970-01-01. The year is taken to begin on March 1st, so that the leap day is its last
 * one, and is placed in its era of 400 years, all of which have 146,097 days.
 */
static int64_t days_from_date(struct date date) {
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = (date.month + 9) % 12; /* March is 0 */
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* The reverse of days_from_date(). */
static struct date date_from_days(int64_t days) {
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* March is 0 */
    int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t year = year_of_era + era * 400 + (month >= 10 ? 1 : 0);
    return (struct date){(int)year, (int)(month < 10 ? month + 3 : month - 9), (int)day};
}

/* full-date */
static bool read_date(struct reader *r, int64_t *days) {
    struct date date;
    if (!read_digits(r, 4, &date.year) || !read_char(r, '-') || !read_digits(r, 2, &date.month) ||
        !read_char(r, '-') || !read_digits(r, 2, &date.day))
        return false;
    if (date.month < 1 || date.month > 12 || date.day < 1 ||
        date.day > days_in_month(date.year, date.month))
        return false;
    *days = days_from_date(date);
    return true;
}

/* hh:mm in minutes */
static bool read_minutes(struct reader *r, int *minutes) {
    int hour = 0;
    int minute = 0;
    if (!read_digits(r, 2, &hour) || !read_char(r, ':') || !read_digits(r, 2, &minute))
        return false;
    if (hour > 23 || minute > 59)
        return false;
    *minutes = hour * 60 + minute;
    return true;
}

/* [time-secfrac]: 0 when there is none; truncated to milliseconds */
static bool read_fraction(struct reader *r, int *ms) {
    int digits = 0;
    int value = 0;
    *ms = 0;
    if (!read_char(r, '.'))
        return true;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        if (++digits > 9)
            return false;
        if (digits <= 3)
            value = value * 10 + (*r->p - '0');
        r->p++;
    }
    if (digits == 0)
        return false;
    for (; digits < 3; digits++)
        value *= 10;
    *ms = value;
    return true;
}

/* time-offset: what has to be subtracted to get UTC, in minutes */
static bool read_offset(struct reader *r, int *minutes) {
    *minutes = 0;
    if (read_either(r, 'Z', 'z'))
        return true;
    bool negative = r->p < r->end && *r->p == '-';
    if (!read_either(r, '+', '-') || !read_minutes(r, minutes))
        return false;
    if (negative)
        *minutes = -*minutes;
    return true;
}

bool timestamp_parse(timestamp_us *out, const char *text, size_t length) {
    struct reader r = {text, text + length};
    int64_t days = 0;
    int minutes = 0;
    int seconds = 0;
    int ms = 0;
    int offset_minutes = 0;

    if (!read_date(&r, &days))
        return false;
    if (r.p != r.end) {
        if (!read_either(&r, 'T', 't') || !read_minutes(&r, &minutes) || !read_char(&r, ':') ||
            !read_digits(&r, 2, &seconds) || seconds > 59 || !read_fraction(&r, &ms) ||
            !read_offset(&r, &offset_minutes) || r.p != r.end)
            return false;
    }
    int64_t value = days * US_PER_DAY +
                    ((minutes - offset_minutes) * INT64_C(60) + seconds) * US_PER_SECOND +
                    ms * US_PER_MS;
    if (value < TIMESTAMP_MIN || value > TIMESTAMP_MAX)
        return false;
    *out = value;
    return true;
}

/* Writes `count` digits and the character after them. */
static char *write_digits(char *p, int count, int value, char after) {
    for (int i = count - 1; i >= 0; i--) {
        p[i] = (char)('0' + value % 10);
        value /= 10;
    }
    p[count] = after;
    return p + count + 1;
}

void timestamp_format(timestamp_us value, char out[TIMESTAMP_TEXT_LENGTH + 1]) {
    if (value < FORMAT_MIN)
        value = FORMAT_MIN;
    if (value > FORMAT_MAX)
        value = FORMAT_MAX;

    int64_t days = value / US_PER_DAY;
    int64_t rest = value % US_PER_DAY;
    if (rest < 0) {
        days--;
        rest += US_PER_DAY;
    }
    struct date date = date_from_days(days);
    int seconds = (int)(rest / US_PER_SECOND);
    int ms = (int)(rest % US_PER_SECOND / US_PER_MS);

    char *p = write_digits(out, 4, date.year, '-');
    p = write_digits(p, 2, date.month, '-');
    p = write_digits(p, 2, date.day, 'T');
    p = write_digits(p, 2, seconds / 3600, ':');
    p = write_digits(p, 2, seconds / 60 % 60, ':');
    p = write_digits(p, 2, seconds % 60, '.');
    p = write_digits(p, 3, ms, 'Z');
    *p = '\0';
}
