/*
 * conninfo.h: how to connect to the database, from the settings, one host at a time.
 *
 * libpq can try several hosts by itself, but a non-blocking connection has no time limit for each:
 * a host that does not answer would stop it there for ever. So the list is taken apart here, and
 * the session goes from host to host.
 *
 * Source: "Database Connection Control Functions" in PostgreSQL's manual (chapter libpq).
 */
#ifndef DB_CONNINFO_H
#define DB_CONNINFO_H

#include <stddef.h>

#include "base/attributes.h"
#include "base/settings.h"

#define CONNINFO_HOSTS_MAX 16
#define CONNINFO_KEYWORDS_MAX 64

struct conninfo {
    size_t host_count; /* at least 1 */
    size_t count;      /* keywords in use */
    char *keywords[CONNINFO_KEYWORDS_MAX + 1];
    char *values[CONNINFO_KEYWORDS_MAX + 1];
    /* lists split at the commas: values for one host each, NULL where the list has none */
    char *hosts[CONNINFO_HOSTS_MAX];
    char *addresses[CONNINFO_HOSTS_MAX];
    char *ports[CONNINFO_HOSTS_MAX];
};

/*
 * Reads DATABASE_URL, or else the DB_ settings. Adds what this service needs where the operator
 * has not said it: UTF-8, target_session_attrs=read-write, TCP keep-alive. Returns NULL, or what is
 * wrong (static text; never contains a secret). End with conninfo_exit() in both cases.
 */
MUST_CHECK const char *conninfo_init(struct conninfo *info, const struct settings *settings,
                                     const char *application_name);
void conninfo_exit(struct conninfo *info);

/* What conninfo_init() would say of these settings. */
MUST_CHECK const char *conninfo_check(const struct settings *settings);

/*
 * Arrays for PQconnectStartParams(), ended by NULL, to reach host number `host` (less than
 * host_count). Valid until conninfo_exit().
 */
struct conninfo_arrays {
    const char *keywords[CONNINFO_KEYWORDS_MAX + 4];
    const char *values[CONNINFO_KEYWORDS_MAX + 4];
};
void conninfo_for_host(const struct conninfo *info, size_t host, struct conninfo_arrays *out);

/* A name for log lines, such as "db1:5432". */
void conninfo_describe_host(const struct conninfo *info, size_t host, char *out, size_t size);

#endif
