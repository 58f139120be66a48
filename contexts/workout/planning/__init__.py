"""Training plans as plain values (WO-2): what a workout consists of, how it grows, on which days it stands.

Pure: no database, no clock. The same plan, start, thresholds and history give the same schedule.
"""
