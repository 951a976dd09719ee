# SPDX-License-Identifier: Apache-2.0
"""HTTP load: what a request costs a server in CPU time, and the 99th percentile of its latency.

As in pair.py the server runs in each mode at once, all on one core, and wrk on the other asks one
after the other; only the one that is asked works. A round has servers of its own. The CPU time is
that of all the server's threads, as the scheduler counts it, so what else runs on the machine has no
part in it; in the latency it has.
"""
import os
import re
import signal
import statistics
import subprocess

import pair
from lib import load, paths, pythons, watch
from stats import Spread

SERVER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "http_server.py")
KINDS = ["aiohttp", "uvicorn-asyncio", "uvicorn-uvloop"]
MODES = ["unwatched", "control", "preloaded"]
SECONDS, CYCLES, CONNECTIONS = 1, 2, 16
# Which of the two figures of ask().
CPU, LATENCY = 0, 1
UNIT_US = {"us": 1, "ms": 1e3, "s": 1e6}


def ask(server):
    """(µs of CPU time a request, p99 latency in µs)"""
    port, before_ns = server.port, server.cpu_ns()
    every = pair.cores()
    text = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency",
         f"http://127.0.0.1:{port}/"],
        stdout=subprocess.PIPE, check=True, text=True, preexec_fn=pair.stay_on(every[:1]),
    ).stdout
    n = int(re.search(r"(\d+) requests in", text)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    assert "Non-2xx" not in text, text
    return (server.cpu_ns() - before_ns) / n / 1e3, float(value) * UNIT_US[unit]


def _cmdline(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        return file.read()


class Server:
    def __init__(self, kind, mode):
        self.port = load.free_port()
        command = [*pythons.debian().argv, SERVER, kind, str(self.port), str(pair.cores()[-1])]
        options = pair.MODES[mode][0]
        self.is_watched = options is not None
        if options is not None:
            command = [paths.LOOPHOUND, "run", "--quiet", *options, "--", *command]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=watch.clean_env(), process_group=0,
        )

    def await_ready(self):
        load.wait_for(lambda: load.answers(self.port), 30, "the server answers")
        # `loophound run` has the server for a child.
        self.pid = self.process.pid
        if self.is_watched:
            with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
                (self.pid,) = [
                    pid for pid in map(int, file.read().split())
                    if _cmdline(pid).startswith(pythons.debian().argv[0])
                ]

    def cpu_ns(self):
        total = 0
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{tid}/schedstat") as file:
                total += int(file.read().split()[0])
        return total

    def close(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)


def one_round(kind, modes):
    servers = {mode: Server(kind, mode) for mode in modes}
    try:
        for server in servers.values():
            server.await_ready()
            ask(server)
        order, asked = list(modes), {mode: [] for mode in modes}
        for _ in range(CYCLES):
            for mode in order:
                asked[mode].append(ask(servers[mode]))
            order.append(order.pop(0))
        return asked
    finally:
        for server in servers.values():
            server.close()


def ratios(rounds, mode, which):
    return Spread([
        statistics.median(
            mine[which] / bare[which] for mine, bare in zip(asked[mode], asked["unwatched"]))
        for asked in rounds
    ])


def compare(kind, n_rounds, modes=MODES):
    return [one_round(kind, modes) for _ in range(n_rounds)]


def table(n_rounds, line):
    line("server", "CPU µs a request", "time control", "time preloaded", "p99 control",
         "p99 preloaded")
    line(*["---"] * 6)
    for kind in KINDS:
        rounds = compare(kind, n_rounds)
        bare_us = statistics.median(
            each[0] for asked in rounds for each in asked["unwatched"])
        line(kind, f"{bare_us:.0f}", *[
            ratios(rounds, mode, which).text(3)
            for which in (CPU, LATENCY) for mode in ("control", "preloaded")
        ])
