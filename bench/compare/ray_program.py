"""The compared workloads on Ray's Python API: as mobula_program.cc, line by line.

usage: ray_program.py ROW:COUNT...
"""
import os

import program
import ray

LARGE = bytes(100_000_000)
MEDIUM = bytes(80_000)


@ray.remote
def nothing():
    return 0


@ray.remote(num_cpus=0)
def submit_and_get(count):
    ray.get([nothing.remote() for _ in range(count)])


@ray.remote
def put_ones(count):
    return [ray.put(1) for _ in range(count)]


@ray.remote
def read_all(*values):
    return len(values)


@ray.remote
def results(count):
    return [MEDIUM] * count


def task_sync(count):
    for _ in range(count):
        ray.get(nothing.remote())


def task_async(count):
    for _ in range(0, count, 1000):
        ray.get([nothing.remote() for _ in range(1000)])


def nested_tasks(count):
    ray.get([submit_and_get.remote(count // 4) for _ in range(4)])


def wait(count):
    pending = [nothing.remote() for _ in range(count)]
    while pending:
        _, pending = ray.wait(pending, num_returns=1)


def args(count):
    ray.get(read_all.remote(*[ray.put(MEDIUM) for _ in range(count)]))


def returns(count):
    ray.get(results.options(num_returns=count).remote(count))


def put_small(count):
    refs = [ray.put(1) for _ in range(count)]
    del refs


def queued(count):
    ray.get([nothing.remote() for _ in range(count)])


def get_small(count):
    refs = [ray.put(1) for _ in range(count)]
    return program.timed(lambda: [ray.get(ref) for ref in refs])


def put_large(count):
    ray.put(LARGE)  # its pages are there now
    return sum(program.timed(lambda: ray.put(LARGE)) for _ in range(count))


def get_large(count):
    ref = ray.put(LARGE)
    return program.timed(lambda: [ray.get(ref) for _ in range(count)])


def get_refs(count):
    ref = put_ones.remote(count)
    ray.get(ref)
    return program.timed(lambda: ray.get(ref))


def get_objects(count):
    refs = [ray.put(MEDIUM) for _ in range(count)]
    return program.timed(lambda: ray.get(refs))


if __name__ == "__main__":
    ray.init(address="local", num_cpus=os.cpu_count(), log_to_driver=False, logging_level="ERROR")
    ray.get(nothing.remote())
    program.run(whole=[task_sync, task_async, nested_tasks, wait, args, returns, put_small, queued],
                prepared=[get_small, put_large, get_large, get_refs, get_objects],
                warm=lambda: queued(100))
    ray.shutdown()
