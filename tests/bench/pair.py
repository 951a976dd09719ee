# SPDX-License-Identifier: Apache-2.0
"""Pair: the same work in several modes, by turns, and the ratio of each mode to none.

Each mode has a process of its own, all alive together; a block of the work in the one is followed by
a block in the next, so that whatever disturbs the machine disturbs them alike. That is a round; its
ratio is the median over its cycles. How a process happens to lie in memory makes it a percent faster
or slower for its whole life, so the processes are made anew for each round, and the spread is that
over rounds. One mode is `control`, which is the unwatched program once more: what it differs from
itself is what this machine cannot tell.

The measured processes stay on the last core; whatever serves them (the daemon) is kept off it.
"""
import os
import statistics
import subprocess

from lib import paths, watch

from stats import Spread

WORK = os.path.join(os.path.dirname(os.path.realpath(__file__)), "work.py")
LIBRARY = os.path.join(paths.BUILD, "tests", "bench", "libbench-calls.so")

# Options of `loophound run`; None: not under it. And the mode that work.py is told.
MODES = {
    "unwatched": (None, "plain"),
    "control": (None, "plain"),
    "thread": (None, "thread"),
    "preloaded": ((), "plain"),
    "preloaded-thread": ((), "thread"),
    "strict": (("--strict",), "plain"),
    "native": (("--native",), "plain"),
    # Its programs see every process of the host while it runs, the unwatched ones too.
    "bpf": (("--bpf", "on"), "plain"),
    "debug": (None, "debug"),
    "patch": (None, "patch"),
    "profile": (None, "profile"),
}


def cores():
    return sorted(os.sched_getaffinity(0))


def modes_there_are(wanted):
    """Of these modes, those that this build of the command can do, and we may."""
    text = watch.run([paths.LOOPHOUND, "run", "--help"]).stdout.decode()
    return [
        mode for mode in wanted
        if all(option in text for option in MODES[mode][0] or ())
        and (mode != "bpf" or os.geteuid() == 0)
    ]


def stay_on(these):
    return lambda: os.sched_setaffinity(0, these)


class Worker:
    """A process that does a block of work when it is told to."""

    def __init__(self, argv, work, loop, mode):
        options, inside = MODES[mode]
        every = cores()
        command = [*argv, WORK, work, loop, inside, str(every[-1]), LIBRARY]
        if options is not None:
            command = [
                paths.LOOPHOUND, "run", "--quiet", *options, "--",
                *command,
            ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            # Both find their own work slow now and then, and say so.
            stderr=subprocess.DEVNULL if mode in ("debug", "patch") else None, bufsize=0,
            env=watch.clean_env(), preexec_fn=stay_on(every[:-1] or every),
        )

    def block(self):
        """ns per operation."""
        self.process.stdin.write(b"\n")
        line = self.process.stdout.readline()
        assert line, f"{self.process.args} has ended"
        return float(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(30) == 0, f"{self.process.args}: {self.process.returncode}"


def one_round(argv, work, loop, modes, cycles):
    """{mode: [ns per operation of each cycle]}"""
    workers = {mode: Worker(argv, work, loop, mode) for mode in modes}
    try:
        # Warm: imports, caches, the specialised bytecode of 3.11, the watch and its thread.
        for _ in range(2):
            for worker in workers.values():
                worker.block()
        spans = {mode: [] for mode in modes}
        order = list(modes)
        for _ in range(cycles):
            for mode in order:
                spans[mode].append(workers[mode].block())
            # Who comes after whom is not always the same.
            order.append(order.pop(0))
        return spans
    finally:
        for worker in workers.values():
            worker.close()


class Comparison:
    """Of one work: the ns of each mode, its ratio to unwatched, and its difference in ns."""

    def __init__(self, argv, work, loop, modes):
        self.what = (argv, work, loop, ["unwatched", "control", *modes])
        self.rounds = []

    def add_rounds(self, n, cycles=12):
        self.rounds += [one_round(*self.what, cycles) for _ in range(n)]

    def _medians(self, mode, base, compare):
        return [
            statistics.median(map(compare, spans[mode], spans[base])) for spans in self.rounds
        ]

    def ns(self, mode):
        return statistics.median(self._medians(mode, mode, lambda a, _: a))

    def ratio(self, mode, base="unwatched"):
        return Spread(self._medians(mode, base, lambda a, b: a / b))

    def more_ns(self, mode, base="unwatched"):
        return Spread(self._medians(mode, base, lambda a, b: a - b))
