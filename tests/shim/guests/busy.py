# SPDX-License-Identifier: Apache-2.0
"""20,011 calls, each a record when the limits are low, by functions of 997 names."""
import asyncio
import select

functions = []
for n in range(997):
    scope = {"select": select}
    exec(compile(f"def function_{n}_{'x' * 200}():\n    return select.select([], [], [], 0.00001)",
                 f"file_{n}_{'y' * 300}.py", "exec"), scope)
    functions += [value for key, value in scope.items() if key.startswith("function_")]


def deep(n, function):
    return function() if n == 0 else deep(n - 1, function)


async def main():
    for n in range(20011):
        functions[n % 997]()
        if n % 101 == 0:
            deep(500, functions[n % 997])
            await asyncio.sleep(0)
    print("ended")


asyncio.run(main())
