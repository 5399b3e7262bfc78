"""What the Python programs share: the protocol of mobula_program.cc."""
import json
import sys
import time


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def say(**line):
    print(json.dumps(line), flush=True)


def run(whole, prepared, warm):
    """Runs the rows of the command line. `whole`: functions that are timed as a whole;
    `prepared`: those that return their own seconds."""
    say(row="started")
    sys.stdin.readline()  # what it costs while idle is measured now
    warm()
    wholes = {one.__name__: one for one in whole}
    parts = {one.__name__: one for one in prepared}
    for word in sys.argv[1:]:
        row, count = word.split(":")
        count = int(count)
        seconds = timed(lambda: wholes[row](count)) if row in wholes else parts[row](count)
        say(row=row, count=count, seconds=seconds)
    say(row="done")
