/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict: calls that could have waited
 *
 * Such calls are not rare: a program that reads a file line by line makes 100,000 of them. So they
 * are counted here by site, which is the call and the whole Python stack above it, each frame by
 * code object and instruction; and told of as one record for all of a site, at most every
 * FLUSH_NS, at the end of a turn or when there is no room for another site. The names are found
 * when a site is first met. A site lives until it is told of: a code object that has been freed may
 * come again as another one. A call from the very frames that a site was last found by is known by
 * comparing these (pyframe/spot.c), without a walk.
 *
 * The task of a site is that of its first call: where many come through, one of them.
 *
 * The count is exact, and so are the sum and, by a record of its own, the longest. What a process
 * that is killed had not yet told of is lost: FLUSH_NS at the most, while its loop runs.
 *
 * Each loop has a table of its own and its thread alone touches it, so there is no lock. The memory
 * is reserved when the watch opens, in strict mode only, and costs what is used of it. A child made
 * behind libc's back finds it empty.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "emit.h"
#include "exempt.h"
#include "pyframe/spot.h"
#include "py/gil.h"
#include "room.h"
#include "py/callback.h"
#include "strict.h"
#include "target.h"
#include "task.h"

#define FLUSH_NS (100 * NSEC_PER_MSEC)
/* More sites than this within FLUSH_NS are told of early. */
#define STRICT_N_SITES	  128
#define STRICT_MAX_PROBES 16
/* Call sites that a loop goes through and that need no walk each time; a power of two. */
#define STRICT_N_RECENT 64
/* Linux: of /dev/null, /dev/zero and their like, which never wait. */
#define MEMORY_MAJOR 1

_Static_assert(STRICT_N_SITES <= UINT8_MAX + 1, "recent has a byte for each");

struct strict_site {
	uint64_t key; /* 0: free */
	bool is_exempt;
	struct counted_calls calls;
	struct spot spot; /* the frames it was last found by */
	struct stack_buf stack;
	struct task_note task; /* of the first call */
};

struct strict {
	uint64_t flushed_at; /* ticks */
	struct pyframe_stack walk;
	uint8_t recent[STRICT_N_RECENT]; /* by the innermost frame: the site found there last */
	struct strict_site sites[STRICT_N_SITES];
};

static struct strict *tables; /* one for each slot; NULL: not strict */

_hidden_ bool strict_open(void)
{
	size_t size_bytes = REGION_N_SLOTS * sizeof(*tables);
	void *base;

	if (!watch.options.is_strict || tables)
		return true;
	base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return false;
	madvise(base, size_bytes, MADV_WIPEONFORK);
	tables = base;
	return true;
}

/* In a fork child: what was counted is the parent's to tell. */
_hidden_ void strict_forget(void)
{
	if (tables)
		madvise(tables, REGION_N_SLOTS * sizeof(*tables), MADV_DONTNEED);
}

/*
 * Whether what was asked after is a file, and not one that the loop itself has opened: Python's
 * open() asks, and so does a read() of all of it, which are calls by themselves.
 */
static bool is_old_file(const struct call_about *about)
{
	const struct stat *found = about->what;

	if (fd_state_is_opened(about->fd))
		return false;
	return S_ISREG(found->st_mode) || S_ISDIR(found->st_mode) || S_ISBLK(found->st_mode);
}

/*
 * Whether a call could have waited. stdout and stderr are where a program speaks; what it writes
 * there counts when it did wait. Changes errno.
 */
_hidden_ bool strict_wants(const struct call_about *about, int error)
{
	if (about->subject == SUBJECT_PATH && about->more)
		fd_state_opened((int)about->more - 1);
	switch (about->nature) {
	case CALL_QUICK:
		return false;
	case CALL_WAITS:
		break;
	case CALL_ASKS:
		if (error || !is_old_file(about))
			return false;
		break;
	case CALL_WRITE:
		if (about->fd == STDOUT_FILENO || about->fd == STDERR_FILENO)
			return false;
		/* fallthrough */
	case CALL_BY_FD:
		if (error == EBADF || !fd_state_ask(about->fd))
			return false;
		break;
	}
	return !callback_is_framework(about->caller);
}

static bool is_recursion(const struct pyframe_stack *walk, uint32_t i)
{
	return i && walk->frames[i].code_raddr == walk->frames[i - 1].code_raddr &&
	       walk->frames[i].lasti == walk->frames[i - 1].lasti;
}

/* Where a line of the program's writes to now here and now there, each is a site of its own. */
static uint64_t call_key(const struct call_about *about)
{
	uint64_t fd = about->nature == CALL_WRITE ? (uint64_t)(unsigned int)about->fd + 1 : 0;

	return ((uint64_t)about->hook ^ fd << 32) + UINT64_C(0x9e3779b97f4a7c15);
}

/* However deep a function has called itself at one place, it is one site. */
static uint64_t stack_key(const struct call_about *about, const struct pyframe_stack *walk)
{
	uint64_t key = call_key(about);

	for (uint32_t i = 0; i < walk->n_frames; i++) {
		if (is_recursion(walk, i))
			continue;
		key = (key ^ walk->frames[i].code_raddr) * UINT64_C(0xff51afd7ed558ccd);
		key = (key ^ key >> 32 ^ walk->frames[i].lasti) * UINT64_C(0xc4ceb9fe1a85ec53);
		key ^= key >> 29;
	}
	return key ? key : 1;
}

static struct strict_site *site_at(struct strict *table, uint64_t key)
{
	for (unsigned int i = 0; i < STRICT_MAX_PROBES; i++) {
		struct strict_site *site = &table->sites[(key + i) % STRICT_N_SITES];

		if (site->key == key || !site->key)
			return site;
	}
	return NULL;
}

static uint8_t *recent_of(struct strict *table, const struct call_about *about,
			  const struct loop *loop)
{
	uint64_t key = (spot_head(&watch.pyframe, loop->tstate_raddr) + call_key(about)) *
		       UINT64_C(0x9e3779b97f4a7c15);

	return &table->recent[key >> 32 & (STRICT_N_RECENT - 1)];
}

/* The site of the same call made from the same frames, if it was found last by them. */
static struct strict_site *site_again(struct strict *table, const struct call_about *about,
				      const struct loop *loop)
{
	struct strict_site *site = &table->sites[*recent_of(table, about, loop)];

	if (!site->key || site->calls.hook != about->hook ||
	    (about->nature == CALL_WRITE && site->calls.fd != about->fd) ||
	    !spot_is_same(&watch.pyframe, loop->tstate_raddr, &site->spot))
		return NULL;
	return site;
}

static bool is_same_file(const struct stat *one, int fd)
{
	struct stat other;

	return !REAL(fstat)(fd, &other) && other.st_dev == one->st_dev &&
	       other.st_ino == one->st_ino;
}

/*
 * Whether a write is what the program says, by another way than its stdout and stderr: pytest has
 * files in their place, and leads both the descriptors and sys.stdout there.
 */
static bool is_said(const struct call_about *about)
{
	struct stat file;

	if (about->nature != CALL_WRITE || REAL(fstat)(about->fd, &file))
		return false;
	return (S_ISCHR(file.st_mode) && major(file.st_rdev) == MEMORY_MAJOR) ||
	       is_same_file(&file, STDOUT_FILENO) || is_same_file(&file, STDERR_FILENO);
}

static void site_begin(struct strict_site *site, uint64_t key, const struct loop *loop,
		       const struct call_about *about)
{
	const struct strict *table = &tables[loop->slot_index];

	emit_stack_names(&watch.self, &table->walk, &site->stack);
	site->is_exempt =
		is_said(about) || exempt_is_import(&site->stack) || exempt_is_strict(&site->stack);
	site->calls = (struct counted_calls){
		.hook = about->hook,
		.fd = about->fd,
		.target_str = site->is_exempt ? ARENA_NONE : target_of(about),
		.gil_flags = gil_record_flags(),
		.start = loop->call_start,
		.turn_seq = emit_turn_seq(loop),
		.callback_seq = emit_running_seq(loop),
	};
	site->task.is_known = false;
	if (!site->is_exempt)
		task_note_take(loop, &watch.self, &table->walk, &site->task);
	site->key = key;
}

/* Return: the site of the call by the whole stack; NULL where that is not to be had. */
static struct strict_site *site_find(struct strict *table, struct loop *loop,
				     const struct call_about *about)
{
	struct strict_site *site;
	uint64_t key;

	if (pyframe_walk(&watch.pyframe, &watch.self, loop->tstate_raddr, &table->walk))
		return NULL;
	key = stack_key(about, &table->walk);
	site = site_at(table, key);
	if ((!site || !site->key) && !room_is_enough())
		return NULL;
	if (!site) {
		strict_flush(loop);
		site = site_at(table, key);
	}
	if (!site->key)
		site_begin(site, key, loop, about);
	spot_take(&watch.pyframe, loop->tstate_raddr, &site->spot);
	*recent_of(table, about, loop) = (uint8_t)(site - table->sites);
	return site;
}

/*
 * Count a call that could have waited and ended at now. error is its errno, or 0.
 *
 * Return: false when it is exempt, or its stack cannot be read or is nearly used up.
 */
_hidden_ bool strict_count(struct loop *loop, const struct call_about *about, uint64_t now,
			   int error)
{
	struct strict *table = &tables[loop->slot_index];
	uint64_t span = now - loop->call_start;
	struct strict_site *site;

	if (!tables || !watch.is_frames_ok || !gil_owns_tstate(loop->tstate_raddr))
		return false;
	site = site_again(table, about, loop);
	if (unlikely(!site))
		site = site_find(table, loop, about);
	if (!site || site->is_exempt)
		return false;
	site->calls.n++;
	site->calls.sum += span;
	site->calls.max = MAX(site->calls.max, span);
	site->calls.error = error;
	loop->has_strict = true;
	return true;
}

static void site_tell(const struct loop *loop, const struct strict_site *site)
{
	const struct counted_calls *calls = &site->calls;

	task_note_emit(loop, calls->turn_seq, calls->callback_seq, &site->task, &site->stack);
	emit_counted_calls(loop, calls, &site->stack);
}

/* Tell of all that was counted, and begin anew. */
_hidden_ void strict_flush(struct loop *loop)
{
	struct strict *table = &tables[loop->slot_index];
	bool was_in_call = loop->is_in_call;
	int saved_errno = errno;

	loop->has_strict = false;
	if (!tables)
		return;
	/* A signal handler's calls must not be counted into what is being told of. */
	loop->call_frame = LOOP_OUR_FRAME;
	loop->is_in_call = true;
	for (unsigned int i = 0; i < STRICT_N_SITES; i++) {
		struct strict_site *site = &table->sites[i];

		if (site->key && site->calls.n)
			site_tell(loop, site);
		site->key = 0;
	}
	table->flushed_at = clock_ticks(watch.clock_kind);
	loop->is_in_call = was_in_call;
	errno = saved_errno;
}

_hidden_ _cold_ void strict_turn_ended(struct loop *loop, uint64_t now)
{
	if (now - tables[loop->slot_index].flushed_at >= clock_span_ticks(&watch.scale, FLUSH_NS))
		strict_flush(loop);
}
