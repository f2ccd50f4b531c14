/* render.c: see render.h. */
#include <config.h>

#include "metrics/render.h"

#include <stdio.h>
#include <string.h>

#include "metrics/table.h"
#include "metrics/tenants.h"

/* All slots, added up. */
struct totals {
    uint64_t of_program[METRICS_PROGRAM_COUNT][METRICS_CELLS]; /* gauges of the living */
    uint64_t of_all[METRICS_CELLS];
    uint64_t of_tenant[TENANTS_MAX + 1]; /* by place, and of those without */
    int64_t processes[METRICS_PROGRAM_COUNT];
    bool known[METRICS_PROGRAM_COUNT]; /* has had a slot */
    slots_cell *held[SLOTS_MAX];       /* NULL: by nobody */
    size_t program[SLOTS_MAX];         /* of those that are held */
};

/* --- adding up --------------------------------------------------------------------------- */

static bool is_gauge(const struct metrics_metric *m) {
    return m->type == METRICS_GAUGE;
}

/* What two processes, or two programs, are together. */
static uint64_t join(const struct metrics_metric *m, uint64_t a, uint64_t b) {
    if (!is_gauge(m))
        return a + b;
    if ((int64_t)a == METRICS_UNSET || (int64_t)b == METRICS_UNSET)
        return (int64_t)a == METRICS_UNSET ? b : a;
    if (m->scope == METRICS_GREATEST)
        return (int64_t)a > (int64_t)b ? a : b;
    return a + b;
}

static uint64_t nothing(const struct metrics_metric *m) {
    return is_gauge(m) ? (uint64_t)METRICS_UNSET : 0;
}

static void join_slot(uint64_t *sum, slots_cell *cells, bool held) {
    for (size_t i = 0; i < metrics_table_count; i++) {
        const struct metrics_metric *m = &metrics_table[i];
        for (size_t c = m->first; (held || !is_gauge(m)) && c < m->first + m->cells; c++)
            sum[c] = join(m, sum[c], atomic_load_explicit(&cells[c], memory_order_relaxed));
    }
}

static void clear(uint64_t *sum) {
    for (size_t i = 0; i < metrics_table_count; i++) {
        const struct metrics_metric *m = &metrics_table[i];
        for (size_t c = m->first; c < m->first + m->cells; c++)
            sum[c] = nothing(m);
    }
}

static void join_program(uint64_t *sum, const uint64_t *more) {
    for (size_t i = 0; i < metrics_table_count; i++) {
        const struct metrics_metric *m = &metrics_table[i];
        for (size_t c = m->first; c < m->first + m->cells; c++)
            sum[c] = join(m, sum[c], more[c]);
    }
}

static void join_tenants(uint64_t *sum, slots_cell *cells, size_t places) {
    for (size_t i = 0; i < tenants_own_cells(places); i++)
        sum[i] += atomic_load_explicit(&cells[METRICS_CELLS + i], memory_order_relaxed);
}

static void add_up(struct totals *t, const struct slots *slots) {
    memset(t, 0, sizeof *t);
    clear(t->of_all);
    for (size_t p = 0; p < METRICS_PROGRAM_COUNT; p++)
        clear(t->of_program[p]);
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        uint32_t program = 0;
        slots_cell *cells = slots_at(slots, i, &program);
        if (cells == NULL || program >= METRICS_PROGRAM_COUNT)
            continue;
        const bool held = slots_is_held(slots, i);
        t->held[i] = held ? cells : NULL;
        t->program[i] = program;
        t->known[program] = true;
        t->processes[program] += held;
        join_slot(t->of_program[program], cells, held);
        join_tenants(t->of_tenant, cells, tenants_places(slots));
    }
    for (size_t p = 0; p < METRICS_PROGRAM_COUNT; p++)
        join_program(t->of_all, t->of_program[p]);
}

/* --- lines ------------------------------------------------------------------------------- */

/* As "1.5" or "2": without zeros at the end. */
static void append_seconds(struct buffer *out, int64_t us) {
    char digits[] = ".000000";
    size_t length = sizeof digits - 1;
    if (us < 0)
        buffer_append_char(out, '-');
    uint64_t rest = us < 0 ? -(uint64_t)us : (uint64_t)us;
    buffer_append_int(out, (int64_t)(rest / 1000000));
    rest %= 1000000;
    for (size_t i = length; rest != 0 && i-- > 1; rest /= 10)
        digits[i] = "0123456789"[rest % 10];
    while (length > 1 && digits[length - 1] == '0')
        length--;
    if (length > 1)
        buffer_append(out, digits, length);
}

static void append_escaped(struct buffer *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n')
            buffer_append_char(out, '\\');
        buffer_append_char(out, (char)(*text == '\n' ? 'n' : *text));
    }
}

/* The labels of one series, and what it is a series of. */
struct series {
    struct buffer *out;
    const struct metrics_metric *metric;
    struct buffer labels; /* as they stand between the braces */
};

static void add_label(struct series *s, const char *name, const char *value) {
    if (s->labels.length > 0)
        buffer_append_char(&s->labels, ',');
    buffer_append_text(&s->labels, name);
    buffer_append_text(&s->labels, "=\"");
    append_escaped(&s->labels, value);
    buffer_append_char(&s->labels, '"');
}

static void begin_line(const struct series *s, const char *suffix) {
    buffer_append_text(s->out, s->metric->name);
    buffer_append_text(s->out, suffix);
    if (s->labels.length == 0)
        return;
    buffer_append_char(s->out, '{');
    buffer_append(s->out, s->labels.data, s->labels.length);
    buffer_append_char(s->out, '}');
}

static void append_number(struct buffer *out, enum metrics_unit unit, int64_t value) {
    if (unit == METRICS_SECONDS)
        append_seconds(out, value);
    else
        buffer_append_int(out, value);
}

static void append_line(const struct series *s, const char *suffix, enum metrics_unit unit,
                        uint64_t value) {
    begin_line(s, suffix);
    buffer_append_char(s->out, ' ');
    append_number(s->out, unit, (int64_t)value);
    buffer_append_char(s->out, '\n');
}

static void append_bucket(const struct series *s, const int64_t *bound, uint64_t count) {
    struct buffer *out = s->out;
    buffer_append_text(out, s->metric->name);
    buffer_append_text(out, "_bucket{");
    buffer_append(out, s->labels.data, s->labels.length);
    buffer_append_text(out, s->labels.length > 0 ? ",le=\"" : "le=\"");
    if (bound == NULL)
        buffer_append_text(out, "+Inf");
    else
        append_number(out, s->metric->unit, *bound);
    buffer_append_text(out, "\"} ");
    buffer_append_int(out, (int64_t)count);
    buffer_append_char(out, '\n');
}

/* The count is made of the buckets, so the two agree while others count. */
static void append_histogram(const struct series *s, const uint64_t *cells) {
    const struct metrics_buckets *buckets = s->metric->buckets;
    uint64_t count = 0;
    for (size_t i = 0; i <= buckets->count; i++) {
        count += cells[i];
        append_bucket(s, i < buckets->count ? &buckets->bounds[i] : NULL, count);
    }
    append_line(s, "_sum", s->metric->unit, cells[buckets->count + 1]);
    append_line(s, "_count", METRICS_ONE, count);
}

static void append_series(const struct series *s, const uint64_t *cells) {
    if (s->metric->type == METRICS_HISTOGRAM)
        append_histogram(s, cells);
    else if (cells[0] != nothing(s->metric) || !is_gauge(s->metric))
        append_line(s, "", s->metric->unit, cells[0]);
}

/* A line for each combination of the metric's own labels, behind those that are there already. */
static void append_combinations(struct series *s, const uint64_t *cells) {
    const struct metrics_metric *m = s->metric;
    const size_t length = s->labels.length;
    for (size_t one = 0; one < m->labels[0]->count; one++) {
        for (size_t two = 0; two < m->labels[1]->count; two++) {
            s->labels.length = length;
            if (m->labels[0]->name != NULL)
                add_label(s, m->labels[0]->name, m->labels[0]->values[one]);
            if (m->labels[1]->name != NULL)
                add_label(s, m->labels[1]->name, m->labels[1]->values[two]);
            append_series(s, cells);
            cells += m->buckets->cells;
        }
    }
    s->labels.length = length;
}

/* --- metrics ----------------------------------------------------------------------------- */

static void append_head(struct buffer *out, const char *name, const char *help, const char *type) {
    buffer_append_text(out, "# HELP ");
    buffer_append_text(out, name);
    buffer_append_char(out, ' ');
    buffer_append_text(out, help);
    buffer_append_text(out, "\n# TYPE ");
    buffer_append_text(out, name);
    buffer_append_char(out, ' ');
    buffer_append_text(out, type);
    buffer_append_char(out, '\n');
}

static void append_programs(struct series *s, const struct totals *t) {
    for (size_t p = 0; p < METRICS_PROGRAM_COUNT; p++) {
        if (!t->known[p])
            continue;
        add_label(s, metrics_programs->name, metrics_programs->values[p]);
        append_combinations(s, t->of_program[p] + s->metric->first);
        s->labels.length = 0;
    }
}

static void append_processes(struct series *s, const struct totals *t) {
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        char number[24];
        if (t->held[i] == NULL)
            continue;
        const uint64_t value =
            atomic_load_explicit(&t->held[i][s->metric->first], memory_order_relaxed);
        (void)snprintf(number, sizeof number, "%zu", i);
        add_label(s, metrics_programs->name, metrics_programs->values[t->program[i]]);
        add_label(s, "slot", number);
        append_series(s, &value);
        s->labels.length = 0;
    }
}

static void append_metric(struct series *s, const struct totals *t) {
    static const char *const types[] = {[METRICS_COUNTER] = "counter",
                                        [METRICS_GAUGE] = "gauge",
                                        [METRICS_HISTOGRAM] = "histogram"};
    append_head(s->out, s->metric->name, s->metric->help, types[s->metric->type]);
    switch (s->metric->scope) {
    case METRICS_SUM:
    case METRICS_GREATEST:
        append_combinations(s, t->of_all + s->metric->first);
        break;
    case METRICS_PROGRAM:
        append_programs(s, t);
        break;
    case METRICS_PROCESS:
        append_processes(s, t);
        break;
    }
}

/* What is no cell: it is known without. */
static void append_others(struct series *s, const struct totals *t) {
    static const struct metrics_metric build = {.name = "availability_guard_build_info"};
    static const struct metrics_metric processes = {.name = "availability_guard_processes"};
    append_head(s->out, build.name, "1, for the version of the process that answers.", "gauge");
    s->metric = &build;
    add_label(s, "version", PACKAGE_VERSION);
    append_line(s, "", METRICS_ONE, 1);
    s->labels.length = 0;
    append_head(s->out, processes.name, "Processes that live, of programs that ever did.", "gauge");
    s->metric = &processes;
    for (size_t p = 0; p < METRICS_PROGRAM_COUNT; p++) {
        if (!t->known[p])
            continue;
        add_label(s, metrics_programs->name, metrics_programs->values[p]);
        append_line(s, "", METRICS_ONE, (uint64_t)t->processes[p]);
        s->labels.length = 0;
    }
}

static void append_tenants(struct series *s, const struct totals *t, const struct slots *slots) {
    static const struct metrics_metric conflicts = {
        .name = "availability_guard_tenant_lock_conflicts_total"};
    const size_t places = tenants_places(slots);
    if (places == 0)
        return;
    append_head(s->out, conflicts.name,
                "The conflicts of locks by tenant, as far as there is room.", "counter");
    s->metric = &conflicts;
    for (size_t place = 0; place <= places; place++) {
        struct id tenant;
        char text[ID_TEXT_LENGTH + 1] = "other";
        if (place < places) {
            if (!tenants_at(slots_shared(slots), place, &tenant))
                continue;
            id_format(&tenant, text);
        }
        add_label(s, "tenant_id", text);
        append_line(s, "", METRICS_ONE, t->of_tenant[place]);
        s->labels.length = 0;
    }
}

void render_metrics(struct buffer *out, const struct slots *slots) {
    static struct totals totals; /* too large for a stack */
    struct series series = {.out = out};
    buffer_init(&series.labels);
    add_up(&totals, slots);
    append_others(&series, &totals);
    for (size_t i = 0; i < metrics_table_count; i++) {
        series.metric = &metrics_table[i];
        append_metric(&series, &totals);
    }
    append_tenants(&series, &totals, slots);
    if (series.labels.failed)
        out->failed = true;
    buffer_free(&series.labels);
}
