# SPDX-License-Identifier: Apache-2.0
"""A client that people use holds the loop ROUNDS times, and says for how long: clients.py CLIENT ADDRESS

Each client is made, and connects, before the loop starts. Its one wrong line is marked.
"""
import asyncio
import subprocess
import sys
import time

ROUNDS = 3


def psycopg2(dsn):
    import psycopg2

    postgres = psycopg2.connect(dsn).cursor()

    def ask():
        postgres.execute("select pg_sleep(0.15)")  # BAD: blocking-call 3
    return ask


def pymysql(address):
    import pymysql

    host, port = address.split(":")
    mysql = pymysql.connect(host=host, port=int(port), user="root").cursor()

    def ask():
        mysql.execute("select sleep(0.15)")  # BAD: blocking-call 3
    return ask


def redis(address):
    import redis

    host, port = address.split(":")
    client = redis.Redis(host, int(port))
    client.ping()

    def ask():
        client.execute_command("DEBUG", "SLEEP", "0.15")  # BAD: blocking-call 3
    return ask


def redis_timeout(address):
    import redis

    host, port = address.split(":")
    client = redis.Redis(host, int(port), socket_timeout=5)
    client.ping()

    def ask():
        client.blpop("nothing", 0.15)  # BAD: blocking-call 3
    return ask


def requests(address):
    import requests

    session = requests.Session()
    session.trust_env = False
    session.get(f"http://{address}/now")

    def ask():
        session.get(f"http://{address}/late")  # BAD: blocking-call 3
    ask.finish = session.close
    return ask


def urllib(address):
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(f"http://{address}/now").close()

    def ask():
        opener.open(f"http://{address}/late").close()  # BAD: blocking-call 3
    return ask


def paramiko(address):
    import paramiko

    host, port, user, key = address.split(":")
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(host, int(port), user, key_filename=key, allow_agent=False, look_for_keys=False)

    def prepare():
        nonlocal channel
        channel = client.get_transport().open_session()
        channel.exec_command("sleep 0.3; echo done")

    def ask():
        channel.recv(100)  # BAD: blocking-call 3
    channel, ask.prepare, ask.finish = None, prepare, client.close
    return ask


HOLDER = """
import sqlite3, sys, time
base = sqlite3.connect(sys.argv[1], isolation_level=None)
for _ in sys.stdin:
    base.execute("begin exclusive")
    print("held", flush=True)
    sys.stdin.readline()
    time.sleep(0.15)
    base.execute("commit")
"""


def sqlite3(path):
    import sqlite3

    base = sqlite3.connect(path, isolation_level=None)
    base.execute("pragma synchronous = off")
    base.execute("create table t (x)")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, bufsize=0)

    def prepare():
        holder.stdin.write(b"hold\n")
        assert holder.stdout.readline() == b"held\n"
        holder.stdin.write(b"let go soon\n")

    def ask():
        base.execute("insert into t values (1)")  # BAD: blocking-call 3
    ask.prepare = prepare
    ask.finish = lambda: (holder.stdin.close(), holder.wait())
    return ask


async def main(ask):
    for _ in range(ROUNDS):
        prepare = getattr(ask, "prepare", None)
        if prepare:
            await asyncio.to_thread(prepare)
        start = time.perf_counter_ns()
        ask()
        print(time.perf_counter_ns() - start)
        await asyncio.sleep(0)
    if hasattr(ask, "finish"):
        await asyncio.to_thread(ask.finish)


if __name__ == "__main__":
    asyncio.run(main(globals()[sys.argv[1]](sys.argv[2])))
