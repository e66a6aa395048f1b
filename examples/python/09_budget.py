"""Limits and progress: a budget stops a method early with a valid result; a listener sees how far it is."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
events: list[vt.Progress] = []

why = vt.rise(model, sys.argv[2], masks=4000, budget="200forwards", progress=events.append)
print(f"{max(e.done for e in events)} of {events[-1].total}, {'partial' if why.partial else 'whole'}")
for warning in why.warnings:
    print(warning)
