"""The clock and the output line that every Python contender shares."""

import importlib.metadata
import json
import time


class Stopwatch:
    """Measures wall and processor time of a `with` block; processor time counts every thread."""

    def __enter__(self):
        self._wall_start = time.perf_counter()
        self._cpu_start = time.process_time()
        return self

    def __exit__(self, *_exception):
        self.wall_seconds = time.perf_counter() - self._wall_start
        self.cpu_seconds = time.process_time() - self._cpu_start


def versions_of(*distributions):
    """Names and versions of installed packages, for example `numpy 2.0.0, jax 0.5.0`."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in distributions)


def print_line(**fields):
    """Prints one measurement as a JSON line, flushed so that a later crash cannot lose it."""
    print(json.dumps(fields), flush=True)
