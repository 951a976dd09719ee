# SPDX-License-Identifier: Apache-2.0
"""Gevent used right: patched, with a server and its clients, time limits, threads and children."""
from gevent import monkey

monkey.patch_all()

import socket  # noqa: E402
import subprocess  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
from gevent import event, pool, queue, server  # noqa: E402


def answers(connection, address):
    with connection:
        while content := connection.recv(100):
            connection.sendall(content)


def talks(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for number in range(101):
            connection.sendall(b"%03d" % number)
            assert connection.recv(100)


def serves():
    listener = server.StreamServer(("127.0.0.1", 0), answers)
    listener.start()
    gevent.joinall([gevent.spawn(talks, listener.server_port) for _ in range(11)])
    listener.stop()


def times_out():
    with gevent.Timeout(0.01, False):
        gevent.sleep(60)
    try:
        with gevent.Timeout(0.01):
            event.Event().wait()
    except gevent.Timeout:
        pass


def in_threads():
    """Those that gevent has made of threads, and one that is really one."""
    threads = [threading.Thread(target=time.sleep, args=(0.15,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spare = gevent.get_hub().threadpool
    assert spare.apply(sum, ([3, 4],)) == 7


def in_a_child():
    assert subprocess.run(["sleep", "0.15"]).returncode == 0


def pipeline():
    jobs, done = queue.Queue(7), []

    def works():
        for job in jobs:
            gevent.sleep(0)
            done.append(job)

    group = pool.Group()
    group.spawn(works)
    for number in range(101):
        jobs.put(number)
    jobs.put(StopIteration)
    group.join()
    assert len(done) == 101


def is_ended():
    left = gevent.spawn(gevent.sleep, 60)
    gevent.sleep(0)
    left.kill()
    assert left.dead
    gevent.spawn(left.kill).join()


def nothing_to_wait_for():
    """Control comes back by an exception that the hub throws."""
    try:
        event.AsyncResult().get()
    except gevent.exceptions.LoopExit:
        pass


def computes():
    end = time.thread_time() + 0.15
    while time.thread_time() < end:
        pass


for form in (serves, times_out, in_threads, in_a_child, pipeline, is_ended):
    gevent.spawn(form).get()
    form()
nothing_to_wait_for()
# By now nobody else is there, and this is the main greenlet.
computes()
gevent.sleep(0.01)
computes()
print("done")
