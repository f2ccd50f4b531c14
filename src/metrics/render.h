/*
 * render.h: all metrics as text for Prometheus, of all processes that share the file.
 *
 * Source: "Exposition formats" in Prometheus' documentation, text format 0.0.4.
 */
#ifndef METRICS_RENDER_H
#define METRICS_RENDER_H

#include "base/buffer.h"
#include "metrics/slots.h"

#define RENDER_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The work depends on the number of slots that were ever in use at one time, not on how many
 * processes there have been. */
void render_metrics(struct buffer *out, const struct slots *slots);

#endif
