# SPDX-License-Identifier: Apache-2.0
"""Namespace: mounts that only this test process and what it starts can see."""
import ctypes
import os
import subprocess

from . import runner

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 0x4000, 0x40000


def private_mounts():
    """From here on nothing this process mounts is seen outside; skips where that cannot be."""
    if os.geteuid() != 0:
        runner.skip("only root can have mounts of its own")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        runner.skip(f"no mount namespace here: {os.strerror(ctypes.get_errno())}")
    if libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        # In a chroot whose / is not a mount point; the real root of the namespace is one.
        command = ["nsenter", "--mount=/proc/self/ns/mnt", "/bin/mount", "--make-rprivate", "/"]
        if subprocess.run(command).returncode != 0:
            runner.skip("mounts cannot be made private here")


def mount_tmpfs(place):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, None) != 0:
        runner.skip(f"no tmpfs on {place} here: {os.strerror(ctypes.get_errno())}")
