"""Runs every script against simulators of its own, prints one line a check, ends with `N passed, N failed`.

`run.py gam` runs only the scripts with that word in their name.
"""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = ["google_library.py", "graph_sdk.py", "login_msal.py", "gam_commands.py", "node_libraries.py"]


def main():
    if "GROUPCAST" not in os.environ:
        sys.exit("GROUPCAST names no program to start the simulators with: use `make clients`")
    wanted = sys.argv[1:]
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    passed = failed = 0
    for script in SCRIPTS:
        if wanted and not any(word in script for word in wanted):
            continue
        command = [sys.executable, HERE / script]
        before, skipped = (passed, failed), False
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
            for line in running.stdout:
                print(line, end="", flush=True)
                passed += line.startswith("ok ")
                failed += line.startswith("FAILED ")
                skipped |= line.startswith("skipped ")
        # A script that ends early, or that checks nothing and does not say so, has failed as well.
        if failed == before[1] and (running.returncode != 0 or (passed == before[0] and not skipped)):
            failed += 1
            print(f"FAILED  {script}: ended with code {running.returncode}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
