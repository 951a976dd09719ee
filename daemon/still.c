/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Still: a thread stopped for a moment, and what it was doing copied (x86-64)
 *
 * The thread alone is seized, stopped, copied and let go: its registers, its stack from the stack
 * pointer on, and its Python frames with their names, since code objects may go as soon as it runs
 * on. All else is done with the copy afterwards. Other threads of the process run on.
 *
 * The program must not notice. What could show:
 * - A system call that is interrupted. Only a thread that computes is stopped, but it may enter the
 *   kernel between the look and the stop. Most calls are then begun again by the kernel itself;
 *   epoll_wait() and some others answer EINTR instead, since for them to be woken is to be told
 *   so. Such an answer is turned into the kernel's own word for "begin again unless a handler is to
 *   run" (ERESTARTNOHAND) before the thread goes on: no handler, no EINTR; a handler, and
 *   it is as it would have been. A time-out begins anew with it, longer by the moment between the
 *   look and the stop.
 * - A signal that comes at the same time stops the thread in our place. It is handed on when the
 *   thread is let go.
 * - A daemon that dies meanwhile: the kernel lets its tracees go (no PTRACE_O_EXITKILL).
 * - A thread that ends meanwhile is ours to wait for, except where the process is our own child and
 *   it is its first thread: its exit status is for who started it.
 * - A thread that is not the first and begins another program is from then on the first. It is let
 *   go under its new number.
 *
 * Runs in a thread of its own (tracer.c): ptrace() is for the thread that has seized.
 */
#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "still.h"
#include "unwind/cfi.h"

/* Forty Python frames with all that is between them take 30 KB of stack. */
#define STILL_MAX_STACK_BYTES (256u << 10)
#define STILL_PAGE_BYTES      4096u
/* A leaf function may keep things this far below the stack pointer (System V ABI, 3.2.2). */
#define STILL_RED_ZONE_BYTES 128u
/* A stop is to take a tenth of this; names of very deep stacks are not worth more. */
#define STILL_MAX_NS (800 * NSEC_PER_USEC)
/* include/linux/errno.h: never seen by programs. */
#define STILL_ERESTARTNOHAND 514

static_assert((int)STILL_N_REGS == (int)CFI_N_REGS, "registers by DWARF number");

/* Return: NULL */
struct still *still_free(struct still *still)
{
	if (!still)
		return NULL;
	maps_deinit(&still->maps);
	free(still->stack);
	free(still);
	return NULL;
}

void still_freep(struct still **still)
{
	still_free(*still);
}

/* Whether the thread computes; a negative errno when it cannot be told. */
static int thread_runs(const struct still_target *target)
{
	_cleanup_close_ int fd = -1;
	char path[64], text[16] = "";

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", target->pid, target->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return -errno;
	return !strncmp(text, "running", 7);
}

/*
 * Calls that may answer EINTR where the kernel does not begin them again, and have done nothing
 * when they do. close() is not one of them: it has closed.
 */
static bool is_repeatable(uint64_t number)
{
	static const int numbers[] = {
		SYS_epoll_wait,	    SYS_epoll_pwait,	 SYS_rt_sigtimedwait,
		SYS_semop,	    SYS_semtimedop,	 SYS_io_getevents,
		SYS_read,	    SYS_readv,		 SYS_write,
		SYS_writev,	    SYS_recvfrom,	 SYS_recvmsg,
		SYS_recvmmsg,	    SYS_sendto,		 SYS_sendmsg,
		SYS_sendmmsg,	    SYS_accept,		 SYS_accept4,
		SYS_connect,	    SYS_futex,		 SYS_poll,
		SYS_ppoll,	    SYS_select,		 SYS_pselect6,
		SYS_nanosleep,	    SYS_clock_nanosleep, SYS_msgrcv,
		SYS_msgsnd,	    SYS_wait4,		 SYS_waitid,
		SYS_flock,	    SYS_fcntl,		 SYS_io_pgetevents,
#ifdef SYS_epoll_pwait2
		SYS_epoll_pwait2,
#endif
#ifdef SYS_io_uring_enter
		SYS_io_uring_enter,
#endif
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (number == (uint64_t)numbers[i])
			return true;
	return false;
}

/* The thread was in a system call, which must not end for our sake. */
static void still_repeat_call(const struct still_target *target, struct user_regs_struct *regs)
{
	struct iovec io = {regs, sizeof(*regs)};

	if ((int64_t)regs->rax != -EINTR || !is_repeatable(regs->orig_rax))
		return;
	regs->rax = (uint64_t)-STILL_ERESTARTNOHAND;
	ptrace(PTRACE_SETREGSET, target->tid, (void *)NT_PRSTATUS, &io);
}

static void still_set_regs(struct still *still, const struct user_regs_struct *regs)
{
	const uint64_t by_number[STILL_N_REGS] = {
		regs->rax, regs->rdx, regs->rcx, regs->rbx, regs->rsi, regs->rdi,
		regs->rbp, regs->rsp, regs->r8,	 regs->r9,  regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15, regs->rip,
	};

	memcpy(still->regs, by_number, sizeof(by_number));
}

static void still_copy_stack(const struct still_target *target, struct still *still)
{
	uint64_t at = still->regs[CFI_RSP] - STILL_RED_ZONE_BYTES;
	const struct map *map = maps_find(&still->maps, still->regs[CFI_RSP]);
	const struct mem mem = {.kind = MEM_REMOTE, .pid = target->pid};
	struct iovec ranges[STILL_MAX_STACK_BYTES / STILL_PAGE_BYTES + 1];
	uint64_t end, from = at;
	size_t n_ranges = 0, n_read;

	if (!map || at < map->begin)
		return;
	end = MIN(map->end, at + STILL_MAX_STACK_BYTES);
	while (from < end) {
		uint64_t to = MIN((from | (STILL_PAGE_BYTES - 1)) + 1, end);

		ranges[n_ranges++] = (struct iovec){(void *)(uintptr_t)from, to - from};
		from = to;
	}
	if (mem_read_ranges_remote(&mem, ranges, n_ranges, still->stack, &n_read))
		return;
	still->stack_raddr = at;
	still->stack_bytes = (uint32_t)n_read;
}

static int still_copy_python(const struct still_target *target, struct still *still,
			     nsec_t begin_ns)
{
	struct mem mem = {.kind = MEM_REMOTE, .pid = target->pid};

	if (pyframe_walk(&target->pyframe, &mem, target->tstate_raddr, &still->python))
		return STILL_E_GONE;
	for (uint32_t i = 0; i < still->python.n_frames; i++) {
		if (pyframe_describe(&target->pyframe, &mem, &still->python.frames[i],
				     &still->names[i]))
			still->names[i] = (struct pyframe_text){0};
		if (i % 8 == 7 && clock_monotonic() - begin_ns > STILL_MAX_NS)
			return STILL_E_SLOW;
	}
	return 0;
}

/* The thread stands. */
static int still_copy(const struct still_target *target, struct still *still)
{
	nsec_t begin_ns = clock_monotonic();
	struct user_regs_struct regs = {0};
	struct iovec io = {&regs, sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, target->tid, (void *)NT_PRSTATUS, &io) ||
	    io.iov_len != sizeof(regs))
		return STILL_E_GONE;
	if ((int64_t)regs.orig_rax >= 0) {
		still_repeat_call(target, &regs);
		return STILL_E_WAITS;
	}
	still->ticks = clock_ticks((enum clock_kind)target->clock_kind);
	still_set_regs(still, &regs);
	still_copy_stack(target, still);
	return still_copy_python(target, still, begin_ns);
}

/* The third and fourth word of /proc/PID/task/TID/stat; false where there is none. */
static bool thread_stat(const struct still_target *target, char *ret_state, int *ret_ppid)
{
	_cleanup_close_ int fd = -1;
	char path[64], text[512] = "";
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", target->pid, target->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	end = strrchr(text, ')');
	return end && sscanf(end, ") %c %d", ret_state, ret_ppid) == 2;
}

static bool is_of_our_child(const struct still_target *target)
{
	char state;
	int ppid;

	return thread_stat(target, &state, &ppid) && ppid == getpid();
}

/* The kernel refuses as well to seize what has ended. */
static bool has_ended(const struct still_target *target)
{
	char state;
	int ppid;

	return !thread_stat(target, &state, &ppid) || strchr("ZXx", state);
}

/* The signal that stopped the thread in our place, 0: none did. */
static int pending_signal(pid_t tid)
{
	siginfo_t info = {0};

	/* Fails in a group stop, which goes on by itself. */
	if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) || info.si_code >> 8 == PTRACE_EVENT_STOP)
		return 0;
	return info.si_signo;
}

/*
 * Wait until the thread stands. Whatever is seized is waited for, and that is it alone: this thread
 * has no children of its own. Were it waited for by its number, it would be for ever where it
 * begins another program and takes the number of the process (Linux 6.12, de_thread() of
 * fs/exec.c). ours: the process whose end is for who started it, 0: none.
 *
 * Return: 0, the number it bears, and the signal that it has to be given when it goes on; or
 * STILL_E_GONE.
 */
static int still_wait(pid_t ours, pid_t *ret_tid, int *ret_signal)
{
	siginfo_t info = {0};
	int r;

	do
		r = waitid(P_ALL, 0, &info, WSTOPPED | WEXITED | WNOWAIT | __WALL | __WNOTHREAD);
	while (r && errno == EINTR);
	if (r)
		return STILL_E_GONE;
	*ret_tid = info.si_pid;
	if (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED) {
		*ret_signal = pending_signal(info.si_pid);
		return 0;
	}
	if (info.si_pid != ours)
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | __WALL | WNOHANG);
	return STILL_E_GONE;
}

static int still_stop(const struct still_target *target, struct still *still)
{
	pid_t ours = is_of_our_child(target) ? target->pid : 0, tid;
	nsec_t begin_ns;
	int r, signal;

	if (ptrace(PTRACE_SEIZE, target->tid, NULL, NULL))
		return errno == ESRCH || has_ended(target) ? STILL_E_GONE : STILL_E_REFUSED;
	begin_ns = clock_monotonic();
	ptrace(PTRACE_INTERRUPT, target->tid, NULL, NULL);
	r = still_wait(ours, &tid, &signal);
	if (r)
		return r;
	r = tid == target->tid ? still_copy(target, still) : STILL_E_GONE;
	ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)signal);
	still->stopped_ns = clock_monotonic() - begin_ns;
	return r;
}

static int still_new(const struct still_target *target, struct still **ret_still)
{
	_cleanup_(still_freep) struct still *still = calloc(1, sizeof(*still));
	int r;

	if (!still)
		return -ENOMEM;
	still->pid = target->pid;
	still->stack = malloc(STILL_MAX_STACK_BYTES);
	if (!still->stack)
		return -ENOMEM;
	r = maps_load(target->pid, &still->maps);
	if (r)
		return r == -EACCES || r == -EPERM ? STILL_E_REFUSED : STILL_E_GONE;
	*ret_still = TAKE(still);
	return 0;
}

/*
 * A thread that waits stands still by itself: it is not stopped, and its registers come from who
 * knows them. Whether it has waited all the time is for the caller to see. Without names.
 *
 * Return: as still_take().
 */
int still_take_waiting(const struct still_target *target, const uint64_t regs[STILL_N_REGS],
		       struct still **ret_still)
{
	_cleanup_(still_freep) struct still *still = NULL;
	const struct mem mem = {.kind = MEM_REMOTE, .pid = target->pid};
	int r = still_new(target, &still);

	if (r)
		return r;
	memcpy(still->regs, regs, sizeof(still->regs));
	still_copy_stack(target, still);
	if (pyframe_walk(&target->pyframe, &mem, target->tstate_raddr, &still->python))
		return STILL_E_GONE;
	*ret_still = TAKE(still);
	return 0;
}

/*
 * Stop a thread whatever it does: what it copies is only of one that computes. For tests: in all
 * else still_take() looks first.
 *
 * Return: as still_take().
 */
int still_take_anyhow(const struct still_target *target, struct still **ret_still)
{
	_cleanup_(still_freep) struct still *still = NULL;
	int r = still_new(target, &still);

	if (!r)
		r = still_stop(target, still);
	if (!r)
		*ret_still = TAKE(still);
	return r;
}

/* Return: 0, an enum still_result, or -ENOMEM. */
int still_take(const struct still_target *target, struct still **ret_still)
{
	_cleanup_(still_freep) struct still *still = NULL;
	int r = still_new(target, &still);

	if (r)
		return r;
	r = thread_runs(target);
	if (r < 0)
		return r == -EACCES || r == -EPERM ? STILL_E_REFUSED : STILL_E_GONE;
	if (!r)
		return STILL_E_WAITS;
	r = still_stop(target, still);
	if (!r)
		*ret_still = TAKE(still);
	return r;
}
