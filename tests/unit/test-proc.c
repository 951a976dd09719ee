/* SPDX-License-Identifier: Apache-2.0 */
/* Proc: a process that has become another program is told from what it was */
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"

static void test_image_is_of_one_exec(void **state)
{
	struct proc_image own, before, after;
	int begun[2], done[2];
	pid_t pid;
	char byte;

	(void)state;
	assert_int_equal(pipe(begun), 0);
	assert_int_equal(pipe(done), 0);
	pid = fork();
	if (!pid) {
		dup2(begun[0], STDIN_FILENO);
		dup2(done[1], STDOUT_FILENO);
		if (read(STDIN_FILENO, &byte, 1) == 1)
			execlp("cat", "cat", NULL);
		_exit(1);
	}
	assert_true(proc_image(getpid(), &own));
	assert_true(proc_image(pid, &before));
	assert_memory_equal(&before, &own, sizeof(own));
	assert_int_equal(write(begun[1], "ab", 2), 2);
	/* What it reads next it writes: then it is cat. */
	assert_int_equal(read(done[0], &byte, 1), 1);
	assert_int_equal(byte, 'b');
	assert_true(proc_image(pid, &after));
	assert_memory_not_equal(&after, &own, sizeof(own));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_false(proc_image(pid, &after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image_is_of_one_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
