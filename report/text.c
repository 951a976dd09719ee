/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report for people
 *
 * A head that says what was watched and for how long, the findings, worst first, and a foot that
 * says what was not seen. Names come from the watched program, so a control character in one is
 * shown as "?" and never reaches the terminal.
 */
#include <inttypes.h>
#include <string.h>

#include "advice.h"
#include "native-share.h"
#include "stamp.h"
#include "text.h"
#include "verdict.h"
#include "wire/region.h"

#define TEXT_COLUMNS 79
/* More than a screen of workers tells nobody anything; the JSON has them all. */
#define TEXT_MAX_PROCESSES 12
#define TEXT_MAX_FINDINGS  50
#define TEXT_MAX_SHARES	   3
#define TEXT_MAX_CALLERS   3
#define TEXT_MAX_TESTS	   3
#define TEXT_MAX_NATIVES   5

#define RED		   "31;1"
#define YELLOW		   "33;1"
#define GREEN		   "32"
#define BOLD		   "1"
#define DIM		   "2"

static void color_on(FILE *out, const struct text_style *style, const char *color)
{
	if (style->is_colored)
		fprintf(out, "\033[%sm", color);
}

static void color_off(FILE *out, const struct text_style *style)
{
	if (style->is_colored)
		fputs("\033[0m", out);
}

/*
 * The bytes at text that make one column, 0 at its end. C1 controls are two bytes in UTF-8; a
 * terminal may obey them.
 */
static size_t text_step(const char *text, bool *ret_is_control)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = utf8_length(p, strlen(text));

	*ret_is_control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0) || !n;
	return *text ? MAX(n, (size_t)1) : 0;
}

static size_t text_width(const char *text)
{
	size_t width = 0, n;
	bool is_control;

	for (; (n = text_step(text, &is_control)); text += n)
		width++;
	return width;
}

/* Print a name that came from outside, cut with "..." where it is wider than max_columns. */
void text_print(FILE *out, const char *text, size_t max_columns)
{
	bool is_cut = text_width(text) > max_columns, is_control;
	size_t room = is_cut && max_columns > 3 ? max_columns - 3 : max_columns, n;

	for (; room && (n = text_step(text, &is_control)); text += n, room--)
		if (is_control)
			fputc('?', out);
		else
			fwrite(text, 1, n, out);
	if (is_cut)
		fputs("...", out);
}

/* A path, relative where it is below base_dir, cut on the left where it is too long. */
const char *text_path(const char *file, const char *base_dir, size_t max_columns, char *buf,
		      size_t buf_bytes)
{
	size_t n = base_dir ? strlen(base_dir) : 0, width;
	bool is_control;

	if (!file)
		return "?";
	if (n > 1 && !strncmp(file, base_dir, n) && file[n] == '/')
		file += n + 1;
	width = text_width(file);
	if (width <= max_columns) {
		snprintf(buf, buf_bytes, "%s", file);
		return buf;
	}
	for (width -= max_columns - 3; width; width--)
		file += text_step(file, &is_control);
	snprintf(buf, buf_bytes, "...%s", file);
	return buf;
}

static void text_plural(FILE *out, uint64_t n, const char *noun)
{
	fprintf(out, "%" PRIu64 " %s%s", n, noun,
		n == 1				? ""
		: noun[strlen(noun) - 1] == 's' ? "es"
						: "s");
}

static void text_head(FILE *out, const struct report *report, const struct text_style *style)
{
	char span[STAMP_BYTES];

	color_on(out, style, BOLD);
	fprintf(out, "loophound");
	color_off(out, style);
	fprintf(out, ": watched ");
	text_plural(out, report->n_processes, "process");
	fprintf(out, ", ");
	text_plural(out, report->n_loops, "loop");
	fprintf(out, ", for %s\n",
		stamp_span(report->ended_at > report->started_at
				   ? report->ended_at - report->started_at
				   : 0,
			   span));
}

static void text_loop(FILE *out, const struct loop *loop)
{
	char lag[STAMP_BYTES], longest[STAMP_BYTES];

	if (loop->is_warming) {
		fprintf(out, "    %-8s not measured: it has not outlived its warm-up\n",
			loop->framework);
		return;
	}
	fprintf(out, "    %-8s %3.0f %% busy, %" PRIu64 " turns, longest %s, lag p99 %s\n",
		loop->framework, loop_utilisation(loop) * 100, loop->turns,
		stamp_span(loop->turn.max_ns, longest),
		loop->lag.count ? stamp_span(loop->lag.p99_ns, lag) : "not measured");
}

/* The program without its directory: the column is short. */
static const char *text_argument(const struct process *process, uint32_t i)
{
	const char *argument = process->argv[i] ? process->argv[i] : "";
	const char *slash = i ? NULL : strrchr(argument, '/');

	return slash ? slash + 1 : argument;
}

static void text_cmdline(FILE *out, const struct process *process, size_t room)
{
	char line[512] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < process->n_argv && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i ? " " : "",
				      text_argument(process, i));
	utf8_cut(line);
	text_print(out, line, room);
}

static void text_exit(FILE *out, const struct process *process)
{
	if (process->exit_how == EXIT_RUNNING)
		fprintf(out, "    still running\n");
	if (process->exit_how == EXIT_SIGNAL)
		fprintf(out, "    killed by signal %d\n", process->exit_value);
	if (process->exit_how == EXIT_UNKNOWN)
		fprintf(out, "    ended without a word: killed, or became another program\n");
}

static void text_process(FILE *out, const struct report *report, const struct process *process)
{
	char left[64];
	int n = snprintf(left, sizeof(left), "  pid %d, Python %.20s: ", process->pid,
			 process->version ? process->version : "?");

	fputs(left, out);
	text_cmdline(out, process, TEXT_COLUMNS - (size_t)MAX(n, 0));
	fputc('\n', out);
	for (uint32_t i = 0; i < report->n_loops; i++)
		if (process_has_loop(process, &report->loops[i]))
			text_loop(out, &report->loops[i]);
	if (process->complaint && *process->complaint) {
		fputs("    ", out);
		text_print(out, process->complaint, TEXT_COLUMNS - 4);
		fputc('\n', out);
	}
}

static void text_processes(FILE *out, const struct report *report)
{
	for (uint32_t i = 0; i < report->n_processes && i < TEXT_MAX_PROCESSES; i++) {
		text_process(out, report, &report->processes[i]);
		text_exit(out, &report->processes[i]);
	}
	if (report->n_processes > TEXT_MAX_PROCESSES)
		fprintf(out, "  and %u more\n", report->n_processes - TEXT_MAX_PROCESSES);
}

static void text_site(FILE *out, const struct frame *frame, const char *before,
		      const struct text_style *style)
{
	const char *function = frame->function ? frame->function : "?";
	size_t n = strlen(before), width = MIN(text_width(function), (size_t)30);
	char path[512], line[16] = "";

	if (frame->line > 0)
		snprintf(line, sizeof(line), ":%d", frame->line);
	fputs(before, out);
	text_print(out,
		   text_path(frame->file, style->base_dir,
			     TEXT_COLUMNS - n - width - 1 - strlen(line), path, sizeof(path)),
		   TEXT_COLUMNS);
	fprintf(out, "%s ", line);
	text_print(out, function, 30);
}

/* "KIND at FILE:LINE FUNCTION", for a line of its own. */
void text_print_site(FILE *out, const struct frame *frame, const char *what,
		     const struct text_style *style)
{
	char before[64];

	snprintf(before, sizeof(before), "%s at ", what);
	text_site(out, frame, before, style);
}

/* How the program was entered says nothing about who called. */
static bool is_entry(const struct frame *frame)
{
	return frame->function && !strcmp(frame->function, "<module>");
}

/* The next frames of the user's own code outside the culprit: who called it. */
static void text_callers(FILE *out, const struct finding *finding, const struct text_style *style)
{
	const struct stack *stack = finding->n_stacks ? finding->stacks[0] : NULL;
	unsigned int n_shown = 0;
	bool is_outside = false;

	for (uint32_t i = 0; stack && i < stack->n_frames && n_shown < TEXT_MAX_CALLERS; i++) {
		const struct frame *frame = &stack->frames[i];

		if (is_outside && frame->is_own && !is_entry(frame)) {
			text_site(out, frame, "        called from ", style);
			fputc('\n', out);
			n_shown++;
		}
		if (frame->file == finding->culprit.file &&
		    frame->function == finding->culprit.function)
			is_outside = true;
	}
}

static void text_native_frame(FILE *out, const struct frame *frame)
{
	char module[64];
	bool has_name = !strstr(frame->function, "+0x");

	fputs("        native ", out);
	text_print(out, frame->function, 40);
	if (!has_name)
		return;
	fputs(" of ", out);
	text_print(out, native_module(frame->module, module, sizeof(module)), 20);
	if (frame->line > 0 && frame->file) {
		const char *slash = strrchr(frame->file, '/');

		fputs(" (", out);
		text_print(out, slash ? slash + 1 : frame->file, 24);
		fprintf(out, ":%d)", frame->line);
	}
}

/* How a call waits: what Python called, and what is innermost; the middle only when it is short. */
static void text_native_path(FILE *out, const struct stack *stack)
{
	uint32_t n = 0, n_cut;

	while (n < stack->n_frames && stack->frames[n].kind == FRAME_NATIVE)
		n++;
	n_cut = n > TEXT_MAX_NATIVES ? n - TEXT_MAX_NATIVES : 0;
	for (uint32_t i = 0; i < n; i++) {
		if (n_cut && i == TEXT_MAX_NATIVES / 2) {
			fprintf(out, "        native ... %u more\n", n_cut);
			i += n_cut;
		}
		if (!stack->frames[i].function)
			continue;
		text_native_frame(out, &stack->frames[i]);
		fputc('\n', out);
	}
}

/*
 * The native frames inside of the innermost Python frame. Of a call there is one way in; of work on
 * the CPU there are samples, and what Python called counts.
 */
static void text_natives(FILE *out, const struct finding *finding)
{
	struct native_share shares[NATIVE_SHARE_MAX];
	uint64_t n_samples;
	uint32_t n = native_shares(finding, shares, &n_samples);

	if (n && finding->call.name) {
		text_native_path(out, shares[0].stack);
		return;
	}
	for (uint32_t i = 0; i < n && i < TEXT_MAX_SHARES; i++) {
		text_native_frame(out, shares[i].entered);
		fprintf(out, "  %" PRIu64 " of ", shares[i].count);
		text_plural(out, n_samples, "sample");
		fputc('\n', out);
	}
}

/* Whether somebody gave the task its name: asyncio numbers the others. */
static bool is_given_name(const char *name)
{
	return name && (strncmp(name, "Task-", 5) != 0 || !name[5] ||
			name[5 + strspn(name + 5, "0123456789")]);
}

/* A name that people know it by; where it is one of many, the stack says as much. */
static void text_task(FILE *out, const struct task *task)
{
	if (!task || !is_given_name(task->name))
		return;
	fputs("        in task ", out);
	text_print(out, task->name, 30);
	if (task->coro) {
		fputs(" (", out);
		text_print(out, task->coro, 30);
		fputc(')', out);
	}
	fputc('\n', out);
}

static void text_sizes(FILE *out, const struct finding *finding)
{
	char total[STAMP_BYTES], longest[STAMP_BYTES];

	if (kind_is_timed(finding->kind))
		fprintf(out, "%10s %6" PRIu64 " %10s  ", stamp_span(finding->total_ns, total),
			finding->count, stamp_span(finding->max_ns, longest));
	else
		fprintf(out, "%10s %6" PRIu64 " %10s  ", "-", finding->count, "-");
}

/*
 * Words in lines of their own, four columns in. A word that is longer than a line is cut. The text
 * may hold names from outside.
 */
static void text_wrapped(FILE *out, const char *text)
{
	char word[256];
	size_t column = 0;

	while (*text) {
		size_t length = MIN(strcspn(text, " "), sizeof(word) - 1), width;

		memcpy(word, text, length);
		word[length] = '\0';
		utf8_cut(word);
		width = MIN(text_width(word), (size_t)TEXT_COLUMNS - 4);
		if (column && column + 1 + width > TEXT_COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		fputs(column ? " " : "    ", out);
		column += (column ? 1 : 4) + width;
		text_print(out, word, TEXT_COLUMNS - 4);
		text += MAX(strlen(word), (size_t)1);
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void text_baseline_state(FILE *out, const struct finding *finding,
				const struct text_style *style)
{
	if (finding->baseline == BASELINE_NONE)
		return;
	color_on(out, style, finding_counts(finding) ? BOLD : DIM);
	fprintf(out, "  %s%s%s", baseline_state_name(finding->baseline), finding->worse ? ": " : "",
		finding->worse ? finding->worse : "");
	color_off(out, style);
}

static void text_tests(FILE *out, const struct finding *finding)
{
	for (uint32_t i = 0; i < finding->n_tests && i < TEXT_MAX_TESTS; i++) {
		fputs("        in ", out);
		text_print(out, finding->tests[i], TEXT_COLUMNS - 11);
		fputc('\n', out);
	}
	if (finding->n_tests > TEXT_MAX_TESTS)
		fputs("        and in other tests\n", out);
}

void text_print_finding(FILE *out, const struct finding *finding, const struct text_style *style)
{
	bool is_error = kind_severity(finding->kind) == SEVERITY_ERROR;
	char message[ADVICE_BYTES];

	fputc('\n', out);
	text_sizes(out, finding);
	color_on(out, style, is_error ? RED : YELLOW);
	fputs(kind_name(finding->kind), out);
	color_off(out, style);
	if (finding->call.name) {
		fputs("  ", out);
		text_print(out, finding->call.name, 30);
	}
	text_baseline_state(out, finding, style);
	fputs(finding->is_provisional ? "  (so far)\n" : "\n", out);
	color_on(out, style, BOLD);
	text_site(out, &finding->culprit, "    ", style);
	color_off(out, style);
	fputc('\n', out);
	text_natives(out, finding);
	text_callers(out, finding, style);
	text_tests(out, finding);
	text_task(out, finding->task);
	text_wrapped(out, advice_message(finding, message, sizeof(message)));
	color_on(out, style, DIM);
	text_wrapped(out, advice_text(finding));
	color_off(out, style);
	if (finding->allowed_by) {
		fputs("    allowed: ", out);
		text_print(out, finding->allowed_by, TEXT_COLUMNS - 13);
		fputc('\n', out);
	}
}

static void text_findings(FILE *out, const struct report *report, const struct text_style *style)
{
	const char *unmeasured = report_unmeasured(report);

	if (!report->n_findings) {
		color_on(out, style, GREEN);
		fprintf(out, "\n  %s\n", unmeasured ? unmeasured : "no finding");
		color_off(out, style);
		return;
	}
	fprintf(out, "\n%10s %6s %10s\n", "blocked", "times", "longest");
	for (uint32_t i = 0; i < report->n_findings && i < TEXT_MAX_FINDINGS; i++)
		text_print_finding(out, report->findings[i], style);
	if (report->n_findings > TEXT_MAX_FINDINGS)
		fprintf(out, "\n  and %u more findings\n", report->n_findings - TEXT_MAX_FINDINGS);
}

static void text_gates(FILE *out, const struct report *report, const struct text_style *style)
{
	if (report->n_gates)
		fputc('\n', out);
	for (uint32_t i = 0; i < report->n_gates; i++) {
		const struct gate *gate = &report->gates[i];

		fputs("  ", out);
		color_on(out, style, gate->is_ok ? GREEN : RED);
		verdict_print(out, gate, report);
		color_off(out, style);
		fputc('\n', out);
	}
}

/* What became of the baseline. */
static void text_baseline(FILE *out, const struct report *report, const struct text_style *style)
{
	uint32_t n[BASELINE_WORSE + 1] = {0};
	char path[64];

	if (!report->baseline.path)
		return;
	for (uint32_t i = 0; i < report->n_findings; i++)
		n[report->findings[i]->baseline]++;
	fputs("\n  baseline ", out);
	text_print(out, text_path(report->baseline.path, style->base_dir, 30, path, sizeof(path)),
		   TEXT_COLUMNS);
	fprintf(out, ": %" PRIu32 " new, %" PRIu32 " worse, %" PRIu32 " known, %" PRIu32 " gone\n",
		n[BASELINE_NEW], n[BASELINE_WORSE], n[BASELINE_KNOWN], report->baseline.n_gone);
	for (uint32_t i = 0; i < report->baseline.n_gone && i < TEXT_MAX_FINDINGS; i++) {
		fputs("    gone: ", out);
		text_print(out, report->baseline.gone[i].site, TEXT_COLUMNS - 10);
		fputc('\n', out);
	}
	if (report->baseline.n_gone > TEXT_MAX_FINDINGS)
		fprintf(out, "    and %" PRIu32 " more\n",
			report->baseline.n_gone - TEXT_MAX_FINDINGS);
}

/* Entries of the allow list that have done their time. */
static void text_allowances(FILE *out, const struct report *report, const struct text_style *style)
{
	char path[64];

	for (uint32_t i = 0; i < report->n_allowances; i++) {
		const struct allowance *each = &report->allowances[i];

		if (each->n_findings && !each->is_expired)
			continue;
		fprintf(out, "  allow list: ");
		text_print(out, text_path(each->origin, style->base_dir, 30, path, sizeof(path)),
			   TEXT_COLUMNS);
		fprintf(out, ":%u %s: ", each->line,
			each->is_expired ? "is past its day" : "matched nothing");
		text_print(out, each->reason, 40);
		fputc('\n', out);
	}
}

static void text_unblamed(FILE *out, uint64_t n_stalls, const char *why)
{
	if (!n_stalls)
		return;
	fputs("  not blamed: ", out);
	text_plural(out, n_stalls, "stall");
	fprintf(out, " %s\n", why);
}

static void text_foot(FILE *out, const struct report *report, const struct text_style *style)
{
	uint64_t n_descheduled = 0, n_gil = 0;

	for (uint32_t i = 0; i < report->n_processes; i++) {
		n_descheduled += report->processes[i].n_descheduled;
		n_gil += report->processes[i].n_gil;
	}
	fputc('\n', out);
	text_unblamed(out, n_descheduled, "while the process was not scheduled");
	text_unblamed(out, n_gil, "while another thread held the GIL");
	text_allowances(out, report, style);
	if (report_is_of_kernel(report))
		fputs("  out of reach from outside: never-awaited and what else takes no time; "
		      "loophound run sees it\n",
		      out);
	if (!losses_sum(&report->lost))
		fputs("  nothing was lost\n", out);
	for (unsigned int i = 0; i < _LOST_N; i++) {
		if (!report->lost.n[i])
			continue;
		color_on(out, style, YELLOW);
		fputs("  not seen: ", out);
		color_off(out, style);
		fprintf(out, "%s %" PRIu64 " (%s)\n", lost_name((enum lost)i), report->lost.n[i],
			lost_text((enum lost)i));
	}
}

void text_report(FILE *out, const struct report *report, const struct text_style *style)
{
	text_head(out, report, style);
	text_processes(out, report);
	text_findings(out, report, style);
	text_baseline(out, report, style);
	text_gates(out, report, style);
	text_foot(out, report, style);
}

static void text_detectors(FILE *out, const struct process *process)
{
	fputs("    detectors:", out);
	for (unsigned int i = 0; i < DETECTOR_N; i++)
		if (process->detectors & (1u << i))
			fprintf(out, " %s", detector_name(i));
	fputs(process->detectors ? "\n" : " none\n", out);
}

/* What is watched now, which detectors are live, what was lost. */
void text_status(FILE *out, const struct report *report, const struct text_style *style)
{
	text_head(out, report, style);
	for (uint32_t i = 0; i < report->n_processes; i++) {
		if (report->processes[i].exit_how != EXIT_RUNNING)
			continue;
		text_process(out, report, &report->processes[i]);
		text_detectors(out, &report->processes[i]);
	}
	text_foot(out, report, style);
}
