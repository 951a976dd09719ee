/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound explain: what a kind of finding means
 *
 * What it is, a wrong and a right example, and how to get rid of it.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "kind.h"
#include "lost.h"
#include "rule.h"
#include "user-files.h"

static const char *const texts[_KIND_N] = {
	[KIND_BLOCKING_CALL] =
		"A call that waits in the kernel or on a lock held the loop: while it waits,\n"
		"no other task runs. Counted from --blocking-call (20ms). Many short ones in one\n"
		"callback that pass --slow-callback together count as one, at the largest. With\n"
		"--strict every call that can block counts, however fast it was.\n"
		"\n"
		"  wrong   async def f():\n"
		"              time.sleep(1)\n"
		"  right   async def f():\n"
		"              await asyncio.sleep(1)\n"
		"\n"
		"Use the asynchronous form of the call or library. Where there is none, move the\n"
		"call off the loop: await asyncio.to_thread(call, argument).\n",
	[KIND_SLOW_CALLBACK] =
		"One callback, or one step of a task, kept the loop on the CPU or in native code\n"
		"for --slow-callback (100ms) or longer. Time in calls that are reported by\n"
		"themselves does not count, nor does time when the process was not scheduled.\n"
		"\n"
		"  wrong   async def f():\n"
		"              return [work(x) for x in many]\n"
		"  right   async def f():\n"
		"              with ProcessPoolExecutor() as pool:\n"
		"                  return await loop.run_in_executor(pool, work_all, many)\n"
		"\n"
		"Or give the loop a turn now and then: await asyncio.sleep(0).\n",
	[KIND_LONG_TURN] =
		"One pass of the loop took --long-turn (100ms) or longer, though no single\n"
		"callback did: many short ones were ready at once, and whatever becomes ready\n"
		"meanwhile waits for all of them.\n"
		"\n"
		"  wrong   await asyncio.gather(*(handle(x) for x in ten_thousand))\n"
		"  right   limit = asyncio.Semaphore(100)   # and take it in handle()\n"
		"\n"
		"Start fewer at once, or make each one shorter.\n",
	[KIND_STUCK] =
		"A turn of --stuck (1s) or longer that never ended: a deadlock, an endless loop,\n"
		"or a process that was killed meanwhile. While it lasts it is provisional; when\n"
		"it ends after all it becomes one of the other kinds.\n"
		"\n"
		"  wrong   lock.acquire()        # held by a thread that waits for this loop\n"
		"  right   async with lock: ...  # an asyncio.Lock\n"
		"\n"
		"The stack is the one seen last.\n",
	[KIND_NEVER_AWAITED] =
		"A coroutine was made and dropped without having run: its work was not done.\n"
		"The site is the line that dropped it, the name is the coroutine's.\n"
		"\n"
		"  wrong   save(order)\n"
		"  right   await save(order)\n"
		"\n"
		"The line that made it is the origin: told from the start with --strict, else\n"
		"from the second time on. To run it beside: task =\n"
		"asyncio.create_task(save(order)), and keep the task.\n",
	[KIND_EXCEPTION_NEVER_RETRIEVED] =
		"A task or future failed, and was dropped without anybody's having looked at the\n"
		"exception: the failure is lost. The site is the line that raised it.\n"
		"\n"
		"  wrong   asyncio.create_task(send(mail))\n"
		"  right   task = asyncio.create_task(send(mail))\n"
		"          ...\n"
		"          await task\n"
		"\n"
		"Or look in a callback: task.add_done_callback(log_failure), where log_failure asks\n"
		"task.exception().\n",
	[KIND_TASK_DESTROYED_PENDING] =
		"A task was garbage collected before it had finished: the loop itself holds its\n"
		"tasks but weakly. The site is where it waited.\n"
		"\n"
		"  wrong   asyncio.create_task(send(mail))\n"
		"  right   task = asyncio.create_task(send(mail))\n"
		"          background.add(task)            # a set that lives on\n"
		"          task.add_done_callback(background.discard)\n"
		"\n"
		"Or make it in an asyncio.TaskGroup, which holds and awaits it.\n",
	[KIND_TASK_NEVER_FINISHED] =
		"The loop was closed, or the program ended, over a task that had not finished; or\n"
		"asyncio.run() cancelled one at its end that nothing else held any more. Its work\n"
		"was not done. With --strict also one that the program still held. The site is\n"
		"where it waited.\n"
		"\n"
		"  wrong   async def main():\n"
		"              asyncio.create_task(send(mail))\n"
		"  right   async def main():\n"
		"              task = asyncio.create_task(send(mail))\n"
		"              ...\n"
		"              await task\n"
		"\n"
		"A task that runs for ever: cancel it and await it before main() returns.\n",
	[KIND_UNREFERENCED_TASK] =
		"A suspended task is held by nothing but what it waits for: the collector may take\n"
		"it at any time. Looked for with --strict. The site is where it waits.\n"
		"\n"
		"  wrong   asyncio.create_task(send(mail))\n"
		"  right   task = asyncio.create_task(send(mail))\n"
		"          background.add(task)            # a set that lives on\n"
		"          task.add_done_callback(background.discard)\n"
		"\n"
		"A task that waits under asyncio.timeout() is held by it, and not seen.\n",
	[KIND_UNHANDLED_TIMEOUT] =
		"A TimeoutError that nobody caught ended a task, a thread or the program. The site\n"
		"is the innermost own line it came through.\n"
		"\n"
		"  wrong   reply = await asyncio.wait_for(ask(), 5)\n"
		"  right   try:\n"
		"              reply = await asyncio.wait_for(ask(), 5)\n"
		"          except TimeoutError:            # asyncio.TimeoutError until 3.10\n"
		"              reply = None\n"
		"\n"
		"An except further out, a framework's too, counts as handled.\n",
	[KIND_TASK_FLOOD] =
		"Thousands of tasks (--task-flood, 5000) were made at one line within one turn of\n"
		"the loop, or over many turns and live at once: each costs memory, and the loop a\n"
		"turn in which nothing else runs. Of those that live at once it says how many\n"
		"they were when they became too many.\n"
		"\n"
		"  wrong   await asyncio.gather(*(fetch(url) for url in ten_thousand))\n"
		"  right   async with asyncio.TaskGroup() as group:\n"
		"              for _ in range(20):\n"
		"                  group.create_task(worker(queue))\n"
		"\n"
		"A semaphore inside the task limits the work but not the tasks.\n",
	[KIND_NESTED_RUN] =
		"asyncio.run(), run_until_complete() or run_forever() was called while a loop runs\n"
		"in that thread: that raises RuntimeError.\n"
		"\n"
		"  wrong   async def f():\n"
		"              return asyncio.run(g())\n"
		"  right   async def f():\n"
		"              return await g()\n"
		"\n"
		"From another thread: asyncio.run_coroutine_threadsafe(g(), loop).result(). A loop\n"
		"that is patched to allow nesting is silent.\n",
	[KIND_TASKGROUP_MISUSE] =
		"A task was made in an asyncio.TaskGroup that is closed or was not entered, or the\n"
		"group was entered by with instead of async with.\n"
		"\n"
		"  wrong   async with asyncio.TaskGroup() as group:\n"
		"              pass\n"
		"          group.create_task(f())\n"
		"  right   async with asyncio.TaskGroup() as group:\n"
		"              group.create_task(f())\n"
		"\n"
		"The group is over at the end of its block: all its tasks have ended there.\n",
	[KIND_UNHANDLED_GROUP] =
		"The ExceptionGroup of a TaskGroup ended a task, a thread or the program: an except\n"
		"for the class of what failed does not take it. The site is the async with.\n"
		"\n"
		"  wrong   try:\n"
		"              async with asyncio.TaskGroup() as group: ...\n"
		"          except ValueError: ...\n"
		"  right   try:\n"
		"              async with asyncio.TaskGroup() as group: ...\n"
		"          except* ValueError: ...\n"
		"\n"
		"Or except ExceptionGroup as group:, and look at group.exceptions.\n",
	[KIND_RESULT_BEFORE_DONE] =
		"The result() or exception() of a task or future was asked for before it was\n"
		"done: that raises InvalidStateError and gives nothing.\n"
		"\n"
		"  wrong   async with asyncio.TaskGroup() as group:\n"
		"              task = group.create_task(fetch())\n"
		"              use(task.result())\n"
		"  right   async with asyncio.TaskGroup() as group:\n"
		"              task = group.create_task(fetch())\n"
		"          use(task.result())\n"
		"\n"
		"Or await the task where its result is needed.\n",
	[KIND_GATHER_SIBLING_LOST] =
		"asyncio.gather() raised the first failure. Another of its coroutines failed\n"
		"later, and nobody will hear of it. The site is where that one was raised. A\n"
		"task that you made yourself is never reported: you may still await it.\n"
		"\n"
		"  wrong   await asyncio.gather(charge(a), charge(b))\n"
		"  right   results = await asyncio.gather(charge(a), charge(b),\n"
		"                                         return_exceptions=True)\n"
		"          for result in results:\n"
		"              if isinstance(result, Exception): ...\n"
		"\n"
		"Or asyncio.TaskGroup (3.11): it raises them all, for except*.\n",
	[KIND_SWALLOWED_CANCELLATION] =
		"Your code cancelled a task, and the task ended with a result: something in it\n"
		"caught the CancelledError and did not raise it again, so that who waits for it,\n"
		"a timeout or a group, takes it for done. The site is the await at which it was\n"
		"caught, the origin is who cancelled. Not counted: a cancellation that a\n"
		"library, a timer or the task itself asked for, and one taken back by\n"
		"uncancel().\n"
		"\n"
		"  wrong   try:\n"
		"              await work()\n"
		"          except asyncio.CancelledError:\n"
		"              pass\n"
		"  right   except asyncio.CancelledError:\n"
		"              await clean_up()\n"
		"              raise\n"
		"\n"
		"A bare except and except BaseException catch it too.\n",
	[KIND_GATHER_EXCEPTIONS_IGNORED] =
		"With --strict: asyncio.gather(..., return_exceptions=True) returned failures in\n"
		"its list, and the list was thrown away, or given a name that is never read. A\n"
		"cancelled task is no failure. The site is the await.\n"
		"\n"
		"  wrong   await asyncio.gather(*jobs, return_exceptions=True)\n"
		"  right   results = await asyncio.gather(*jobs, return_exceptions=True)\n"
		"          for result in results:\n"
		"              if isinstance(result, Exception):\n"
		"                  log.error(\"a job failed\", exc_info=result)\n"
		"\n"
		"Whether a list that is read is looked at well cannot be seen.\n",
	[KIND_SWALLOWED_EXCEPTION] =
		"With --strict, on Python 3.12 and later: in a coroutine of yours a bare except,\n"
		"except Exception or except BaseException took an exception and did nothing\n"
		"with it. The site is the except clause, the name is the exception's class.\n"
		"\n"
		"  wrong   try:\n"
		"              await save(order)\n"
		"          except Exception:\n"
		"              pass\n"
		"  right   except ConnectionError:\n"
		"              log.exception(\"order %s\", order)\n"
		"              raise\n"
		"\n"
		"Where it does not matter: contextlib.suppress(ConnectionError) says which.\n",
	[KIND_UNCLOSED_RESOURCE] =
		"A session, connection, socket or loop was dropped while it was open, or was\n"
		"still open when its loop closed. The site is the line that opened the\n"
		"connection, or where that is not known the one that dropped it; the stack is\n"
		"where it was dropped. A connection counts once, and one that was accepted only\n"
		"when it is dropped. Warning filters make no difference. With --strict files and\n"
		"async generators count too: a generator that async for leaves in the middle is\n"
		"blamed on the line that began to iterate it.\n"
		"\n"
		"  wrong   reader, writer = await asyncio.open_connection(host, port)\n"
		"          return await reader.read()\n"
		"  right   try:\n"
		"              return await reader.read()\n"
		"          finally:\n"
		"              writer.close()\n"
		"\n"
		"Sessions have async with: async with aiohttp.ClientSession() as session. So has\n"
		"a generator: async with contextlib.aclosing(rows()) as each (3.10).\n",
	[KIND_IGNORED_CANCELLATION] =
		"Your code cancelled a task, and --cancel-grace (10s) after the cancellation\n"
		"reached it, it still runs. The site is where it is then, the origin is who\n"
		"cancelled. When it ends later it is not also swallowed-cancellation.\n"
		"\n"
		"  wrong   while True:\n"
		"              try:\n"
		"                  await step()\n"
		"              except BaseException:\n"
		"                  log()\n"
		"  right       except Exception:\n"
		"                  log()\n"
		"\n"
		"A clean-up that takes longer on purpose: raise --cancel-grace.\n",
};

/* Return: NULL for a kind that is not detected yet. */
const char *explain_kind(enum finding_kind kind)
{
	return texts[kind];
}

static void list_kinds(bool is_detected)
{
	for (unsigned int i = 0; i < _KIND_N; i++)
		if (kind_is_detected((enum finding_kind)i) == is_detected)
			printf("  %s\n", kind_name((enum finding_kind)i));
}

static bool is_part_of_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Whether the text has the word, as a whole one, in any case. */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strcasestr(text, word); p; p = strcasestr(p + 1, word))
		if ((p == text || !is_part_of_name(p[-1])) && !is_part_of_name(p[n]))
			return true;
	return false;
}

static bool rule_names(const struct rule *rule, const char *word)
{
	/* A pattern that takes nearly everything names nothing. */
	bool is_wide = rule->pattern[0] == '*' && rule->where == RULE_CALL;

	return (!is_wide && !fnmatch(rule->pattern, word, 0)) || has_word(rule->pattern, word) ||
	       has_word(rule->text, word);
}

/* What is advised for a library, a call or a target. Return: whether there is something. */
static bool explain_rules(const char *word)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < rules_count(); i++) {
		const struct rule *rule = rules_at(i);

		if (!rule_names(rule, word))
			continue;
		if (!n++)
			printf("Advice where a finding names %s:\n\n", word);
		printf("  %-7s %s\n          %s\n", rule_where_name(rule->where), rule->pattern,
		       rule->text);
	}
	return n;
}

/* What stands under "not seen" in a report. */
static bool explain_loss(const char *word)
{
	for (unsigned int i = 0; i < _LOST_N; i++)
		if (!strcmp(word, lost_name((enum lost)i))) {
			printf("%s (not seen): %s.\n", word, lost_text((enum lost)i));
			return true;
		}
	return false;
}

static void help(void)
{
	puts("Usage: loophound explain KIND | WORD\n\nKinds of finding:");
	list_kinds(true);
	if (kinds_detected() != KIND_MASK_ALL)
		puts("\nNot detected by this version yet:");
	list_kinds(false);
	printf("\nA WORD is a library, a call or a target: loophound explain requests\n"
	       "prints which of the %u rules of advice name it.\n",
	       rules_count());
}

int cmd_explain(int argc, char **argv)
{
	const char *nearest;
	enum finding_kind kind;

	user_advice_load();
	if (argc < 2 || !strcmp(argv[1], "--help")) {
		help();
		return CLI_EXIT_OK;
	}
	if (argc > 2 || !*argv[1])
		cli_usage("explain: one kind of finding or one word; loophound explain lists the "
			  "kinds");
	if (kind_parse(argv[1], strlen(argv[1]), &kind)) {
		if (explain_loss(argv[1]) || explain_rules(argv[1]))
			return CLI_EXIT_OK;
		nearest = kind_nearest(argv[1], strlen(argv[1]));
		cli_usage("explain: '%s' is no kind of finding, and no rule of advice names it; "
			  "%s%s%s",
			  argv[1], nearest ? "is " : "loophound explain lists the kinds",
			  nearest ? nearest : "", nearest ? " meant?" : "");
	}
	printf("%s (%s)\n\n", kind_name(kind), severity_name(kind_severity(kind)));
	fputs(texts[kind] ? texts[kind] : "This kind is not detected by this version yet.\n",
	      stdout);
	return CLI_EXIT_OK;
}
