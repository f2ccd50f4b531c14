/* conninfo.c: see conninfo.h. */
#include "db/conninfo.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add(struct conninfo *info, const char *keyword, const char *value) {
    if (info->count >= CONNINFO_KEYWORDS_MAX)
        return false;
    info->keywords[info->count] = strdup(keyword);
    info->values[info->count] = strdup(value);
    info->count++;
    return info->keywords[info->count - 1] != NULL && info->values[info->count - 1] != NULL;
}

static bool has(const struct conninfo *info, const char *keyword) {
    for (size_t i = 0; i < info->count; i++) {
        if (strcmp(info->keywords[i], keyword) == 0)
            return true;
    }
    return false;
}

static bool add_default(struct conninfo *info, const char *keyword, const char *value) {
    return has(info, keyword) || add(info, keyword, value);
}

/* Splits at commas; empty elements stay NULL (libpq: the default). Returns 0 on failure. */
static size_t split(char **out, const char *list) {
    size_t count = 0;
    for (const char *at = list;; at++) {
        if (count == CONNINFO_HOSTS_MAX)
            return 0;
        const size_t length = strcspn(at, ",");
        if (length > 0) {
            out[count] = strndup(at, length);
            if (out[count] == NULL)
                return 0;
        }
        count++;
        at += length;
        if (*at == '\0')
            return count;
    }
}

/* A list that goes with the hosts: as long as theirs, or one element for all of them. */
static bool spread(char **list, size_t count, size_t host_count) {
    if (count == 1) {
        for (size_t i = 1; i < host_count; i++) {
            list[i] = list[0] == NULL ? NULL : strdup(list[0]);
            if (list[0] != NULL && list[i] == NULL)
                return false;
        }
        return true;
    }
    return count == host_count;
}

static const char *set_hosts(struct conninfo *info, const char *hosts, const char *addresses,
                             const char *ports) {
    const size_t by_name = hosts == NULL ? 0 : split(info->hosts, hosts);
    const size_t by_address = addresses == NULL ? 0 : split(info->addresses, addresses);
    const size_t port_count = ports == NULL ? 0 : split(info->ports, ports);
    if ((hosts != NULL && by_name == 0) || (addresses != NULL && by_address == 0) ||
        (ports != NULL && port_count == 0))
        return "too many database hosts";
    if (by_name > 0 && by_address > 0 && by_name != by_address)
        return "host and hostaddr of the database have different lengths";
    info->host_count = by_address > 0 ? by_address : by_name > 0 ? by_name : 1;
    if (port_count > 0 && !spread(info->ports, port_count, info->host_count))
        return "there must be one database port, or one for each host";
    return NULL;
}

static const char *read_url(struct conninfo *info, const char *url) {
    /* The parser's own message is not shown: it may quote the string, password and all. */
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (options == NULL)
        return "DATABASE_URL is not a connection string that libpq understands";
    const char *hosts = NULL;
    const char *addresses = NULL;
    const char *ports = NULL;
    bool added = true;
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (o->val == NULL || o->val[0] == '\0')
            continue;
        if (strcmp(o->keyword, "host") == 0)
            hosts = o->val;
        else if (strcmp(o->keyword, "hostaddr") == 0)
            addresses = o->val;
        else if (strcmp(o->keyword, "port") == 0)
            ports = o->val;
        else
            added = added && add(info, o->keyword, o->val);
    }
    const char *wrong = added ? set_hosts(info, hosts, addresses, ports) : "out of memory";
    PQconninfoFree(options);
    return wrong;
}

static const char *read_settings(struct conninfo *info, const struct settings *s) {
    char port[8];
    snprintf(port, sizeof port, "%d", (int)s->db_port);
    if (!add(info, "dbname", s->db_name) || !add(info, "user", s->db_user) ||
        (s->db_password[0] != '\0' && !add(info, "password", s->db_password)) ||
        !add(info, "sslmode", s->db_ssl ? "require" : "prefer"))
        return "out of memory";
    return set_hosts(info, s->db_host, NULL, port);
}

/* Without these a database machine that vanished would be noticed only after minutes. */
static bool add_defaults(struct conninfo *info, const char *application_name) {
    return add_default(info, "application_name", application_name) &&
           add_default(info, "client_encoding", "UTF8") &&
           add_default(info, "target_session_attrs", "read-write") &&
           add_default(info, "keepalives_idle", "10") &&
           add_default(info, "keepalives_interval", "5") &&
           add_default(info, "keepalives_count", "3");
}

const char *conninfo_init(struct conninfo *info, const struct settings *settings,
                          const char *application_name) {
    memset(info, 0, sizeof *info);
    const char *wrong = settings->database_url[0] != '\0' ? read_url(info, settings->database_url)
                                                          : read_settings(info, settings);
    if (wrong == NULL && !add_defaults(info, application_name))
        wrong = "out of memory";
    return wrong;
}

void conninfo_exit(struct conninfo *info) {
    for (size_t i = 0; i < info->count; i++) {
        free(info->keywords[i]);
        free(info->values[i]);
    }
    for (size_t i = 0; i < CONNINFO_HOSTS_MAX; i++) {
        free(info->hosts[i]);
        free(info->addresses[i]);
        free(info->ports[i]);
    }
    memset(info, 0, sizeof *info);
}

const char *conninfo_check(const struct settings *settings) {
    struct conninfo info;
    const char *wrong = conninfo_init(&info, settings, "");
    conninfo_exit(&info);
    return wrong;
}

void conninfo_for_host(const struct conninfo *info, size_t host, struct conninfo_arrays *out) {
    memset(out, 0, sizeof *out);
    size_t n = 0;
    for (; n < info->count; n++) {
        out->keywords[n] = info->keywords[n];
        out->values[n] = info->values[n];
    }
    const struct {
        const char *keyword;
        const char *value;
    } place[] = {{"host", info->hosts[host]},
                 {"hostaddr", info->addresses[host]},
                 {"port", info->ports[host]}};
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        if (place[i].value != NULL) {
            out->keywords[n] = place[i].keyword;
            out->values[n] = place[i].value;
            n++;
        }
    }
}

void conninfo_describe_host(const struct conninfo *info, size_t host, char *out, size_t size) {
    const char *name = info->hosts[host] != NULL       ? info->hosts[host]
                       : info->addresses[host] != NULL ? info->addresses[host]
                                                       : "default host";
    snprintf(out, size, "%s:%s", name, info->ports[host] != NULL ? info->ports[host] : "5432");
}
