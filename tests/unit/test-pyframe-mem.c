/* SPDX-License-Identifier: Apache-2.0 */
/* Memory source: bad addresses, errno, and what happens where the kernel refuses the cheap way */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "pyframe/mem.h"

#define PAGE_BYTES 4096

static struct mem mem_remote(void)
{
	return (struct mem){MEM_REMOTE, getpid(), NULL};
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* All of it, nothing before or behind a hole, and errno as it was. */
static void check_reads_from(struct mem remote)
{
	struct mem self = {.kind = MEM_SELF};
	uint64_t word = 0x1122334455667788, copy = 0, words[3] = {1, 2, 3}, got[3] = {0};
	uint64_t raddrs[3] = {(uintptr_t)&words[0], (uintptr_t)&words[2], 8};
	int n_fds = count_fds();
	size_t n_read = 99;
	char *pages;

	pages = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	assert_true(pages != MAP_FAILED);
	munmap(pages + PAGE_BYTES, PAGE_BYTES);
	errno = E2BIG;

	assert_int_equal(mem_read(&remote, (uintptr_t)&word, &copy, sizeof(copy)), 0);
	assert_true(copy == word);
	assert_int_equal(mem_read(&remote, 0, &copy, sizeof(copy)), -EFAULT);
	assert_int_equal(mem_read(&remote, UINT64_MAX - 7, &copy, sizeof(copy)), -EFAULT);
	assert_int_equal(mem_read(&remote, UINT64_C(1) << 60, &copy, sizeof(copy)), -EFAULT);
	assert_int_equal(mem_read(&remote, (uintptr_t)pages + PAGE_BYTES - 4, &copy, sizeof(copy)),
			 -EFAULT);
	assert_int_equal(mem_read(&self, 0, &copy, sizeof(copy)), -EFAULT);
	assert_int_equal(mem_read(&self, 4095, &copy, sizeof(copy)), -EFAULT);

	assert_int_equal(mem_read_words_remote(&remote, raddrs, got, 2, &n_read), 0);
	assert_int_equal(n_read, 2);
	assert_true(got[0] == 1 && got[1] == 3);
	assert_int_equal(mem_read_words_remote(&remote, raddrs, got, 3, &n_read), 0);
	assert_int_equal(n_read, 2);
	assert_int_equal(mem_read_words_remote(&remote, raddrs, got, 0, &n_read), 0);
	assert_int_equal(n_read, 0);
	assert_int_equal(errno, E2BIG);

	munmap(pages, PAGE_BYTES);
	assert_int_equal(count_fds(), n_fds);
}

static void check_reads(void)
{
	check_reads_from(mem_remote());
}

static int refuse_vm_readv(unsigned int action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}

static struct mem mem_through(struct mem_window *window)
{
	return (struct mem){MEM_REMOTE, getpid(), window};
}

static void test_window(void **state)
{
	int n_fds = count_fds();
	struct mem_window window;

	(void)state;
	assert_int_equal(mem_window_open(getpid(), &window), 0);
	check_reads_from(mem_through(&window));
	mem_window_close(&window);
	assert_int_equal(count_fds(), n_fds);
	/* One that is closed is none. */
	check_reads_from(mem_through(&window));
}

/* Whoever may open it by /proc could else cut it short between a write and the look at the mapping,
 * which would end the process by SIGBUS. */
static void test_window_is_not_cut(void **state)
{
	struct mem_window window;

	(void)state;
	assert_int_equal(mem_window_open(getpid(), &window), 0);
	assert_int_equal(ftruncate(window.fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(window.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	check_reads_from(mem_through(&window));
	mem_window_close(&window);
}

/* A fork child has the descriptor and not the mapping. */
static void test_window_of_a_parent(void **state)
{
	struct mem_window window;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(mem_window_open(getpid(), &window), 0);
	pid = fork();
	if (pid == 0) {
		check_reads_from(mem_through(&window));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	mem_window_close(&window);
}

/* A limit of file sizes that comes later ends the writes, not the reads. */
static void test_window_limit(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct rlimit limit = {1, 1};
		struct mem_window window;
		sigset_t all;

		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		assert_int_equal(mem_window_open(getpid(), &window), 0);
		setrlimit(RLIMIT_FSIZE, &limit);
		check_reads_from(mem_through(&window));
		mem_window_close(&window);
		assert_true(mem_window_open(getpid(), &window) < 0);
		check_reads_from(mem_through(&window));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The other way is not taken where this one does: a filter that ends who takes it proves it. */
static void test_window_alone(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		uint64_t word = 7, words[] = {1, 2, 3}, copy = 0, got[3];
		uint64_t raddrs[] = {(uintptr_t)&words[0], (uintptr_t)&words[1],
				     (uintptr_t)&words[2]};
		struct mem_window window;
		struct mem mem = mem_through(&window);
		size_t n_read = 0;

		assert_int_equal(mem_window_open(getpid(), &window), 0);
		if (refuse_vm_readv(SECCOMP_RET_KILL_PROCESS))
			_exit(77);
		assert_int_equal(mem_read(&mem, (uintptr_t)&word, &copy, sizeof(copy)), 0);
		assert_int_equal(mem_read_words_remote(&mem, raddrs, got, 3, &n_read), 0);
		_exit(copy == 7 && n_read == 3 && got[2] == 3 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void test_reads(void **state)
{
	(void)state;
	check_reads();
}

static void test_no_process(void **state)
{
	struct mem gone = {MEM_REMOTE, 0x3fffffff};
	uint64_t word;

	(void)state;
	assert_int_equal(mem_read(&gone, (uintptr_t)&word, &word, sizeof(word)), -ESRCH);
}

/* In a child each, since a filter stays; the same checks must hold through /proc/PID/mem. */
static void test_refused(void **state)
{
	static const unsigned int errors[] = {EPERM, ENOSYS};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			if (refuse_vm_readv(SECCOMP_RET_ERRNO | errors[i]))
				_exit(77);
			check_reads();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_is_not_cut),
		cmocka_unit_test(test_window_of_a_parent),
		cmocka_unit_test(test_window_limit),
		cmocka_unit_test(test_window_alone),
		cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
