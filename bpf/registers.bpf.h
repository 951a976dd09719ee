/* SPDX-License-Identifier: Apache-2.0 */
/* Registers: the system call a thread is in, and its thread pointer; one machine after another */
#pragma once

#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

struct call_regs {
	__s32 syscall; /* -1: in none */
	__u32 state;   /* of its thread; 0: it runs, or could */
	__u64 args[3];
	__u64 sp;
};

/* arch/x86/entry/syscalls/syscall_64.tbl */
#define SYSCALL_EXECVE	     59
#define SYSCALL_EXECVEAT     322
#define SYSCALL_FUTEX	     202
#define SYSCALL_EPOLL_WAIT   232
#define SYSCALL_EPOLL_PWAIT  281
#define SYSCALL_EPOLL_PWAIT2 441

/* The registers it came into the kernel with. An interrupt or a fault leaves -1 for a number. */
static __always_inline void call_registers(struct task_struct *task, struct call_regs *ret_regs)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	ret_regs->syscall = -1;
	if (!regs)
		return;
	ret_regs->syscall = (__s32)regs->orig_ax;
	ret_regs->args[0] = regs->di;
	ret_regs->args[1] = regs->si;
	ret_regs->args[2] = regs->dx;
	ret_regs->sp = regs->sp;
}

/* A futex inside _PyRuntime, of which the bounds are given. */
static __always_inline bool is_gil(const struct call_regs *regs, __u64 begin_raddr, __u64 end_raddr)
{
	return regs->syscall == SYSCALL_FUTEX && regs->args[0] >= begin_raddr &&
	       regs->args[0] < end_raddr;
}

/* What pthread_self() is: the C library's own block begins there. */
static __always_inline __u64 thread_pointer(struct task_struct *task)
{
	return task->thread.fsbase;
}
