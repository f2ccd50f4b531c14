/* table.c: see table.h. */
#include "metrics/table.h"

#include <string.h>

/* clang-format off */
#define VALUE(domain, value, text) text,
#define LABEL(domain, type, label)                                                                 \
    static const char *const values_##domain[] = {METRICS_##domain##_VALUES(VALUE)};               \
    static const struct metrics_label label_##domain = {label, values_##domain,                    \
                                                        METRICS_##domain##_COUNT};
METRICS_LABELS(LABEL)
static const struct metrics_label label_NONE = {NULL, NULL, 1};

#define BUCKETS(set)                                                                               \
    static const int64_t bounds_##set[] = {METRICS_BOUNDS_##set};                                  \
    static const struct metrics_buckets buckets_##set = {bounds_##set, METRICS_##set##_BOUNDS,     \
                                                         METRICS_##set##_CELLS};
METRICS_BUCKETS(BUCKETS)
static const struct metrics_buckets buckets_NONE = {NULL, 0, 1};

#define ROW(row_member, row_type, row_scope, row_unit, one, two, row_buckets, row_name, text)      \
    {.name = (row_name),                                                                           \
     .help = (text),                                                                               \
     .type = METRICS_##row_type,                                                                   \
     .scope = METRICS_##row_scope,                                                                 \
     .unit = METRICS_##row_unit,                                                                   \
     .labels = {&label_##one, &label_##two},                                                       \
     .buckets = &buckets_##row_buckets,                                                            \
     .first = METRICS_CELL(row_member),                                                            \
     .cells = sizeof(((struct metrics_cells *)NULL)->row_member) / sizeof(uint64_t)},
const struct metrics_metric metrics_table[] = {METRICS_TABLE(ROW)};
/* clang-format on */

const size_t metrics_table_count = sizeof metrics_table / sizeof *metrics_table;

const struct metrics_label *const metrics_programs = &label_PROGRAM;
const struct metrics_label *const metrics_operations = &label_OPERATION;
const struct metrics_label *const metrics_results = &label_RESULT;
const struct metrics_label *const metrics_messages = &label_MESSAGE;

/* FNV-1a: enough to tell one version of the table from another. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t length) {
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t mix_number(uint64_t hash, uint64_t number) {
    return mix(hash, &number, sizeof number);
}

static uint64_t mix_label(uint64_t hash, const struct metrics_label *label) {
    hash = mix_number(hash, label->count);
    if (label->name == NULL)
        return hash;
    hash = mix(hash, label->name, strlen(label->name) + 1);
    for (size_t i = 0; i < label->count; i++)
        hash = mix(hash, label->values[i], strlen(label->values[i]) + 1);
    return hash;
}

static uint64_t mix_metric(uint64_t hash, const struct metrics_metric *m) {
    hash = mix(hash, m->name, strlen(m->name) + 1);
    hash = mix_number(hash, (uint64_t)m->type);
    hash = mix_number(hash, (uint64_t)m->unit);
    hash = mix_label(hash, m->labels[0]);
    hash = mix_label(hash, m->labels[1]);
    hash = mix_number(hash, m->buckets->count);
    return mix(hash, m->buckets->bounds, m->buckets->count * sizeof *m->buckets->bounds);
}

uint64_t metrics_table_hash(void) {
    uint64_t hash = mix_label(UINT64_C(14695981039346656037), metrics_programs);
    for (size_t i = 0; i < metrics_table_count; i++)
        hash = mix_metric(hash, &metrics_table[i]);
    return hash;
}
