/* SPDX-License-Identifier: Apache-2.0 */
/* A thread stopped for a moment: what is seen of it, and that it does not notice */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/defs.h"
#include "still.h"
#include "symbol.h"
#include "tracer.h"

#define N_CALLS 8

/* What the victim says of itself. */
struct shared {
	_Atomic uint64_t n_rounds;
	_Atomic uint64_t n_wrong[N_CALLS];
	_Atomic uint64_t n_interrupted;
	_Atomic pid_t tid;
	_Atomic uint64_t tstate[64]; /* all zero: a Python thread without a frame */
	sem_t sem;
};
static struct shared *shared;

static int setup(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return shared == MAP_FAILED || sem_init(&shared->sem, 1, 0);
}

static int teardown(void **state)
{
	(void)state;
	return munmap(shared, sizeof(*shared));
}

static pid_t start(void (*victim)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid) {
		/* It is at work. */
		while (!atomic_load(&shared->n_rounds))
			sched_yield();
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	victim();
	_exit(0);
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static struct still_target target_of(pid_t pid)
{
	return (struct still_target){
		.pid = pid,
		.tid = pid,
		.clock_kind = CLOCK_KIND_MONOTONIC,
		.tstate_raddr = (uintptr_t)shared->tstate,
	};
}

static __attribute__((noinline)) void spin_inner(void)
{
	for (volatile int i = 0; i < 1000; i++)
		;
	atomic_fetch_add(&shared->n_rounds, 1);
}

static __attribute__((noinline)) void spin_outer(void)
{
	for (;;)
		spin_inner();
}

static int compare(const void *a, const void *b)
{
	nsec_t x = *(const nsec_t *)a, y = *(const nsec_t *)b;

	return (x > y) - (x < y);
}

#define N_STILLS 2000

/* The whole stack, by name, each time; and for how long it stood. */
static void test_seen(void **state)
{
	struct symbol_view view = {.has_our_root = true, .started_at = UINT64_MAX};
	static nsec_t stopped_ns[N_STILLS];
	pid_t pid = start(spin_outer);
	struct still_target target = target_of(pid);
	unsigned int n_waits = 0;
	struct symbols *symbols;
	struct pool *pool;

	(void)state;
	view.pid = pid;
	assert_int_equal(pool_new(&pool), 0);
	assert_int_equal(symbols_new(pool, &symbols), 0);
	for (unsigned int i = 0; i < N_STILLS; i++) {
		struct still_frame frames[STILL_MAX_FRAMES];
		struct still *still = NULL;
		struct symbol names[3];
		enum pyframe_end frames_end;
		uint32_t n, at;
		int r;

		r = still_take(&target, &still);
		/* On a busy machine it is still being woken from where it was stopped before. */
		if (r == STILL_E_WAITS && n_waits++ < N_STILLS / 4) {
			i--;
			continue;
		}
		assert_int_equal(r, 0);
		n = still_walk(still, frames, &frames_end);
		assert_int_equal(frames_end, PYFRAME_END_COMPLETE);
		assert_true(n > 5);
		for (uint32_t k = 0; k < ARRAY_LEN(names); k++)
			symbols_find(symbols, &view, frames[k].module, frames[k].offset, &names[k]);
		at = !strcmp(names[0].function, "spin_inner");
		assert_string_equal(names[at].function, "spin_outer");
		assert_string_equal(names[at + 1].function, "start");
		stopped_ns[i] = still->stopped_ns;
		still_free(still);
	}
	symbols_free(symbols);
	pool_free(pool);
	end(pid);
	qsort(stopped_ns, N_STILLS, sizeof(*stopped_ns), compare);
	print_message("stopped for %llu us at the median, p99 %llu us, max %llu us\n",
		      (unsigned long long)stopped_ns[N_STILLS / 2] / 1000,
		      (unsigned long long)stopped_ns[N_STILLS * 99 / 100] / 1000,
		      (unsigned long long)stopped_ns[N_STILLS - 1] / 1000);
	assert_true(stopped_ns[N_STILLS / 2] < NSEC_PER_MSEC);
}

/* What was seen of a thread is there when its process has ended before it is asked for. */
static void test_taken_late(void **state)
{
	pid_t pid = start(spin_outer);
	struct still_target target = target_of(pid);
	struct tracer *tracer;
	struct tracer_job job;

	(void)state;
	assert_int_equal(tracer_new(&tracer), 0);
	assert_true(tracer_ask(tracer, state, 0, &target));
	while (!tracer_figures(tracer).n_stills)
		sched_yield();
	end(pid);
	assert_true(tracer_take(tracer, state, 0, &job));
	assert_int_equal(job.result, 0);
	assert_int_equal(job.still->frames_end, PYFRAME_END_COMPLETE);
	assert_true(job.still->n_frames > 5);
	still_free(job.still);
	tracer_free(tracer);
}

static void expect(unsigned int call, bool is_right)
{
	atomic_fetch_add(&shared->n_wrong[call], !is_right);
}

/* Each call waits for a moment and must say that nothing came, and never EINTR. */
static void wait_in_all(void)
{
	struct timeval timeout = {.tv_usec = 300};
	int epoll_fd = epoll_create1(0), pair[2];
	struct epoll_event event;
	sigset_t none, usr1;
	char byte;

	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		_exit(1);
	for (;;) {
		struct timespec moment = {.tv_nsec = 300000}, until;
		struct pollfd poll_fd = {.fd = pair[0], .events = POLLIN};

		expect(0, epoll_wait(epoll_fd, &event, 1, 1) == 0);
		expect(1, epoll_pwait(epoll_fd, &event, 1, 1, &none) == 0);
		expect(2, poll(&poll_fd, 1, 1) == 0);
		expect(3, nanosleep(&moment, NULL) == 0);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 300000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		expect(4, sem_timedwait(&shared->sem, &until) == -1 && errno == ETIMEDOUT);
		expect(5, recv(pair[0], &byte, 1, 0) == -1 && errno == EAGAIN);
		expect(6, pselect(0, NULL, NULL, NULL, &moment, &none) == 0);
		expect(7, sigtimedwait(&usr1, NULL, &moment) == -1 && errno == EAGAIN);
		atomic_fetch_add(&shared->n_rounds, 1);
	}
}

/* Stopped in the middle of what is never to be stopped there. */
static void test_no_eintr(void **state)
{
	pid_t pid = start(wait_in_all);
	struct still_target target = target_of(pid);
	unsigned int n_waiting = 0;
	uint64_t n_rounds;

	(void)state;
	srand(7);
	for (unsigned int i = 0; i < 211; i++) {
		struct timespec pause_time = {.tv_nsec = rand() % 14000 * 1000};
		struct still *still = NULL;
		int r;

		/* At any point of a call; and a wait that is begun again and again would not end.
		 */
		nanosleep(&pause_time, NULL);
		r = still_take_anyhow(&target, &still);

		assert_true(r == 0 || r == STILL_E_WAITS);
		n_waiting += r == STILL_E_WAITS;
		still_free(still);
	}
	n_rounds = atomic_load(&shared->n_rounds);
	print_message("%u stops in a call, %llu rounds\n", n_waiting, (unsigned long long)n_rounds);
	assert_true(n_waiting > 150 && n_rounds > 10);
	for (unsigned int i = 0; i < N_CALLS; i++)
		assert_int_equal(atomic_load(&shared->n_wrong[i]), 0);
	/* And it goes on. */
	while (atomic_load(&shared->n_rounds) < n_rounds + 2)
		sched_yield();
	end(pid);
}

static void on_alarm(int number)
{
	(void)number;
	atomic_fetch_add(&shared->n_interrupted, 1);
}

/* A handler has run: now it has to be EINTR. */
static void wait_for_alarms(void)
{
	struct itimerval every = {{0, 3000}, {0, 3000}};
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	int epoll_fd = epoll_create1(0);
	struct epoll_event event;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (;;) {
		expect(0, epoll_wait(epoll_fd, &event, 1, 60000) == -1 && errno == EINTR);
		atomic_fetch_add(&shared->n_rounds, 1);
	}
}

static void test_signals(void **state)
{
	pid_t pid = start(wait_for_alarms);
	struct still_target target = target_of(pid);
	unsigned int n_stops = 0;

	(void)state;
	while (atomic_load(&shared->n_rounds) < 211) {
		struct still *still = NULL;
		int r = still_take_anyhow(&target, &still);

		assert_true(r == 0 || r == STILL_E_WAITS);
		still_free(still);
		n_stops++;
	}
	assert_true(n_stops > 211);
	assert_int_equal(atomic_load(&shared->n_wrong[0]), 0);
	assert_true(atomic_load(&shared->n_interrupted) >= 211);
	end(pid);
}

/* Whenever the one who stops it dies, it goes on. */
static void test_killed(void **state)
{
	pid_t pid = start(spin_outer);
	struct still_target target = target_of(pid);

	(void)state;
	srand(7);
	for (unsigned int i = 0; i < 101; i++) {
		_Atomic uint64_t *n_rounds = &shared->n_rounds;
		pid_t tracer = fork();
		uint64_t before;

		assert_true(tracer >= 0);
		while (!tracer) {
			struct still *still = NULL;

			still_take_anyhow(&target, &still);
			still_free(still);
		}
		before = atomic_load(n_rounds);
		while (atomic_load(n_rounds) < before + (uint64_t)(rand() % 300))
			sched_yield();
		end(tracer);
		before = atomic_load(n_rounds);
		while (atomic_load(n_rounds) < before + 3)
			sched_yield();
	}
	end(pid);
}

/* A debugger was there first. */
static void test_refused(void **state)
{
	pid_t pid = start(spin_outer), tracer = fork();
	struct still_target target = target_of(pid);
	struct still *still = NULL;
	uint64_t n_rounds;

	(void)state;
	assert_true(tracer >= 0);
	if (!tracer) {
		if (ptrace(PTRACE_SEIZE, pid, NULL, NULL))
			_exit(1);
		sem_post(&shared->sem);
		pause();
	}
	sem_wait(&shared->sem);
	assert_int_equal(still_take(&target, &still), STILL_E_REFUSED);
	n_rounds = atomic_load(&shared->n_rounds);
	while (atomic_load(&shared->n_rounds) < n_rounds + 3)
		sched_yield();
	end(tracer);
	assert_int_equal(still_take(&target, &still), 0);
	still = still_free(still);
	end(pid);
	assert_int_equal(still_take(&target, &still), STILL_E_GONE);
}

/* A child of ours that ends while it is looked at keeps its exit status for us. */
static void end_soon(void)
{
	atomic_store(&shared->n_rounds, 1);
	for (volatile int i = 0; i < 300000; i++)
		;
	_exit(31);
}

static void test_ends(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 101; i++) {
		pid_t pid = start(end_soon);
		struct still_target target = target_of(pid);
		int r, status;

		do {
			struct still *still = NULL;

			r = still_take_anyhow(&target, &still);
			still_free(still);
		} while (r != STILL_E_GONE);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 31);
		atomic_store(&shared->n_rounds, 0);
	}
}

/*
 * A thread that is not the first begins another program: from then on it bears the number of the
 * first. The arguments are many, so that it takes some milliseconds.
 */
#define N_EXEC_WORDS 48

static char exec_word[96u << 10];

static void *exec_slowly(void *unused)
{
	static char rounds_at[32];
	char *argv[N_EXEC_WORDS + 5] = {"sh", "-c", "exit 31", rounds_at};

	memset(exec_word, 'x', sizeof(exec_word) - 1);
	for (unsigned int i = 0; i < N_EXEC_WORDS; i++)
		argv[4 + i] = exec_word;
	for (volatile int i = 0; i < 300000; i++)
		;
	atomic_store(&shared->tid, gettid());
	execv("/bin/sh", argv);
	_exit(1);
	return unused;
}

static void exec_in_thread(void)
{
	struct rlimit limit = {64 << 20, RLIM_INFINITY};
	pthread_t thread;

	/* Arguments may take a quarter of it, 6 MiB at most. */
	setrlimit(RLIMIT_STACK, &limit);
	atomic_store(&shared->n_rounds, 1);
	pthread_create(&thread, NULL, exec_slowly, NULL);
	for (;;)
		pause();
}

static void test_exec(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 31; i++) {
		pid_t pid = start(exec_in_thread);
		struct still_target target = target_of(pid);
		struct timespec pause_time = {.tv_nsec = (i + 1) * 100000};
		struct still *still = NULL;
		int r, status;

		while (!(target.tid = atomic_load(&shared->tid)))
			sched_yield();
		nanosleep(&pause_time, NULL);
		r = still_take_anyhow(&target, &still);
		assert_true(r == 0 || r == STILL_E_WAITS || r == STILL_E_GONE);
		still_free(still);
		do {
			r = waitpid(pid, &status, 0);
		} while (r == pid && WIFSTOPPED(status));
		assert_int_equal(r, pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 31);
		atomic_store(&shared->n_rounds, 0);
		atomic_store(&shared->tid, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_eintr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
