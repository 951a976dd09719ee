/* SPDX-License-Identifier: Apache-2.0 */
/* Scene: a fake watch, the core that drains it, and the report that comes of it */
#include "check.h"

#include <stdlib.h>

#include "scene.h"
#include "snapshot.h"

int scene_open(void **state)
{
	struct daemon_config config = {.options = {.kinds = KIND_MASK_ALL}};
	struct scene *scene = calloc(1, sizeof(*scene));
	struct own_code own = {0};

	fake_open(&scene->fake);
	assert_int_equal(daemon_new(&config, &scene->daemon), 0);
	assert_int_equal(watch_new_map(scene->daemon->names, scene->fake.fd, &scene->watch), 0);
	watch_identify(scene->watch, 0, &own);
	daemon_link_watch(scene->daemon, scene->watch);
	*state = scene;
	return 0;
}

int scene_close(void **state)
{
	struct scene *scene = *state;

	report_deinit(&scene->report);
	daemon_free(scene->daemon);
	fake_close(&scene->fake);
	free(scene);
	return 0;
}

struct report *scene_report(struct scene *scene, uint64_t now_ns)
{
	struct drain drain = daemon_drain_state(scene->daemon);

	drain.now_ns = FAKE_START_NS + now_ns;
	if (scene->watch)
		drain_watch(&drain, scene->watch);
	report_deinit(&scene->report);
	assert_int_equal(snapshot_take(scene->daemon, &scene->report), 0);
	return &scene->report;
}

void scene_end(struct scene *scene, uint64_t now_ns, bool is_killed)
{
	daemon_end_watch_at(scene->daemon, scene->watch, is_killed, FAKE_START_NS + now_ns);
	scene->watch = NULL;
}
