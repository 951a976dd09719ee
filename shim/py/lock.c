/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock: which thread has a lock of Python's
 *
 * A threading.Lock does not know who has taken it: before 3.14 it is a semaphore, from then on a
 * byte. An RLock knows the owner by pthread_self() alone. So whoever takes one by a method of its
 * class is written down here, and a loop's thread that has to wait looks there. Condition, Event,
 * Queue and Future.result() are made of these two. While a lock is taken, the last to have taken it
 * has it: what gives it back, or who, need not be seen.
 *
 * Not known, and then nothing is said: who took a lock before asyncio was imported, or by C code
 * that goes round the methods; and who is going to release a lock that the waiting thread has taken
 * itself, as Condition.wait() does to be woken by it. Locks of other processes (multiprocessing)
 * are of another class.
 *
 * A taker is one word, so that it is always whole: part of the lock's address and the thread's id;
 * the rest of the address is its line in the table. Any thread writes, with the GIL held. A fork
 * child finds the table empty, and so the epoch by which a thread knows that the id it remembers is
 * its own.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/defs.h"
#include "loop.h"
#include "py/lock.h"
#include "py/method.h"

/*
 * Room for the locks that a program takes now and then: one that it takes for the first time puts
 * the oldest of its line out. Powers of two, a line of the table is one of the cache.
 */
#define N_LINES	  512
#define N_IN_LINE 8
/* Linux: pid_max is 2^22 at most. */
#define TID_BITS 22

struct takers {
	_Atomic uint32_t epoch; /* 0: this process is new */
	uint8_t next[N_LINES];	/* of each line: what is put out next */
	_Alignas(64) _Atomic uint64_t of[N_LINES][N_IN_LINE];
};

static struct takers *takers;
static _Atomic uint32_t n_epochs;
static __thread uint32_t thread_epoch;
static __thread int thread_tid;
_hidden_ __thread PyObject *thread_lock;

static _cold_ void tid_learn(void)
{
	uint32_t epoch = atomic_load_explicit(&takers->epoch, memory_order_relaxed);

	if (!epoch) {
		epoch = atomic_fetch_add_explicit(&n_epochs, 1, memory_order_relaxed) + 1;
		atomic_store_explicit(&takers->epoch, epoch, memory_order_relaxed);
	}
	thread_tid = (int)syscall(SYS_gettid);
	thread_epoch = epoch;
}

static _Atomic uint64_t *line_of(const PyObject *lock)
{
	return takers->of[(uintptr_t)lock / 16 % N_LINES];
}

static uint64_t taker_word(const PyObject *lock, int tid)
{
	return (uint64_t)(uintptr_t)lock / 16 / N_LINES << TID_BITS | (uint32_t)tid;
}

/* Return: where in its line a lock is; the end of it when it is not there. */
static unsigned int taker_find(const _Atomic uint64_t *line, const PyObject *lock)
{
	uint64_t wanted = taker_word(lock, 0) >> TID_BITS;
	unsigned int i = 0;

	while (i < N_IN_LINE &&
	       atomic_load_explicit(&line[i], memory_order_relaxed) >> TID_BITS != wanted)
		i++;
	return i;
}

static void taker_note(const PyObject *lock)
{
	uint32_t epoch = atomic_load_explicit(&takers->epoch, memory_order_relaxed);
	_Atomic uint64_t *line = line_of(lock);
	unsigned int i = taker_find(line, lock);

	if (unlikely(!epoch || epoch != thread_epoch))
		tid_learn();
	if (unlikely(i == N_IN_LINE))
		i = takers->next[(uintptr_t)lock / 16 % N_LINES]++ % N_IN_LINE;
	atomic_store_explicit(&line[i], taker_word(lock, thread_tid), memory_order_relaxed);
}

/* Return: the thread that has the lock; 0 when it is not known, or is the calling one. */
_hidden_ _cold_ int lock_holder(const PyObject *lock)
{
	const _Atomic uint64_t *line;
	uint64_t word;
	unsigned int i;
	int tid;

	line = line_of(lock);
	i = taker_find(line, lock);
	if (i == N_IN_LINE)
		return 0;
	word = atomic_load_explicit(&line[i], memory_order_relaxed);
	tid = (int)(word & ((1 << TID_BITS) - 1));
	if (word != taker_word(lock, tid) || tid == (int)syscall(SYS_gettid))
		return 0;
	return syscall(SYS_tgkill, getpid(), tid, 0) ? 0 : tid;
}

/* A method that takes a lock: it gives False when it did not, NULL with an exception. */
static inline PyObject *lock_take(method_any_fn before, PyObject *self, void *a, void *b, void *c,
				  void *d)
{
	PyObject *outer = thread_lock, *taken;

	/* Another of these may run within it, in a signal handler. */
	if (unlikely(thread_loop))
		thread_lock = self;
	taken = before(self, a, b, c, d);
	thread_lock = outer;
	if (likely(taken) && taken != py._Py_FalseStruct)
		taker_note(self);
	return taken;
}

/* One for each method, since each has to know which function it stands in front of. */
#define TAKES(F)                                         \
	F(lock_acquire, "LockType", "acquire")           \
	F(lock_acquire_lock, "LockType", "acquire_lock") \
	F(lock_enter, "LockType", "__enter__")           \
	F(rlock_acquire, "RLock", "acquire")             \
	F(rlock_restore, "RLock", "_acquire_restore")    \
	F(rlock_enter, "RLock", "__enter__")

#define TAKE_METHOD(noun, class, name)                                                 \
	static method_any_fn noun##_before;                                            \
	static PyObject *on_##noun(PyObject *self, void *a, void *b, void *c, void *d) \
	{                                                                              \
		return lock_take(noun##_before, self, a, b, c, d);                     \
	}
TAKES(TAKE_METHOD)
#undef TAKE_METHOD

static bool take_replace(PyObject *module, const char *class_name, const char *name,
			 method_any_fn function, method_any_fn *ret_before)
{
	PyObject *class = py.PyObject_GetAttrString(module, class_name);
	struct method_def *method;
	bool is_done;

	if (!class) {
		py.PyErr_Clear();
		return false;
	}
	method = method_find(class, name);
	is_done = method && py_patch_method(method, (void *)function, (void **)ret_before);
	py.Py_DecRef(class);
	return is_done;
}

static bool takers_open(void)
{
	void *base;

	if (takers)
		return true;
	base = mmap(NULL, sizeof(*takers), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);

	if (base == MAP_FAILED)
		return false;
	if (madvise(base, sizeof(*takers), MADV_WIPEONFORK)) {
		munmap(base, sizeof(*takers));
		return false;
	}
	takers = base;
	return true;
}

/* Needs the GIL, no exception set. */
_hidden_ void lock_install(void)
{
	PyObject *module = py_module("_thread");
	bool is_done = module && takers_open();

	if (!is_done) {
		watch_lost(LOSS_HOOK_REFUSED);
		return;
	}
#define TAKE_REPLACE(noun, class, name) \
	is_done &= take_replace(module, class, name, on_##noun, &noun##_before);
	TAKES(TAKE_REPLACE)
#undef TAKE_REPLACE
	if (!is_done)
		watch_lost(LOSS_HOOK_REFUSED);
}
