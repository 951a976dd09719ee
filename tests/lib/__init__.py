# SPDX-License-Identifier: Apache-2.0
"""What the Python tests share: runner, pythons, watch, report, service, load, program."""
