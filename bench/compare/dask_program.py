"""The compared workloads on Dask distributed, processes of one thread each.

Dask has no references inside values: no get_refs, no returns.
usage: dask_program.py ROW:COUNT...
"""
import os

import distributed
import program

LARGE = bytes(100_000_000)
MEDIUM = bytes(80_000)


def nothing():
    return 0


def submit(client, count):
    return [client.submit(nothing, pure=False) for _ in range(count)]


def submit_and_get(count):
    with distributed.worker_client() as client:
        client.gather(submit(client, count))


def read_all(values):
    return len(values)


def main():
    cluster = distributed.LocalCluster(n_workers=os.cpu_count(), threads_per_worker=1,
                                       dashboard_address=None, silence_logs=50)
    client = distributed.Client(cluster)
    client.submit(nothing, pure=False).result()

    def put(value, count):
        return [client.scatter(value, hash=False) for _ in range(count)]

    def task_sync(count):
        for _ in range(count):
            client.submit(nothing, pure=False).result()

    def task_async(count):
        for _ in range(0, count, 1000):
            client.gather(submit(client, 1000))

    def nested_tasks(count):
        client.gather([client.submit(submit_and_get, count // 4, pure=False) for _ in range(4)])

    def wait(count):
        pending = submit(client, count)
        while pending:
            done = distributed.wait(pending, return_when="FIRST_COMPLETED").done
            first = next(iter(done))
            pending = [one for one in pending if one is not first]

    def args(count):
        client.submit(read_all, put(MEDIUM, count), pure=False).result()

    def queued(count):
        client.gather(submit(client, count))

    def put_small(count):
        put(1, count)

    def get_small(count):
        refs = put(1, count)
        return program.timed(lambda: [ref.result() for ref in refs])

    def put_large(count):
        put(LARGE, 1)  # its pages are there now
        return program.timed(lambda: put(LARGE, count))

    def get_large(count):
        ref = put(LARGE, 1)[0]
        return program.timed(lambda: [ref.result() for _ in range(count)])

    def get_objects(count):
        refs = put(MEDIUM, count)
        return program.timed(lambda: client.gather(refs))

    program.run(whole=[task_sync, task_async, nested_tasks, wait, args, put_small, queued],
                prepared=[get_small, put_large, get_large, get_objects],
                warm=lambda: queued(100))
    client.close()
    cluster.close()


if __name__ == "__main__":
    main()
