# SPDX-License-Identifier: Apache-2.0
"""A command that says which signals reach it: signal_catcher.py NAME...

Prints "ready", then waits for SIGRTMIN, the barrier: signals that wait are taken lowest number first, so all that
were sent before have come by then. Prints the names in order of arrival and exits with 5.
"""
import os
import signal
import sys

caught = []
reached = []
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), lambda number, frame: caught.append(signal.Signals(number).name))
signal.signal(signal.SIGRTMIN, lambda number, frame: reached.append(number))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
os.write(1, b"ready\n")
while not reached:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGRTMIN])
    if not reached:
        signal.sigtimedwait([], 0.05)
os.write(1, (" ".join(caught) + "\n").encode())
sys.exit(5)
