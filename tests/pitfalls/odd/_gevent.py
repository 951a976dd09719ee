# SPDX-License-Identifier: Apache-2.0
"""gevent, in its simplest; with an argument it is imported and does not run."""
import sys

import gevent

if len(sys.argv) == 1:
    gevent.joinall([gevent.spawn(gevent.sleep, 0.01) for _ in range(3)])
print("done")
