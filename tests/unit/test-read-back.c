/* SPDX-License-Identifier: Apache-2.0 */
/* What was written is read back: a report of its JSON, a recording of a watch */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/defs.h"
#include "daemon.h"
#include "fake-watch.h"
#include "json.h"
#include "load.h"
#include "recording.h"
#include "scene.h"
#include "wire/arena.h"

static const struct fake_frame sleeper[] = {
	{"/srv/app.py", "sleepy", 31},
	{"/usr/lib/python3.11/asyncio/events.py", "Handle._run", 80},
	{"/srv/app.py", "<module>", 60},
};

static const struct fake_frame chain[] = {
	{"/srv/app.py", "serve", 11},
	{"/srv/app.py", "sleepy", 31},
};

/* Return: for free(). */
static char *as_json(const struct report *report)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	assert_int_equal(json_write_report(out, report), 0);
	fclose(out);
	return text;
}

/* A report and what is read back of its JSON are written alike. */
static void test_json_round(void **state)
{
	struct scene *scene = *state;
	struct slot *slot = fake_slot(&scene->fake, 0, 3);
	struct report *report, again = REPORT_INIT;
	char *text, *text_again;
	struct pool *pool;
	json_t *json;

	hist_add(&slot->turn, 5 * FAKE_MS);
	hist_add(&slot->lag, 2 * FAKE_MS);
	fake_task(&scene->fake, 1, 1, "a\x1b name", chain, 2);
	fake_call(&scene->fake, 1, 0, 30 * FAKE_MS,
		  "clock\x1b[31m_nano\xff"
		  "sleep",
		  sleeper, 3);
	scene->fake.region.header->lost[LOSS_RING_FULL] = UINT64_MAX;
	report = scene_report(scene, 100 * FAKE_MS);
	text = as_json(report);
	assert_int_equal(pool_new(&pool), 0);
	assert_int_equal(load_report_text(text, strlen(text), pool, &again), 0);
	text_again = as_json(&again);
	assert_string_equal(text, text_again);
	report_deinit(&again);
	json = json_loads(text, 0, NULL);
	assert_int_equal(load_report(json, pool, &again), 0);
	json_decref(json);
	free(text_again);
	text_again = as_json(&again);
	assert_string_equal(text, text_again);
	free(text);
	free(text_again);
	report_deinit(&again);
	pool_free(pool);
}

struct file {
	unsigned char *bytes;
	size_t n;
};

static void file_add(struct file *file, const void *bytes, size_t n)
{
	if (n)
		memcpy(file->bytes + file->n, bytes, n);
	file->n = (file->n + n + 7) & ~(size_t)7;
}

static void file_chunk(struct file *file, uint32_t kind, uint64_t position, const void *bytes,
		       size_t n)
{
	struct chunk chunk = {.kind = kind, .size_bytes = (uint32_t)n, .position = position};

	file_add(file, &chunk, sizeof(chunk));
	file_add(file, bytes, n);
}

/* Make it one of another process, since of one that is known already none is read again. */
static void file_renew(struct file *file)
{
	struct region_header header;
	size_t at = sizeof(struct recording_header) + sizeof(struct chunk);

	memcpy(&header, file->bytes + at, sizeof(header));
	header.started_realtime_ns += 1000;
	memcpy(file->bytes + at, &header, sizeof(header));
}

/* What the fake holds, as a recording. Return: where its records begin. */
static size_t file_make(struct file *file, struct fake_watch *fake, bool has_end)
{
	struct recording_header header = {.magic = RECORDING_MAGIC, .version = WIRE_VERSION};
	struct record_call call = {
		.head = {.ticks = FAKE_START_NS + 2000 * FAKE_MS},
		.start = FAKE_START_NS,
		.span = 30 * FAKE_MS,
		.fd = -1,
		.stack = {.n_frames = ARRAY_LEN(sleeper)},
	};
	unsigned char buf[RECORD_MAX_BYTES];
	size_t n = fake_record(fake, &call, RECORD_CALL, sizeof(call), sleeper, ARRAY_LEN(sleeper),
			       buf),
	       at;

	file->bytes = calloc(1, REGION_BYTES);
	file->n = 0;
	file_add(file, &header, sizeof(header));
	file_chunk(file, CHUNK_HEADER, 0, fake->region.header, sizeof(*fake->region.header));
	file_chunk(file, CHUNK_ARENA, 0, fake->region.arena, 4096);
	file_chunk(file, CHUNK_SLOT, 0, region_slot(&fake->region, 0), sizeof(struct slot));
	at = file->n;
	file_chunk(file, CHUNK_RECORDS, 0, buf, n);
	if (has_end)
		file_chunk(file, CHUNK_END, 0, NULL, 0);
	return at;
}

static void test_recording(void **state)
{
	struct scene *scene = *state;
	struct report *report;
	struct file file;
	size_t at;

	fake_slot(&scene->fake, 0, 3);
	scene_end(scene, 0, false);
	at = file_make(&file, &scene->fake, true);
	assert_int_equal(recording_read(scene->daemon, file.bytes, file.n), RECORDING_E_TWICE);
	file_renew(&file);
	assert_int_equal(recording_read(scene->daemon, file.bytes, file.n), 0);
	report = scene_report(scene, 0);
	assert_int_equal(report->n_findings, 1);
	assert_int_equal(report->n_processes, 2);
	assert_int_equal(report->loops[0].turns, 3);
	/* Cut in the middle of its records, of its header, before it begins. */
	assert_int_equal(recording_read(scene->daemon, file.bytes, at + 40), RECORDING_E_TRUNCATED);
	assert_int_equal(recording_read(scene->daemon, file.bytes, 40), RECORDING_E_TRUNCATED);
	assert_int_equal(recording_read(scene->daemon, file.bytes, 8), RECORDING_E_MAGIC);
	/* A record that claims to be longer than its chunk. */
	memset(file.bytes + at + sizeof(struct chunk), 0xff, 4);
	file_renew(&file);
	assert_int_equal(recording_read(scene->daemon, file.bytes, file.n), RECORDING_E_CORRUPT);
	memset(file.bytes + at, 0xff, 4);
	file_renew(&file);
	assert_int_equal(recording_read(scene->daemon, file.bytes, file.n), RECORDING_E_CORRUPT);
	file.bytes[8]++;
	assert_int_equal(recording_read(scene->daemon, file.bytes, file.n), RECORDING_E_VERSION);
	report = scene_report(scene, 0);
	assert_int_equal(report->lost.n[LOST_RECORDING_TRUNCATED], 2);
	assert_int_equal(report->lost.n[LOST_RECORDING_CORRUPT], 3);
	assert_int_equal(report->lost.n[LOST_VERSIONS], 1);
	free(file.bytes);
}

/* Without its end the process was killed; its open turn was open until its last record. */
static void test_recording_killed(void **state)
{
	struct scene *scene = *state;
	struct report *report;
	struct slot *slot;
	struct file file;

	slot = fake_slot(&scene->fake, 0, 9);
	atomic_store(&slot->turn_start, FAKE_START_NS);
	scene->fake.region.header->detectors = DETECTOR_TURNS;
	scene_end(scene, 0, false);
	file_make(&file, &scene->fake, false);
	file_renew(&file);
	assert_int_equal(recording_read(scene->daemon, file.bytes, file.n), 0);
	report = scene_report(scene, 0);
	assert_int_equal(report->findings[0]->kind, KIND_STUCK);
	assert_int_equal(report->findings[0]->max_ns, 2000 * FAKE_MS);
	free(file.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_json_round),
		SCENE(test_recording),
		SCENE(test_recording_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
