/*
 * process.h: what a process uses: processor time, memory, descriptors. It looks every few seconds,
 * as long as it does anything: a process that sleeps is not woken for it.
 */
#ifndef METRICS_PROCESS_H
#define METRICS_PROCESS_H

#include "base/clock.h"

/* To be called whenever the process has been awake. */
void process_tick(mono_time now);
/* When it is to be called next, if nothing happens before. */
mono_time process_deadline(void);

#endif
