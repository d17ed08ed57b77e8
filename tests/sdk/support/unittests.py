"""Runs the tests of centrifuge-python that need a server, against one that it starts.

    unittests.py PROGRAM CONFIGURATION SOURCE [NAME...]

NAME is a class of tests/test_client.py, or a class and a test. Prints a line for each test, as
Rust's test harness does, and the sums at the end.
"""

import logging
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

# Some of the tests wait without a limit.
LIMIT = 120

# Tests that cannot pass, and why.
LEFT_OUT = {}


class Overtime(Exception):
    """A test has taken longer than LIMIT seconds."""


def overtime(_signal, _frame):
    raise Overtime(f"longer than {LIMIT} s")


class Result(unittest.TestResult):
    """Prints what each test comes to."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()
        self.problems = []
        self.skips = []
        # Again and again: what is raised inside a task may be caught there.
        signal.setitimer(signal.ITIMER_REAL, LIMIT, 5)

    def stopTest(self, test):
        signal.setitimer(signal.ITIMER_REAL, 0)
        super().stopTest(test)
        if self.skips:
            said = f"ignored, {self.skips[0]}"
        elif self.problems:
            self.failed += 1
            said = "FAILED"
        else:
            self.passed += 1
            said = "ok"
        print(f"test {name_of(test)} ... {said} <{time.monotonic() - self.begin:.3f}s>", flush=True)
        for problem in self.problems:
            print(problem, flush=True)

    def problem(self, test, error):
        text = f"{test}\n{self._exc_info_to_string(error, test)}"
        if isinstance(test, unittest.TestCase):
            self.problems.append(text)
        else:  # of a module or class, which no test was started for
            self.failed += 1
            print(text, flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        self.problem(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.problem(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.problems.append(f"{subtest}\n{self._exc_info_to_string(err, test)}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skips.append(reason)


def name_of(test):
    return test.id().removeprefix("tests.test_client.")


def leave_out(suite):
    """Marks the tests of LEFT_OUT, all of which must be there."""
    found = set()
    for test in each(suite):
        if name_of(test) in LEFT_OUT:
            found.add(name_of(test))
            method = getattr(type(test), test._testMethodName)
            skipping = unittest.skip(LEFT_OUT[name_of(test)])(method)
            setattr(type(test), test._testMethodName, skipping)
    return found


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def main(program, configuration, source, *names):
    os.chdir(source)
    sys.path.insert(0, source)
    signal.signal(signal.SIGALRM, overtime)

    environment = {k: v for k, v in os.environ.items() if not k.startswith("STENTOR_")}
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            [program, "--config", configuration], stdout=log, stderr=log, env=environment
        )
        try:
            # It waits until the server answers.
            import tests.test_client

            # The SDK logs each message.
            for logger in None, "centrifuge":
                logging.getLogger(logger).setLevel(logging.WARNING)
            # It warns of slow callbacks, on a busy machine of many.
            logging.getLogger("asyncio").setLevel(logging.ERROR)
            loader = unittest.TestLoader()
            if names:
                suite = loader.loadTestsFromNames(names, tests.test_client)
            else:
                suite = loader.loadTestsFromModule(tests.test_client)
            missing = LEFT_OUT.keys() - leave_out(suite)
            if missing and not names:
                sys.exit(f"no such test, which is left out: {missing}")
            result = Result()
            suite.run(result)
            died = server.poll()
            failed = result.failed or died is not None
            if died is not None:
                print(f"the server has exited with {died}")
        finally:
            server.terminate()
            server.wait()
        if failed:
            log.seek(0)
            print("the server's log:", log.read(), sep="\n")
    print(
        f"test result: {'FAILED' if failed else 'ok'}. {result.passed} passed; "
        f"{result.failed} failed; {len(result.skipped)} ignored"
    )
    sys.exit(bool(failed))


main(*(str(pathlib.Path(path).absolute()) for path in sys.argv[1:4]), *sys.argv[4:])
