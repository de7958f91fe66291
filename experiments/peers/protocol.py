"""The protocol that all Python peers of `experiments bench` speak. README.md describes it."""

import json
import sys
import time

SECONDS = 0.4  # how long a task is repeated for one answer
WARM_UP = 3  # how often a task is executed before it is timed for the first time


def serve(name, version, build, tasks=("train", "infer")):
    """Answers requests on standard input. `build` makes, from a request, a function that executes its task once."""
    print(json.dumps({"name": name, "version": version}), flush=True)
    steps = {}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request["what"] not in tasks:
                raise ValueError(f"{name} does not train; it only infers")
            if line not in steps:
                steps[line] = build(request)
                for _ in range(WARM_UP):
                    steps[line]()
            answer = {"samples_per_sec": request["batch"] / median_seconds(steps[line])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def median_seconds(step):
    """Repeats a step and returns the median of its duration."""
    durations, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or not durations:
        start = time.perf_counter()
        step()
        durations.append(time.perf_counter() - start)
    return sorted(durations)[len(durations) // 2]
