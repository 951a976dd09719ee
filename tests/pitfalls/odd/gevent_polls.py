# SPDX-License-Identifier: Apache-2.0
"""Callbacks of gevent's loop that poll what is their own, one of them before the loop polls at all."""
import select

import gevent


def polls():
    with select.epoll() as mine:
        mine.poll(0.001)


for _ in range(3):
    gevent.get_hub().loop.run_callback(polls)
    gevent.sleep(0.3)
print("done")
