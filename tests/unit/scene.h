/* SPDX-License-Identifier: Apache-2.0 */
/* Scene: a fake watch, the core that drains it, and the report that comes of it */
#pragma once

#include "check.h"
#include "daemon.h"
#include "fake-watch.h"

struct scene {
	struct fake_watch fake;
	struct daemon *daemon;
	struct watch *watch;
	struct report report;
};

/* Setup and teardown of a cmocka test, whose state is the scene. */
int scene_open(void **state);
int scene_close(void **state);
#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

/* Drain at a moment of the fake clock, and report: valid until the next one of this scene. */
struct report *scene_report(struct scene *scene, uint64_t now_ns);
void scene_end(struct scene *scene, uint64_t now_ns, bool is_killed);
