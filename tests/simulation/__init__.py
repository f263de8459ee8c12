"""The crash simulation: the real orders, engine and journal, on a broker, a disk and a clock that are made up.

A crash loses what a process remembers and nothing else. So a crash point is a copy of what survives: the durable bytes
of the disk, the truth at the broker, and the time. One life without a crash gives all its points; a new process is then
started from each of them, and crashes once more on its way.
"""
