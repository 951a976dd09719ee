/* SPDX-License-Identifier: Apache-2.0 */
/* From records in a region to findings in a report, the whole way */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/defs.h"
#include "daemon.h"
#include "fake-watch.h"
#include "scene.h"
#include "wire/arena.h"

static const struct fake_frame sleeper[] = {
	{"/srv/app.py", "sleepy", 31},
	{"/usr/lib/python3.11/asyncio/events.py", "Handle._run", 80},
	{"/srv/app.py", "<module>", 60},
};
static const struct fake_frame worker[] = {
	{"/srv/work.py", "crunch", 5},
	{"/srv/app.py", "busy", 40},
};

static void test_call(void **state)
{
	struct scene *scene = *state;
	const struct finding *finding;
	struct report *report;

	fake_slot(&scene->fake, 0, 200);
	for (uint64_t i = 0; i < 101; i++)
		fake_call(&scene->fake, i + 1, i * 200 * FAKE_MS, (100 + i) * FAKE_MS,
			  "clock_nanosleep", sleeper, ARRAY_LEN(sleeper));
	fake_call(&scene->fake, 102, 21000 * FAKE_MS, 19 * FAKE_MS, "poll", sleeper, 1);
	report = scene_report(scene, 22000 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	finding = report->findings[0];
	assert_int_equal(finding->kind, KIND_BLOCKING_CALL);
	assert_int_equal(finding->count, 101);
	assert_int_equal(finding->max_ns, 200 * FAKE_MS);
	assert_int_equal(finding->p50_ns, 150 * FAKE_MS);
	assert_int_equal(finding->total_ns, 101 * 150 * FAKE_MS);
	assert_int_equal(finding->cause.unknown_ns, (int64_t)finding->total_ns);
	assert_string_equal(finding->culprit.function, "sleepy");
	assert_int_equal(finding->culprit.line, 31);
	assert_string_equal(finding->call.name, "clock_nanosleep");
	assert_int_equal(finding->n_stacks, 1);
	assert_int_equal(finding->stacks[0]->count, 101);
	assert_int_equal(finding->first_seen_at, UINT64_C(1700000000) * 1000000000);
	assert_int_equal(losses_sum(&report->lost), 0);
}

/* Strict calls are told of together, the longest by itself; a stranger's count cannot hurt. */
static void test_strict_calls(void **state)
{
	struct scene *scene = *state;
	struct record_call call = {
		.head = {.ticks = FAKE_START_NS + FAKE_MS, .flags = RECORD_FLAG_STRICT},
		.call_str = fake_string(&scene->fake, "read"),
		.turn_seq = 1,
		.start = FAKE_START_NS,
		.span = 5000,
		.n_calls = 1,
		.fd = 3,
		.stack = {.n_frames = ARRAY_LEN(sleeper)},
	};
	const struct finding *finding;
	struct report *report;

	fake_slot(&scene->fake, 0, 200);
	fake_put(&scene->fake, &call, RECORD_CALL, sizeof(call), sleeper, ARRAY_LEN(sleeper));
	call.n_calls = 1000;
	call.span = 1000 * 1000;
	fake_put(&scene->fake, &call, RECORD_CALL, sizeof(call), sleeper, ARRAY_LEN(sleeper));
	report = scene_report(scene, 22000 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	finding = report->findings[0];
	assert_int_equal(finding->count, 1001);
	assert_int_equal(finding->total_ns, 5000 + 1000 * 1000);
	assert_int_equal(finding->max_ns, 5000);
	assert_int_equal(finding->p50_ns, 1000);
	assert_int_equal(finding->call.n_calls, 1);
	assert_int_equal(finding->stacks[0]->count, 1001);
	call.n_calls = UINT32_MAX;
	fake_put(&scene->fake, &call, RECORD_CALL, sizeof(call), sleeper, ARRAY_LEN(sleeper));
	report = scene_report(scene, 22001 * FAKE_MS);
	assert_int_equal(report->findings[0]->count, 1001 + (uint64_t)UINT32_MAX);
}

static void put_child_start(struct scene *scene, uint64_t turn_seq, const char *call,
			    const char *starter)
{
	const struct fake_frame frames[] = {
		{"/usr/lib/python3.11/subprocess.py", "Popen._execute_child", 1900},
		{"/usr/lib/python3.11/subprocess.py", "Popen.__init__", 1024},
		{starter, "_start", 810},
		{"/srv/app.py", "run", 7},
	};

	fake_call(&scene->fake, turn_seq, turn_seq * 100 * FAKE_MS, 30 * FAKE_MS, call, frames,
		  ARRAY_LEN(frames));
}

/* asyncio's wait for a child to exec is nobody's mistake; its fork, and anybody else's wait, is. */
static void test_child_start(void **state)
{
	struct scene *scene = *state;
	struct report *report;

	fake_slot(&scene->fake, 0, 200);
	put_child_start(scene, 1, "read", "/usr/lib/python3.11/asyncio/unix_events.py");
	report = scene_report(scene, 1000 * FAKE_MS);
	assert_int_equal(report->n_findings, 0);
	put_child_start(scene, 2, "fork", "/usr/lib/python3.11/asyncio/unix_events.py");
	put_child_start(scene, 3, "read", "/srv/start.py");
	report = scene_report(scene, 1001 * FAKE_MS);
	assert_int_equal(report->n_findings, 2);
}

static void put_native(struct scene *scene, uint64_t start_ns)
{
	static const struct fake_frame natives[] = {{"/none/libloophound.so", NULL, 0x1234},
						    {"/none/python3.11", NULL, 0x5678}};
	struct record_native native = {
		.start = FAKE_START_NS + start_ns,
		.entries = {7},
		.stack = {.n_frames = ARRAY_LEN(natives)},
	};

	fake_put(&scene->fake, &native, RECORD_NATIVE, sizeof(native), natives, ARRAY_LEN(natives));
}

/*
 * Native frames belong to the call that began when they say. What they do not fit, or who has not
 * asked for them, keeps the Python frames; both are counted.
 */
static void test_native(void **state)
{
	static const uint64_t starts_ns[] = {0, 200 * FAKE_MS, 400 * FAKE_MS};
	struct scene *scene = *state;
	struct report *report;

	fake_slot(&scene->fake, 0, 9);
	for (size_t i = 0; i < ARRAY_LEN(starts_ns); i++) {
		put_native(scene, i == 2 ? 1 : starts_ns[i]);
		fake_call(&scene->fake, i + 1, starts_ns[i], 100 * FAKE_MS, "clock_nanosleep",
			  sleeper, ARRAY_LEN(sleeper));
		report = scene_report(scene, starts_ns[i] + 150 * FAKE_MS);
		if (!scene->daemon->symbols)
			assert_int_equal(symbols_new(names_pool(scene->daemon->names),
						     &scene->daemon->symbols),
					 0);
	}
	assert_int_equal(report->n_findings, 1);
	assert_int_equal(report->findings[0]->count, 3);
	assert_int_equal(report->findings[0]->n_stacks, 1);
	assert_int_equal(report->findings[0]->stacks[0]->n_frames, ARRAY_LEN(sleeper));
	assert_int_equal(report->lost.n[LOST_NATIVE_OFF], 1);
	assert_int_equal(report->lost.n[LOST_STACK_UNMERGED], 1);
	assert_int_equal(losses_sum(&report->lost), 2);
}

/* Two sleeps in one function are two sites; their fingerprint is that of the function. */
static void test_lines(void **state)
{
	struct fake_frame other = {"/srv/app.py", "sleepy", 32};
	struct scene *scene = *state;
	struct report *report;

	fake_call(&scene->fake, 1, 0, 30 * FAKE_MS, "clock_nanosleep", sleeper, 1);
	fake_call(&scene->fake, 1, 40 * FAKE_MS, 30 * FAKE_MS, "clock_nanosleep", &other, 1);
	report = scene_report(scene, 1000 * FAKE_MS);
	assert_int_equal(report->n_findings, 2);
	assert_string_equal(report->findings[0]->fingerprint, report->findings[1]->fingerprint);
}

/* The fingerprint of one call, of which the frames are told. */
static void fingerprint_of(const char *call, const struct fake_frame *frames, uint32_t n_frames,
			   char fingerprint[17])
{
	void *state = NULL;
	struct scene *scene;
	struct report *report;

	scene_open(&state);
	scene = state;
	fake_call(&scene->fake, 1, 0, 30 * FAKE_MS, call, frames, n_frames);
	report = scene_report(scene, 1000 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	memcpy(fingerprint, report->findings[0]->fingerprint, 17);
	scene_close(&state);
}

/* What moves keeps its fingerprint; what is something else gets another. */
static void test_fingerprint(void **state)
{
	static const struct fake_frame moved[] = {{"/srv/app.py", "sleepy", 131},
						  {"/srv/app.py", "<module>", 6}},
				       elsewhere[] = {{"/home/ci/build/7/app.py", "sleepy", 31}},
				       qualified[] = {{"/srv/app.py", "main.<locals>.sleepy", 31}},
				       renamed[] = {{"/srv/app.py", "sleeps", 31}},
				       other_module[] = {{"/srv/web.py", "sleepy", 31}};
	char first[17], next[17];

	(void)state;
	fingerprint_of("clock_nanosleep", sleeper, ARRAY_LEN(sleeper), first);
	fingerprint_of("clock_nanosleep", moved, 2, next);
	assert_string_equal(next, first);
	fingerprint_of("clock_nanosleep", elsewhere, 1, next);
	assert_string_equal(next, first);
	fingerprint_of("clock_nanosleep", qualified, 1, next);
	assert_string_equal(next, first);
	fingerprint_of("poll", sleeper, ARRAY_LEN(sleeper), next);
	assert_string_not_equal(next, first);
	fingerprint_of("clock_nanosleep", renamed, 1, next);
	assert_string_not_equal(next, first);
	fingerprint_of("clock_nanosleep", other_module, 1, next);
	assert_string_not_equal(next, first);
}

static const struct fake_frame chain[] = {
	{"/srv/app.py", "serve", 11},
	{"/srv/app.py", "sleepy", 31},
};

/* The last word before a record holds, for its own callback alone; a finding has the task of the
 * longest incident that was in one. */
static void test_task(void **state)
{
	struct scene *scene = *state;
	const struct task *task;
	struct report *report;

	fake_slot(&scene->fake, 0, 9);
	fake_task(&scene->fake, 1, 1, "first", chain, 1);
	fake_task(&scene->fake, 1, 1, "second", chain, 2);
	fake_call(&scene->fake, 1, 0, 30 * FAKE_MS, "clock_nanosleep", sleeper, 3);
	report = scene_report(scene, 100 * FAKE_MS);
	task = report->findings[0]->task;
	assert_string_equal(task->name, "second");
	assert_string_equal(task->coro, "serve");
	assert_int_equal(task->n_chain, 2);
	assert_string_equal(task->chain[0].function, "serve");
	assert_int_equal(task->chain[1].line, 31);
	assert_int_equal(task->n_awaiters, 1);
	assert_string_equal(task->awaiters[0].name, "waiter");
	assert_string_equal(task->awaiters[0].coro, "waits");
	assert_string_equal(task->awaiters[0].file, "/srv/wait.py");
	assert_int_equal(task->awaiters[0].line, 19);

	fake_task(&scene->fake, 2, 2, "short", chain, 2);
	fake_call(&scene->fake, 2, 0, 29 * FAKE_MS, "clock_nanosleep", sleeper, 3);
	fake_call(&scene->fake, 3, 0, 40 * FAKE_MS, "clock_nanosleep", sleeper, 3);
	report = scene_report(scene, 100 * FAKE_MS);
	assert_string_equal(report->findings[0]->task->name, "second");
	fake_task(&scene->fake, 4, 4, "longest", chain, 1);
	fake_call(&scene->fake, 4, 0, 31 * FAKE_MS, "clock_nanosleep", sleeper, 3);
	report = scene_report(scene, 100 * FAKE_MS);
	assert_string_equal(report->findings[0]->task->name, "longest");
	assert_int_equal(report->n_findings, 1);
	assert_int_equal(report->findings[0]->count, 4);
	assert_int_equal(losses_sum(&report->lost), 0);
}

/* Of a turn that never ended: that of its last sample, as far as it was whole. Of a slot that is
 * none: a loss. */
static void test_task_stuck(void **state)
{
	struct scene *scene = *state;
	struct record_task foreign = {.slot = REGION_N_SLOTS};
	struct record_task torn = {
		.turn_seq = 9, .callback_seq = 9, .stack = {.n_frames = 1, .end = 4 /* torn */}};
	struct report *report;
	struct slot *slot;

	slot = fake_slot(&scene->fake, 0, 9);
	atomic_store(&slot->turn_start, FAKE_START_NS);
	fake_task(&scene->fake, 9, 9, "hangs", chain, 2);
	scene_report(scene, 1000 * FAKE_MS);
	torn.name_str = scene->watch->stalls.tasks[0]->name_str;
	fake_put(&scene->fake, &torn, RECORD_TASK, sizeof(torn), chain, 1);
	fake_sample(&scene->fake, 9, 9, RECORD_WHAT_CALLBACK, 0, 1200 * FAKE_MS, 0, worker, 2);
	fake_put(&scene->fake, &foreign, RECORD_TASK, sizeof(foreign), NULL, 0);
	scene_end(scene, 2000 * FAKE_MS, true);
	report = scene_report(scene, 2000 * FAKE_MS);
	assert_int_equal(report->findings[0]->kind, KIND_STUCK);
	assert_string_equal(report->findings[0]->task->name, "hangs");
	assert_int_equal(report->findings[0]->task->n_chain, 2);
	assert_int_equal(report->lost.n[LOST_RECORD_CORRUPT], 1);
}

/* Of more than there is room for the last are kept, and how many are not is known. */
static void test_slices(void **state)
{
	struct scene *scene = *state;
	struct slices slices = {0};
	struct report report = REPORT_INIT;
	struct record_turn turn = {.head = {.size = sizeof(turn), .type = RECORD_TURN}};
	struct record_pause pause = {.head = {.size = sizeof(pause), .type = RECORD_PAUSE},
				     .why = RECORD_WHY_GIL,
				     .n = 7};

	for (uint32_t i = 0; i < SLICES_MAX + 101; i++) {
		turn.n_callbacks = i;
		turn.start = (uint64_t)i * 1000;
		slices_add(&slices, scene->watch, &turn.head);
	}
	assert_int_equal(slices_copy(&slices, &report), 0);
	assert_int_equal(report.n_slices, SLICES_MAX);
	assert_int_equal(report.n_slices_lost, 101);
	assert_int_equal(report.slices[0].n, 101);
	assert_int_equal(report.slices[SLICES_MAX - 1].n, SLICES_MAX + 100);
	report_deinit(&report);
	/* Pauses take nothing of their room. */
	report = (struct report)REPORT_INIT;
	slices_add(&slices, scene->watch, &pause.head);
	assert_int_equal(slices_copy(&slices, &report), 0);
	assert_int_equal(report.n_slices, SLICES_MAX + 1);
	assert_int_equal(report.n_slices_lost, 101);
	assert_int_equal(report.slices[0].what, SLICE_GIL);
	assert_int_equal(report.slices[0].n, 7);
	report_deinit(&report);
	slices_deinit(&slices);
}

static void test_callback(void **state)
{
	struct scene *scene = *state;
	struct report *report;

	fake_slot(&scene->fake, 0, 1);
	fake_sample(&scene->fake, 1, 1, RECORD_WHAT_CALLBACK, 0, 50 * FAKE_MS, RECORD_FLAG_EARLY,
		    sleeper, 1);
	for (uint64_t at = 100; at < 300; at += 20)
		fake_sample(&scene->fake, 1, 1, RECORD_WHAT_CALLBACK, 0, at * FAKE_MS, 0, worker,
			    ARRAY_LEN(worker));
	fake_callback(&scene->fake, 1, 1, 0, 300 * FAKE_MS, 0);
	fake_turn(&scene->fake, 1, 0, 301 * FAKE_MS, 1);
	report = scene_report(scene, 400 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	assert_int_equal(report->findings[0]->kind, KIND_SLOW_CALLBACK);
	assert_string_equal(report->findings[0]->culprit.function, "crunch");
	assert_int_equal(report->findings[0]->stacks[0]->count, 10);
	/* The turn is over: nothing waits any more. */
	assert_int_equal(scene->watch->stalls.n_samples, 0);
}

/* A sleep of 150 ms and then 150 ms of work: the call's samples must not blame the sleep twice. */
static void test_call_and_work(void **state)
{
	struct scene *scene = *state;
	struct report *report;

	fake_slot(&scene->fake, 0, 1);
	for (uint64_t at = 50; at < 150; at += 20)
		fake_sample(&scene->fake, 1, 1, RECORD_WHAT_CALL, 0, at * FAKE_MS, 0, sleeper, 1);
	fake_call(&scene->fake, 1, 0, 150 * FAKE_MS, "clock_nanosleep", sleeper, 1);
	fake_sample(&scene->fake, 1, 1, RECORD_WHAT_CALLBACK, 0, 250 * FAKE_MS, 0, worker, 2);
	fake_callback(&scene->fake, 1, 1, 0, 300 * FAKE_MS, 150 * FAKE_MS);
	report = scene_report(scene, 400 * FAKE_MS);
	assert_int_equal(report->n_findings, 2);
	for (uint32_t i = 0; i < 2; i++)
		assert_string_equal(report->findings[i]->culprit.function,
				    report->findings[i]->kind == KIND_BLOCKING_CALL ? "sleepy"
										    : "crunch");
}

static void test_long_turn(void **state)
{
	struct scene *scene = *state;
	struct report *report;

	fake_slot(&scene->fake, 0, 1);
	for (uint64_t i = 1; i < 15; i++)
		fake_sample(&scene->fake, 1, i, RECORD_WHAT_CALLBACK, i * 20 * FAKE_MS,
			    (i * 20 + 10) * FAKE_MS, i > 5 ? 0 : RECORD_FLAG_EARLY, worker, 2);
	fake_turn(&scene->fake, 1, 0, 300 * FAKE_MS, 0);
	report = scene_report(scene, 400 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	assert_int_equal(report->findings[0]->kind, KIND_LONG_TURN);
	assert_string_equal(report->findings[0]->culprit.function, "crunch");
}

/* For want of a sample the callable itself is all that is known. */
static void test_no_sample(void **state)
{
	struct scene *scene = *state;
	struct report *report;

	fake_callback(&scene->fake, 1, 1, 0, 120 * FAKE_MS, 0);
	report = scene_report(scene, 400 * FAKE_MS);
	assert_string_equal(report->findings[0]->culprit.function, "handler");
	assert_int_equal(report->findings[0]->culprit.line, 7);
}

static void test_pitfall(void **state)
{
	struct record_pitfall record = {
		.head = {.ticks = FAKE_START_NS + 5},
		.slot = UINT32_MAX,
		.pitfall = PITFALL_NEVER_AWAITED,
		.first_line = 12,
	};
	struct scene *scene = *state;
	struct report *report;

	record.name_str = fake_string(&scene->fake, "save");
	record.file_str = fake_string(&scene->fake, "/srv/app.py");
	record.stack.n_frames = ARRAY_LEN(sleeper);
	for (unsigned int i = 0; i < 7; i++)
		fake_put(&scene->fake, &record, RECORD_PITFALL, sizeof(record), sleeper,
			 ARRAY_LEN(sleeper));
	/* No such pitfall. */
	record.pitfall = _PITFALL_N;
	fake_put(&scene->fake, &record, RECORD_PITFALL, sizeof(record), sleeper,
		 ARRAY_LEN(sleeper));
	record.pitfall = PITFALL_NEVER_AWAITED;
	/* Dropped by the collector: where the coroutine stands is all that is known. */
	record.stack.n_frames = 0;
	fake_put(&scene->fake, &record, RECORD_PITFALL, sizeof(record), NULL, 0);
	report = scene_report(scene, 400 * FAKE_MS);
	assert_int_equal(report->n_findings, 2);
	assert_int_equal(report->findings[0]->count, 7);
	assert_string_equal(report->findings[0]->name, "save");
	assert_int_equal(report->findings[0]->culprit.line, 31);
	assert_int_equal(report->findings[1]->culprit.line, 12);
}

/* Where it was made is told beside the stack, and blamed where there is none. */
static void test_pitfall_origin(void **state)
{
	struct record_pitfall record = {
		.head = {.ticks = FAKE_START_NS + 5},
		.slot = 0,
		.pitfall = PITFALL_TASK_DESTROYED_PENDING,
		.n = 1,
		.n_origin = ARRAY_LEN(sleeper),
	};
	struct scene *scene = *state;
	struct report *report;

	record.name_str = fake_string(&scene->fake, "worker");
	record.detail_str = fake_string(&scene->fake, "Task-3");
	fake_put(&scene->fake, &record, RECORD_PITFALL, sizeof(record), sleeper,
		 ARRAY_LEN(sleeper));
	report = scene_report(scene, 400 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	assert_int_equal(report->findings[0]->kind, KIND_TASK_DESTROYED_PENDING);
	assert_int_equal(report->findings[0]->culprit.line, 31);
	assert_string_equal(report->findings[0]->detail, "Task-3");
	assert_int_equal(report->findings[0]->n_stacks, 0);
	assert_int_equal(report->findings[0]->origin->n_frames, ARRAY_LEN(sleeper));
}

static void open_stall(struct scene *scene)
{
	struct slot *slot = fake_slot(&scene->fake, 0, 9);

	atomic_store(&slot->turn_start, FAKE_START_NS);
	fake_sample(&scene->fake, 9, 3, RECORD_WHAT_CALL, 0, 100 * FAKE_MS, 0, sleeper,
		    ARRAY_LEN(sleeper));
}

static void test_killed(void **state)
{
	struct scene *scene = *state;
	struct report *report;

	open_stall(scene);
	scene_end(scene, 2500 * FAKE_MS, true);
	report = scene_report(scene, 3000 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	assert_int_equal(report->findings[0]->kind, KIND_STUCK);
	assert_false(report->findings[0]->is_provisional);
	assert_int_equal(report->findings[0]->max_ns, 2500 * FAKE_MS);
	assert_string_equal(report->findings[0]->culprit.function, "sleepy");
	assert_int_equal(report->n_processes, 1);
	assert_int_equal(report->processes[0].exit_how, EXIT_UNKNOWN);
}

static void test_exec_and_short(void **state)
{
	struct scene *scene = *state;

	open_stall(scene);
	scene_end(scene, 2500 * FAKE_MS, false);
	assert_int_equal(scene_report(scene, 3000 * FAKE_MS)->n_findings, 0);
}

static void test_killed_early(void **state)
{
	struct scene *scene = *state;

	open_stall(scene);
	scene_end(scene, 900 * FAKE_MS, true);
	assert_int_equal(scene_report(scene, 3000 * FAKE_MS)->n_findings, 0);
}

/* The fake clock lies far in the past, so a turn that is open now has been so for long. */
static void test_provisional(void **state)
{
	struct scene *scene = *state;
	struct report *report;

	open_stall(scene);
	report = scene_report(scene, 2000 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	assert_true(report->findings[0]->is_provisional);
	/* It ends after all, and is what it is. */
	fake_call(&scene->fake, 9, 0, 2100 * FAKE_MS, "sem_wait", sleeper, ARRAY_LEN(sleeper));
	atomic_store(&region_slot(&scene->fake.region, 0)->turn_start, 0);
	report = scene_report(scene, 2200 * FAKE_MS);
	assert_int_equal(report->n_findings, 1);
	assert_int_equal(report->findings[0]->kind, KIND_BLOCKING_CALL);
}

static void test_many_samples(void **state)
{
	struct scene *scene = *state;
	struct report *report;

	fake_slot(&scene->fake, 0, 1);
	for (uint64_t i = 0; i < 500; i++)
		fake_sample(&scene->fake, 1, 1, RECORD_WHAT_CALLBACK, 0, (100 + i) * FAKE_MS, 0,
			    worker, 2);
	report = scene_report(scene, 700 * FAKE_MS);
	assert_int_equal(scene->watch->stalls.n_samples, STALL_MAX_SAMPLES);
	assert_int_equal(report->lost.n[LOST_SAMPLES], 500 - STALL_MAX_SAMPLES);
	/* Its turn is over without a record: nothing waits for it any more. */
	fake_slot(&scene->fake, 0, 2);
	scene_report(scene, 800 * FAKE_MS);
	assert_int_equal(scene->watch->stalls.n_samples, 0);
}

static void test_hostile(void **state)
{
	struct record_call call = {.head = {.type = RECORD_CALL}, .slot = 64};
	struct record_sample sample = {.slot = UINT32_MAX};
	struct scene *scene = *state;
	struct report *report;

	fake_put(&scene->fake, &call, RECORD_CALL, sizeof(call), NULL, 0);
	fake_put(&scene->fake, &sample, RECORD_SAMPLE, sizeof(sample), NULL, 0);
	fake_put(&scene->fake, &call, 77, sizeof(call), NULL, 0);
	call.slot = 0;
	call.stack.n_frames = 1000000;
	fake_put(&scene->fake, &call, RECORD_CALL, sizeof(call), NULL, 0);
	report = scene_report(scene, 100 * FAKE_MS);
	assert_int_equal(report->lost.n[LOST_RECORD_CORRUPT], 4);
	atomic_store(&scene->fake.region.ring->head, UINT64_MAX - 7);
	report = scene_report(scene, 100 * FAKE_MS);
	assert_int_equal(report->lost.n[LOST_RING_CORRUPT], 1);
	/* And never looked at again. */
	report = scene_report(scene, 100 * FAKE_MS);
	assert_int_equal(report->lost.n[LOST_RING_CORRUPT], 1);
}

static void test_unsealed(void **state)
{
	struct scene *scene = *state;
	struct watch *watch = NULL;
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, REGION_BYTES), 0);
	assert_int_equal(watch_new_map(scene->daemon->names, fd, &watch), WATCH_E_UNSEALED);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(watch_new_map(scene->daemon->names, fd, &watch), WATCH_E_MAGIC);
	close(fd);
	fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(watch_new_map(scene->daemon->names, fd, &watch), WATCH_E_SIZE);
	close(fd);
	atomic_store(&scene->fake.region.ring->head, 0);
	scene->fake.region.header->version = WIRE_VERSION + 1;
	assert_int_equal(watch_new_map(scene->daemon->names, scene->fake.fd, &watch),
			 WATCH_E_VERSION);
	scene->fake.region.header->version = WIRE_VERSION;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_call),	 SCENE(test_lines),	     SCENE(test_strict_calls),
		SCENE(test_child_start), SCENE(test_fingerprint),    SCENE(test_slices),
		SCENE(test_native),	 SCENE(test_task),	     SCENE(test_task_stuck),
		SCENE(test_callback),	 SCENE(test_call_and_work),  SCENE(test_long_turn),
		SCENE(test_no_sample),	 SCENE(test_pitfall),	     SCENE(test_pitfall_origin),
		SCENE(test_killed),	 SCENE(test_exec_and_short), SCENE(test_killed_early),
		SCENE(test_provisional), SCENE(test_many_samples),   SCENE(test_hostile),
		SCENE(test_unsealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
