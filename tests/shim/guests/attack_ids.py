# SPDX-License-Identifier: Apache-2.0
"""A program gives up its rights, and enters another user namespace, while its loop runs: every
thread of the process is of one mind then, and the kernel finds no thread that it does not like."""
import asyncio
import ctypes
import os
import platform
import sys
import threading
import traceback

library = ctypes.CDLL(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER = 0x10000000
NOBODY = 65534
OFTEN = 307
SETGROUPS, SETRESUID, UNSHARE = {"x86_64": (116, 117, 272),
                                 "aarch64": (159, 147, 97)}[platform.machine()]


def ids(name):
    """What the threads of this process say of one of their ids, each answer once."""
    said = set()
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/status") as status:
                said |= {line for line in status if line.startswith(name)}
        except (FileNotFoundError, ProcessLookupError):
            # It has ended since.
            pass
    return sorted(said)


async def turns(n):
    for _ in range(n):
        await asyncio.sleep(0.0003)


async def step(what, *args):
    """Before and after, the loop goes on."""
    await turns(7)
    try:
        what(*args)
    except OSError as error:
        print(what.__name__, "failed:", error)
    print(what.__name__, ids("Uid:"), ids("Gid:"), ids("Groups:"))
    await turns(7)


async def give_up_rights():
    await step(os.seteuid, NOBODY)
    await step(os.seteuid, 0)
    await step(os.setegid, NOBODY)
    await step(os.setgroups, [NOBODY])
    await step(os.initgroups, "root", 0)
    await step(os.setresgid, NOBODY, NOBODY, NOBODY)
    await step(os.setresuid, NOBODY, NOBODY, NOBODY)
    await step(os.setreuid, NOBODY, NOBODY)
    await step(os.setregid, NOBODY, NOBODY)
    await step(os.setgid, NOBODY)
    await step(os.setuid, NOBODY)
    await step(os.setuid, 0)


async def enter_user_namespace():
    await turns(7)
    # Some systems forbid it to all; what matters is that they forbid it for the same reason.
    r = libc.unshare(CLONE_NEWUSER)
    print("unshare", r, ctypes.get_errno() if r else 0)
    await turns(7)


async def enter_bad_namespaces():
    await turns(7)
    print([(libc.setns(fd, kind), ctypes.get_errno())
           for fd, kind in [(-1, 0), (-1, CLONE_NEWUSER), (0, 0)]])
    await turns(7)


async def by_system_calls():
    """They change one thread, and in this process there is no other."""
    def setgroups(n):
        return libc.syscall(SETGROUPS, n, None)

    def setresuid(*users):
        return libc.syscall(SETRESUID, *users)

    def unshare(flags):
        return print("unshare", libc.syscall(UNSHARE, flags))

    await step(setgroups, 0)
    await step(setresuid, -1, NOBODY, -1)
    await step(setresuid, NOBODY, NOBODY, NOBODY)
    await step(unshare, CLONE_NEWUSER)


async def often(set_id, ids_to_set):
    """Other threads with loops begin turns meanwhile. They stay: libc leaves out one that ends."""
    is_over = threading.Event()

    async def turns_until_over():
        while not is_over.is_set():
            await turns(1)

    others = [threading.Thread(target=asyncio.run, args=(turns_until_over(),)) for _ in range(2)]
    for other in others:
        other.start()
    for i in range(OFTEN):
        set_id(ids_to_set[i % 2])
        assert len(ids("Uid:")) == 1, ids("Uid:")
        await turns(1)
    is_over.set()
    for other in others:
        other.join()
    print("often", ids("Uid:"))


async def in_handlers():
    print(library.handler_sets_ids(ctypes.c_long(1009)))
    while not library.handler_has_run(211):
        await turns(1)
    print(library.handler_rest())


def in_child(main):
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        try:
            asyncio.run(main)
        except BaseException:
            traceback.print_exc()
            os._exit(7)
        sys.stdout.flush()
        os._exit(0)
    main.close()
    print(os.waitpid(pid, 0)[1])


as_root = os.geteuid() == 0
in_child(give_up_rights())
in_child(enter_user_namespace())
in_child(enter_bad_namespaces())
in_child(by_system_calls())
in_child(often(os.seteuid, [NOBODY, 0] if as_root else [os.geteuid()] * 2))
in_child(in_handlers())
