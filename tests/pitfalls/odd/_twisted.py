# SPDX-License-Identifier: Apache-2.0
"""A framework that is not watched: twisted; with an argument it is imported and does not run."""
import sys

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet import reactor  # noqa: E402

if len(sys.argv) == 1:
    reactor.callLater(0.01, reactor.stop)
    reactor.run()
print("done")
