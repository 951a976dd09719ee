/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophoundd: the core as a service of a host
 *
 * It listens where shims look for it, wakes those that sleep for want of one, and answers status
 * and report until it is told to end. Limits are those each process was given; what is judged and
 * counted here is everything they report. Once it listens it gives up all that it may do beyond
 * looking at processes.
 */
#include <argp.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capability.h"
#include "daemon.h"
#include "listen.h"
#include "log.h"
#include "probe.h"
#include "proc.h"
#include "tracer.h"
#include "waits.h"
#include "wire/hello.h"
#include "wire/options.h"

#define EXIT_USAGE  2
#define EXIT_NO_JOB 4

static const char *arg_socket;
static const char *arg_own_code;
static const char *arg_service;
static bool arg_native;
static const char *arg_bpf = "off";

enum {
	KEY_SOCKET = 256,
	KEY_OWN_CODE,
	KEY_SERVICE,
	KEY_NATIVE,
	KEY_BPF,
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case KEY_SOCKET:
		arg_socket = arg;
		return 0;
	case KEY_OWN_CODE:
		arg_own_code = arg;
		return 0;
	case KEY_SERVICE:
		arg_service = arg;
		return 0;
	case KEY_NATIVE:
		arg_native = true;
		return 0;
	case KEY_BPF:
		if (strcmp(arg, "auto") != 0 && strcmp(arg, "on") != 0 && strcmp(arg, "off") != 0)
			argp_error(state, "--bpf %s: auto, on or off", arg);
		arg_bpf = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "there is nothing to be done with '%s'", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"socket", KEY_SOCKET, "PATH", 0, "listen at PATH instead of the well-known socket", 0},
	{"own-code", KEY_OWN_CODE, "GLOB,...", 0, "installed code to treat as the user's own", 0},
	{"native", KEY_NATIVE, 0, 0, "native frames of processes that were given native", 0},
	{"bpf", KEY_BPF, "WHEN", 0, "exact causes from the kernel: auto (if it may), on; else off",
	 0},
	{"service", KEY_SERVICE, "NAME", 0, "the service all processes belong to", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Watch the event loops of the processes that load libloophound.so.",
};

/* Where shims of this user look. Return: 0 or a negative errno. */
static int socket_default(char *buf, size_t buf_bytes)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	int n;

	if (!geteuid())
		n = snprintf(buf, buf_bytes, "%s", HELLO_SOCKET_SYSTEM);
	else if (runtime_dir && *runtime_dir == '/')
		n = snprintf(buf, buf_bytes, "%s/loophound/socket", runtime_dir);
	else
		n = snprintf(buf, buf_bytes, HELLO_SOCKET_USER, geteuid());
	return n < 0 || (size_t)n >= buf_bytes ? -ENAMETOOLONG : 0;
}

static int socket_make_dir(const char *path)
{
	char dir[256];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return mkdir(dir, geteuid() ? 0700 : 0755) && errno != EEXIST ? -errno : 0;
}

static int service_listen(struct daemon *daemon)
{
	char path[256];
	int r = 0;

	if (!arg_socket) {
		r = socket_default(path, sizeof(path));
		if (!r)
			r = socket_make_dir(path);
	} else {
		snprintf(path, sizeof(path), "%s", arg_socket);
	}
	if (!r)
		r = listen_open(daemon, path, geteuid() ? 0600 : 0666);
	if (r == LISTEN_E_TAKEN)
		log_line("another daemon already listens at %s", path);
	else if (r)
		log_line("cannot listen at %s: %s", path,
			 r == LISTEN_E_LONG ? "the path is too long" : strerror(-r));
	else
		log_line("listening at %s", path);
	return r;
}

/* Have the kernel tell of waits. Return: 0, or what is in the way where it must. */
static int service_ask_kernel(struct daemon *daemon)
{
	int r = strcmp(arg_bpf, "off") != 0 ? waits_new(daemon, &daemon->waits) : 0;

	if (r && !strcmp(arg_bpf, "on")) {
		log_line("--bpf on: %s", probe_complaint(r));
		return r;
	}
	return 0;
}

struct ending {
	struct source source;
	int signal;
};

static int ending_dispatch(struct source *source, uint32_t events)
{
	struct ending *ending = (struct ending *)source;
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) == sizeof(info))
		ending->signal = (int)info.ssi_signo;
	return 0;
}

static int ending_open(struct ending *ending, struct daemon *daemon)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	ending->source.dispatch = ending_dispatch;
	ending->source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return ending->source.fd < 0 ? -errno : daemon_add_source(daemon, &ending->source);
}

/*
 * When to look for sleeping shims, ms after the start. One that is awake looks for us itself, every
 * 250 ms; but it may have looked just before we listened, and go to sleep just after we looked.
 */
static const nsec_t wake_after_ms[] = {0, 150, 400, 800, 2000};

struct waking {
	nsec_t started_ns;
	unsigned int n_done;
};

/* Return: ms until the next look is due; -1: none is. */
static int waking_step(struct waking *waking)
{
	nsec_t now_ns = clock_monotonic();

	for (; waking->n_done < ARRAY_LEN(wake_after_ms); waking->n_done++) {
		nsec_t due_ns = waking->started_ns + wake_after_ms[waking->n_done] * NSEC_PER_MSEC;
		unsigned int n_woken;

		if (now_ns < due_ns)
			return (int)((due_ns - now_ns) / NSEC_PER_MSEC) + 1;
		n_woken = proc_wake_parked();
		if (n_woken)
			log_line("woke %u waiting processes", n_woken);
	}
	return -1;
}

/* What --native cost the watched threads. */
static void service_say_stops(struct daemon *daemon)
{
	struct tracer_figures figures;

	if (!daemon->tracer)
		return;
	figures = tracer_figures(daemon->tracer);
	log_line("stopped a thread %llu times, for %llu us at the median, p99 %llu us, max %llu us",
		 (unsigned long long)figures.n_stills,
		 (unsigned long long)(figures.p50_ns / NSEC_PER_USEC),
		 (unsigned long long)(figures.p99_ns / NSEC_PER_USEC),
		 (unsigned long long)(figures.max_ns / NSEC_PER_USEC));
}

static void service_run(struct daemon *daemon)
{
	struct waking waking = {.started_ns = clock_monotonic()};
	struct ending ending = {0};
	int r = ending_open(&ending, daemon);

	if (r) {
		log_line("cannot wait for signals: %s", strerror(-r));
		return;
	}
	while (!ending.signal && !r)
		r = daemon_dispatch(daemon, waking_step(&waking));
	if (r)
		log_line("ending: %s", strerror(-r));
	else
		log_line("ending on signal %d, %u processes watched", ending.signal,
			 daemon->n_watches);
	service_say_stops(daemon);
	daemon_remove_source(daemon, &ending.source);
	close(ending.source.fd);
}

static void config_set(struct daemon_config *config)
{
	struct options limits = OPTIONS_DEFAULT;

	*config = (struct daemon_config){
		.options = {.slow_callback_ns = limits.slow_callback_ns,
			    .long_turn_ns = limits.long_turn_ns,
			    .blocking_call_ns = limits.blocking_call_ns,
			    .stuck_ns = limits.stuck_ns,
			    .cancel_grace_ns = limits.cancel_grace_ns,
			    .is_native = arg_native,
			    .kinds = KIND_MASK_ALL,
			    .own_code = arg_own_code},
		.service = arg_service,
	};
	own_code_add_globs(&config->own, arg_own_code);
}

int main(int argc, char **argv)
{
	_cleanup_(daemon_freep) struct daemon *daemon = NULL;
	struct daemon_config config;
	int r;

	log_init("loophoundd");
	argp_program_version = "loophoundd " LOOPHOUND_VERSION;
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	config_set(&config);
	r = daemon_new(&config, &daemon);
	if (r) {
		log_line("cannot start: %s", strerror(-r));
		return EXIT_NO_JOB;
	}
	if (service_ask_kernel(daemon))
		return EXIT_NO_JOB;
	if (service_listen(daemon))
		return EXIT_NO_JOB;
	/* Who stops a thread must not wait for a CPU. */
	r = capability_keep_watching(arg_native ? UINT64_C(1) << CAP_SYS_NICE : 0);
	if (r)
		log_line("cannot give up privileges: %s", strerror(-r));
	service_run(daemon);
	return 0;
}
