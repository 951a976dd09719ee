# SPDX-License-Identifier: Apache-2.0
"""Under gevent: waits and computations of greenlets, also where they are ended, and none of the main one."""
import sys
import threading
import time

import gevent


def waits():
    time.sleep(0.11)  # BAD: blocking-call 5


def third():
    time.sleep(0.11)  # BAD: blocking-call 1


def second():
    return third()


def three_calls_deep():
    gevent.sleep(0.001)
    second()


def one_of_many(number):
    for _ in range(number % 3):
        gevent.sleep(0)
    time.sleep(0.03)  # BAD: blocking-call 23


def computes():
    gevent.sleep(0.001)
    end = time.thread_time() + 0.3
    while time.thread_time() < end: pass  # BAD: slow-callback 1


def is_killed():
    try:
        gevent.sleep(60)
    finally:
        time.sleep(0.11)  # BAD: blocking-call 1


def fails():
    raise ValueError("of its own")


def in_a_thread():
    """A hub of its own."""
    gevent.spawn(waits).join()


def main():
    time.sleep(0.11)
    for _ in range(3):
        gevent.spawn(waits).join()
    gevent.joinall([gevent.spawn(three_calls_deep), gevent.spawn(computes)])
    gevent.joinall([gevent.spawn(one_of_many, number) for number in range(23)])
    gevent.spawn(waits).get()
    left = gevent.spawn(is_killed)
    gevent.sleep(0.001)
    left.kill()
    sys.stderr = open("/dev/null", "w")
    gevent.spawn(fails).join()
    sys.stderr = sys.__stderr__
    time.sleep(0.11)
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()


main()
time.sleep(0.11)
print("done")
