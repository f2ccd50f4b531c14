/* process.c: see process.h. */
#include "metrics/process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "metrics/metrics.h"

#define LOOK_EVERY_MS 5000

static struct {
    mono_time next;
    bool awake; /* since the last look */
    int64_t cpu_us;
    bool told; /* that the file is lost */
    uint64_t lost_lines;
} process;

static int64_t us_of(struct timeval time) {
    return (int64_t)time.tv_sec * US_PER_SECOND + time.tv_usec;
}

/* Goes on from what was counted in this slot before. */
static void look_at_cpu(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    const int64_t used_us = us_of(usage.ru_utime) + us_of(usage.ru_stime);
    metrics_add(METRICS_CELL(process_cpu), (uint64_t)(used_us - process.cpu_us));
    process.cpu_us = used_us;
}

/* The second number of /proc/self/statm is of resident pages, see proc(5). */
static void look_at_memory(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;
    if (file == NULL)
        return;
    if (fscanf(file, "%*d %ld", &pages) == 1) /* NOLINT(cert-err34-c): the kernel's own number */
        metrics_set(METRICS_CELL(process_memory), (int64_t)pages * sysconf(_SC_PAGESIZE));
    (void)fclose(file);
}

static void look_at_descriptors(void) {
    struct rlimit limit;
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = -3; /* ".", "..", and the folder's own */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_set(METRICS_CELL(process_max_fds), (int64_t)limit.rlim_cur);
    if (folder == NULL)
        return;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    metrics_set(METRICS_CELL(process_open_fds), count);
}

static void tell_loss(void) {
    if (slots_is_lost() && !process.told)
        log_warn("no metrics: the file was cut short; restart all programs of this machine");
    process.told = slots_is_lost();
}

static void look_at_log(void) {
    const uint64_t lost = log_lost();
    if (lost == process.lost_lines)
        return;
    metrics_add(METRICS_CELL(log_lines_dropped), lost - process.lost_lines);
    process.lost_lines = lost;
}

void process_tick(mono_time now) {
    look_at_log();
    process.awake = mono_is_before(now, process.next);
    if (process.awake)
        return;
    look_at_cpu();
    look_at_memory();
    look_at_descriptors();
    tell_loss();
    process.next = mono_after_ms(now, LOOK_EVERY_MS);
}

mono_time process_deadline(void) {
    return process.awake ? process.next : MONO_NEVER;
}
