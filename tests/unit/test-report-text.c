/* SPDX-License-Identifier: Apache-2.0 */
/* The text report, word by word; names that a terminal would obey; formats by suffix */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "advice.h"
#include "base/defs.h"
#include "output.h"
#include "text.h"
#include "verdict.h"

static const char golden[] =
	"loophound: watched 1 process, 1 loop, for 12.4 s\n"
	"  pid 42, Python 3.11.7: uvicorn app:app\n"
	"    asyncio   90 % busy, 1204 turns, longest 1.20 s, lag p99 152 ms\n"
	"\n"
	"   blocked  times    longest\n"
	"\n"
	"    15.2 s    101     152 ms  blocking-call  poll\n"
	"    app/main.py:31 sleepy\n"
	"        native poll of libc.so.6\n"
	"        native PQexec of libpq.so.5\n"
	"        called from app/main.py:9 handler\n"
	"    psycopg2.connect waited in poll and held the loop for up to 152 ms\n"
	"    Use psycopg.AsyncConnection (psycopg 3) or asyncpg, or await\n"
	"    asyncio.to_thread().\n"
	"\n"
	"         -      3          -  never-awaited\n"
	"    /opt/jobs.py:5 run\n"
	"    coroutine save was made and never awaited\n"
	"    Await it, or start it with asyncio.create_task() and keep the task.\n"
	"\n"
	"  --fail-on any: FAILED (2 findings)\n"
	"\n"
	"  not blamed: 2 stalls while the process was not scheduled\n"
	"  not seen: ring-full 3 (events, since nobody read them in time)\n";

static struct stack *make_stack(void)
{
	static const struct frame frames[] = {
		{NULL, "poll", "libc.so.6", 0, FRAME_NATIVE, false},
		{NULL, "PQexec", "libpq.so.5", 0, FRAME_NATIVE, false},
		{"/v/lib/python3.11/site-packages/psycopg2/__init__.py", "connect", "psycopg2", 3,
		 FRAME_PYTHON, false},
		{"/srv/app/main.py", "sleepy", "app.main", 31, FRAME_PYTHON, true},
		{"/usr/lib/python3.11/asyncio/events.py", "_run", "asyncio.events", 8, FRAME_PYTHON,
		 false},
		{"/srv/app/main.py", "handler", "app.main", 9, FRAME_PYTHON, true},
	};
	struct stack *stack = calloc(1, sizeof(*stack) + sizeof(frames));

	stack->count = 101;
	stack->n_frames = ARRAY_LEN(frames);
	memcpy(stack->frames, frames, sizeof(frames));
	return stack;
}

static char *render(const struct report *report, bool is_colored)
{
	struct text_style style = {.is_colored = is_colored, .base_dir = "/srv"};
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	text_report(out, report, &style);
	fclose(out);
	return text;
}

static void test_golden(void **state)
{
	static const char *argv[] = {"uvicorn", "app:app"};
	struct process process = {.pid = 42,
				  .version = "3.11.7",
				  .argv = argv,
				  .n_argv = 2,
				  .exit_how = EXIT_STATUS,
				  .n_descheduled = 2};
	struct loop loop = {
		.pid = 42, .framework = "asyncio", .turns = 1204, .busy_ns = 90, .idle_ns = 10};
	struct stack *stack = make_stack();
	struct finding slow = {.kind = KIND_BLOCKING_CALL,
			       .count = 101,
			       .total_ns = 15200000000,
			       .max_ns = 152000000,
			       .call = {.name = "poll", .fd = -1},
			       .n_stacks = 1,
			       .stacks = {stack},
			       .culprit = stack->frames[3]};
	struct finding dropped = {
		.kind = KIND_NEVER_AWAITED,
		.count = 3,
		.name = "save",
		.culprit = {"/opt/jobs.py", "run", "jobs", 5, FRAME_PYTHON, true}};
	struct finding *findings[] = {&slow, &dropped};
	struct gate gate = {.expr = "any", .is_measured = true, .value = 104};
	struct report report = {.started_at = 1,
				.ended_at = 12400000001,
				.processes = &process,
				.n_processes = 1,
				.loops = &loop,
				.n_loops = 1,
				.findings = findings,
				.n_findings = 2,
				.gates = &gate,
				.n_gates = 1};
	char *text;

	(void)state;
	loop.turn.max_ns = 1200000000;
	loop.lag.count = 1204;
	loop.lag.p99_ns = 152000000;
	report.lost.n[LOSS_RING_FULL] = 3;
	text = render(&report, false);
	assert_string_equal(text, golden);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_in_range(strlen(line), 0, 86);
	free(text);
	text = render(&report, true);
	assert_non_null(strstr(text, "\033[33;1mblocking-call\033[0m"));
	free(text);
	free(stack);
}

static void check_verdict(const struct gate *gate, const struct report *report, const char *wanted)
{
	struct text_style style = {.base_dir = "/srv"};
	char buf[256] = "";
	FILE *out = fmemopen(buf, sizeof(buf), "w");

	verdict_print_line(out, gate, report, &style);
	fclose(out);
	assert_string_equal(buf, wanted);
}

#define GATE(text, number) (&(struct gate){.expr = text, .is_measured = true, .value = (number)})

static void test_verdicts(void **state)
{
	struct finding call = {.kind = KIND_BLOCKING_CALL,
			       .count = 4,
			       .max_ns = 150000000,
			       .culprit = {"/srv/app.py", "f", "app", 12, FRAME_PYTHON, true}};
	struct finding dropped = {
		.kind = KIND_NEVER_AWAITED,
		.count = 3,
		.culprit = {"/opt/jobs.py", "run", "jobs", 5, FRAME_PYTHON, true}};
	struct finding *findings[] = {&call, &dropped};
	struct report report = {.findings = findings, .n_findings = 2};

	(void)state;
	check_verdict(GATE("any", 7), &report,
		      "loophound: --fail-on any: FAILED, 2 findings; worst: 150 ms blocking-call "
		      "at app.py:12 f\n");
	check_verdict(GATE("never-awaited:count>2", 3), &report,
		      "loophound: --fail-on never-awaited:count>2: FAILED, 3 times; worst: "
		      "never-awaited at /opt/jobs.py:5 run\n");
	check_verdict(GATE("blocking-call>50ms", 150e6), &report,
		      "loophound: --fail-on blocking-call>50ms: FAILED, 1 finding; worst: 150 ms "
		      "blocking-call at app.py:12 f\n");
	check_verdict(GATE("lag-p99>50ms", 152e6), &report,
		      "loophound: --fail-on lag-p99>50ms: FAILED, 152 ms\n");
	check_verdict(GATE("utilisation>80%", 0.97), &report,
		      "loophound: --fail-on utilisation>80%: FAILED, 97 %\n");
	check_verdict(GATE("lost>0", 2), &report, "loophound: --fail-on lost>0: FAILED, 2 lost\n");
	check_verdict(GATE("no expression", 2), &report,
		      "loophound: --fail-on no expression: FAILED\n");
	check_verdict(&(struct gate){.expr = "any"}, &report,
		      "loophound: --fail-on any: could not be checked: no loop ran\n");
	check_verdict(&(struct gate){.expr = "any", .is_measured = true, .is_ok = true}, &report,
		      "loophound: --fail-on any: passed\n");
}

static void test_empty(void **state)
{
	struct report report = REPORT_INIT;
	char *text = render(&report, false);

	(void)state;
	assert_string_equal(text, "loophound: watched 0 processes, 0 loops, for 0 ns\n"
				  "\n  no loop ran\n\n  nothing was lost\n");
	free(text);
}

static void check_print(const char *text, size_t max_columns, const char *wanted)
{
	char buf[128] = "";
	FILE *out = fmemopen(buf, sizeof(buf), "w");

	text_print(out, text, max_columns);
	fclose(out);
	assert_string_equal(buf, wanted);
}

static void test_print(void **state)
{
	char buf[64];

	(void)state;
	check_print("a\033[31mb\n\tc\x7f", 79, "a?[31mb??c?");
	check_print("\xc2\x9b"
		    "31m",
		    79, "?31m"); /* a one-character escape of C1 */
	check_print("gr\xc3\xbc\xc3\x9f"
		    "e",
		    79,
		    "gr\xc3\xbc\xc3\x9f"
		    "e");
	check_print("abcdefghij", 7, "abcd...");
	check_print("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 4, "\xc3\xbc...");
	assert_string_equal(text_path("/srv/a/b.py", "/srv", 40, buf, sizeof(buf)), "a/b.py");
	assert_string_equal(text_path("/srvx/b.py", "/srv", 40, buf, sizeof(buf)), "/srvx/b.py");
	assert_string_equal(text_path("/aaaaaaaaaa/bbbbb/c.py", NULL, 12, buf, sizeof(buf)),
			    "...bbbb/c.py");
	assert_string_equal(text_path(NULL, NULL, 12, buf, sizeof(buf)), "?");
}

/* Every kind that is detected has a message and an advice, and knows what to do without names. */
static void test_advice(void **state)
{
	char buf[ADVICE_BYTES];

	(void)state;
	for (unsigned int i = 0; i < _KIND_N; i++) {
		struct finding finding = {.kind = (enum finding_kind)i, .count = 1};

		if (!kind_is_detected(finding.kind))
			continue;
		assert_true(strlen(advice_message(&finding, buf, sizeof(buf))) > 10);
		assert_true(strlen(advice_text(&finding)) > 10);
	}
}

/* A call without a library is named as people write it; within one, as it is. */
static void test_call_words(void **state)
{
	static const struct {
		const char *call, *message;
	} cases[] = {
		{"clock_nanosleep", "time.sleep (clock_nanosleep) held the loop for up to 151 ms"},
		{"sem_clockwait", "a lock (sem_clockwait) held the loop for up to 151 ms"},
		{"sem_wait", "a lock (sem_wait) held the loop for up to 151 ms"},
		{"sem_timedwait", "a lock (sem_timedwait) held the loop for up to 151 ms"},
		{"select", "select held the loop for up to 151 ms"},
		{NULL, "something held the loop for up to 151 ms"},
	};
	struct stack *stack = make_stack();
	struct finding finding = {.kind = KIND_BLOCKING_CALL, .count = 2, .max_ns = 151000000};
	char buf[ADVICE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		finding.call.name = cases[i].call;
		assert_string_equal(advice_message(&finding, buf, sizeof(buf)), cases[i].message);
	}
	finding.call.name = "sem_wait";
	finding.stacks[0] = stack;
	finding.n_stacks = 1;
	finding.culprit = stack->frames[3];
	assert_string_equal(advice_message(&finding, buf, sizeof(buf)),
			    "psycopg2.connect waited in sem_wait and held the loop for up to "
			    "151 ms");
	finding.n_stacks = 0;
	finding.kind = KIND_STUCK;
	assert_string_equal(advice_message(&finding, buf, sizeof(buf)),
			    "a lock (sem_wait) never ended; last seen after 151 ms");
	free(stack);
}

static void test_formats(void **state)
{
	unsigned int format;

	(void)state;
	assert_int_equal(output_format_of("a.json", &format), 0);
	assert_string_equal(output_suffix(format), ".json");
	assert_int_equal(output_format_of("x/a.jsonl", &format), 0);
	assert_string_equal(output_suffix(format), ".jsonl");
	assert_int_equal(output_format_of("a.b.txt", &format), 0);
	assert_string_equal(output_suffix(format), ".txt");
	assert_int_equal(output_format_of("a.trace.json", &format), 0);
	assert_string_equal(output_suffix(format), ".trace.json");
	assert_int_equal(output_format_of("a.html", &format), OUTPUT_E_LATER);
	assert_int_equal(output_format_of("a.pdf", &format), OUTPUT_E_SUFFIX);
	assert_int_equal(output_format_of(".json", &format), OUTPUT_E_SUFFIX);
	assert_int_equal(output_format_of("", &format), OUTPUT_E_SUFFIX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	   cmocka_unit_test(test_empty),
		cmocka_unit_test(test_verdicts),   cmocka_unit_test(test_print),
		cmocka_unit_test(test_advice),	   cmocka_unit_test(test_formats),
		cmocka_unit_test(test_call_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
