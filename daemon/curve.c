/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Curve: sums over time
 *
 * The probe tells of steps: up to where a thread's sums stood, and from where on they stand higher.
 * What a stretch of time was spent with is the difference of the sums at its two ends; between two
 * points they grow evenly, and behind the last one the thread runs. A long wait has a point at each
 * end, so it is exact; short ones share points a millisecond apart.
 *
 * Points are kept for CURVE_MAX_POINTS. When there are more, every second one of the older half
 * goes: what lies far back is known less finely, and an hour's stall still has both its ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "curve.h"

/* One MiB; at two points a millisecond, which is the most, four seconds as they came. */
#define CURVE_MAX_POINTS 16384
#define CURVE_MIN_ROOM	 64

void curve_deinit(struct curve *curve)
{
	free(curve->points);
	memset(curve, 0, sizeof(*curve));
}

static void curve_thin(struct curve *curve)
{
	uint32_t half = curve->n_points / 2, n = 0;

	for (uint32_t i = 0; i < curve->n_points; i++)
		if (i >= half || i % 2 == 0)
			curve->points[n++] = curve->points[i];
	curve->n_points = n;
}

static int curve_make_room(struct curve *curve)
{
	uint32_t n_room = MAX(curve->n_room * 2, CURVE_MIN_ROOM);
	struct curve_point *points;

	if (curve->n_points < curve->n_room)
		return 0;
	if (curve->n_room == CURVE_MAX_POINTS) {
		curve_thin(curve);
		return 0;
	}
	points = reallocarray(curve->points, n_room, sizeof(*points));
	if (!points)
		return -ENOMEM;
	curve->points = points;
	curve->n_room = n_room;
	return 0;
}

static int curve_push(struct curve *curve, nsec_t at, const __u64 ns[WAITS_N])
{
	struct curve_point *point;
	int r = curve_make_room(curve);

	if (r)
		return r;
	point = &curve->points[curve->n_points++];
	point->at = at;
	for (unsigned int i = 0; i < WAITS_N; i++)
		point->ns[i] = ns[i];
	return 0;
}

/* Return: 0 or -ENOMEM. */
int curve_add(struct curve *curve, const struct waits_event *event)
{
	static const __u64 nothing[WAITS_N];
	const struct curve_point *last;
	int r = 0;

	/* Another thread of that number. */
	if (curve->n_points && curve->born != event->born)
		curve->n_points = 0;
	if (!curve->n_points) {
		curve->born = event->born;
		r = curve_push(curve, event->born, nothing);
	}
	if (r)
		return r;
	last = &curve->points[curve->n_points - 1];
	if (event->from < last->at || event->to < event->from)
		return 0;
	if (event->from > last->at)
		r = curve_push(curve, event->from, event->before);
	return r ? r : curve_push(curve, event->to, event->after);
}

/* The last point that is not later than at; the first one is not. */
static uint32_t curve_find(const struct curve *curve, nsec_t at)
{
	uint32_t low = 0, high = curve->n_points;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (curve->points[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static nsec_t between(const struct curve_point *a, const struct curve_point *b, nsec_t at,
		      unsigned int i)
{
	double share = (double)(at - a->at) / (double)(b->at - a->at);

	return b->ns[i] > a->ns[i] ? a->ns[i] + (nsec_t)(share * (double)(b->ns[i] - a->ns[i]))
				   : a->ns[i];
}

static nsec_t curve_at(const struct curve *curve, nsec_t at, unsigned int i)
{
	uint32_t found = curve_find(curve, at);
	const struct curve_point *point = &curve->points[found];

	if (found + 1 < curve->n_points)
		return between(point, point + 1, at, i);
	return point->ns[i] + (i == WAITS_RAN ? at - point->at : 0);
}

/* How long it waited, and ran, from one moment to another. Return: false when not all of it was
 * seen. */
bool curve_span(const struct curve *curve, nsec_t from, nsec_t to, nsec_t ret_ns[WAITS_N])
{
	if (!curve->n_points || from < curve->points[0].at || to < from)
		return false;
	for (unsigned int i = 0; i < WAITS_N; i++)
		ret_ns[i] = curve_at(curve, to, i) - curve_at(curve, from, i);
	return true;
}
